"""Kafka's jars: only those of the lock file are ever used, however a download ends."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker import jars
from broker.jars import Jar, JarError, JarLock, ensure_jars, read_lock
from broker.maven import FetchError

CONTENT = {"a-1.jar": b"first jar" * 100, "b-2.jar": b"second jar" * 200}
LOCK = JarLock(
    coordinates=("org.example:a:1",),
    resolver="none",
    jars=tuple(
        Jar(f"org.example:{file[0]}:{file[2]}", file, len(data), hashlib.sha256(data).hexdigest())
        for file, data in CONTENT.items()
    ),
)


class Upstream:
    """Stands in for the Maven repository: serves CONTENT, and counts what was asked for."""

    def __init__(self) -> None:
        self.files = dict(CONTENT)
        self.asked: list[str] = []
        self._guard = threading.Lock()

    def fetch(self, coordinate: str, repository: Path, meter: object = None) -> Path:
        _, artifact, version = coordinate.split(":")
        file = f"{artifact}-{version}.jar"
        with self._guard:
            self.asked.append(file)
        repository.mkdir(parents=True, exist_ok=True)
        if file not in self.files:
            raise FetchError(f"{coordinate}: connection lost")
        with meter(file, len(self.files[file])) as add:
            (repository / file).write_bytes(self.files[file])
            add(len(self.files[file]))
        return repository / file


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    served = Upstream()
    monkeypatch.setattr(jars, "fetch", served.fetch)
    return served


def test_the_class_path_holds_every_jar_of_the_lock_file_in_its_order(upstream, tmp_path):
    paths = ensure_jars(tmp_path, lock=LOCK)
    assert [path.name for path in paths] == list(CONTENT)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())


def test_a_second_call_fetches_nothing(upstream, tmp_path):
    first = ensure_jars(tmp_path, lock=LOCK)
    upstream.files.clear()
    assert ensure_jars(tmp_path, lock=LOCK) == first


def test_progress_counts_up_to_the_size_of_all_jars(upstream, tmp_path):
    seen = []
    ensure_jars(tmp_path, lambda done, total, name: seen.append((done, total, name)), LOCK)
    total = sum(len(data) for data in CONTENT.values())
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert seen[-1][:2] == (total, total)
    assert {name for _, _, name in seen} == set(CONTENT)


def test_what_comes_from_upstream_must_be_what_the_lock_file_names(upstream, tmp_path):
    upstream.files["b-2.jar"] = b"X" + CONTENT["b-2.jar"][1:]
    with pytest.raises(JarError, match=r"b-2\.jar has SHA-256"):
        ensure_jars(tmp_path, lock=LOCK)
    upstream.files["b-2.jar"] = CONTENT["b-2.jar"]
    assert len(ensure_jars(tmp_path, lock=LOCK)) == 2


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda folder: (folder / "a-1.jar").write_bytes(CONTENT["a-1.jar"][:-1] + b"?"), r"a-1\.jar has SHA-256"),
        (lambda folder: (folder / "a-1.jar").write_bytes(b""), r"a-1\.jar has 0 bytes, expected 900"),
        (lambda folder: (folder / "a-1.jar").unlink(), r"a-1\.jar is missing"),
        (lambda folder: (folder / "c.jar").write_bytes(b"?"), r"c\.jar is not in the lock file"),
    ],
    ids=["changed", "emptied", "missing", "extra"],
)
def test_a_cache_that_differs_from_the_lock_file_is_refused(upstream, tmp_path, spoil, complaint):
    folder = ensure_jars(tmp_path, lock=LOCK)[0].parent
    spoil(folder)
    with pytest.raises(JarError, match=complaint):
        ensure_jars(tmp_path, lock=LOCK)


def test_an_interrupted_download_goes_on_with_what_was_verified(upstream, tmp_path):
    del upstream.files["b-2.jar"]
    with pytest.raises(JarError, match="connection lost"):
        ensure_jars(tmp_path, lock=LOCK)
    upstream.files.update(CONTENT)
    upstream.asked.clear()
    assert len(ensure_jars(tmp_path, lock=LOCK)) == 2
    assert "b-2.jar" in upstream.asked


def test_half_a_file_left_by_a_killed_process_is_not_trusted(upstream, tmp_path):
    partial = tmp_path / (LOCK.folder_name + ".partial") / "jars"
    partial.mkdir(parents=True)
    (partial / "a-1.jar").write_bytes(CONTENT["a-1.jar"][:10])
    paths = ensure_jars(tmp_path, lock=LOCK)
    assert paths[0].read_bytes() == CONTENT["a-1.jar"]


def test_of_two_that_start_at_once_one_fetches(upstream, tmp_path):
    together = threading.Barrier(2)
    results = []

    def start() -> None:
        together.wait()
        results.append(ensure_jars(tmp_path, lock=LOCK))

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[0] == results[1]
    assert sorted(upstream.asked) == sorted(CONTENT)


def test_the_lock_file_pins_the_versions_that_work_together():
    pinned = {jar.coordinate.rpartition(":")[0]: jar.coordinate.rpartition(":")[2] for jar in read_lock().jars}
    assert pinned["org.apache.kafka:kafka_2.13"] == "4.2.2"
    assert pinned["org.apache.kafka:kafka-clients"] == "4.2.2"
    assert pinned["org.slf4j:slf4j-simple"] == pinned["org.slf4j:slf4j-api"] == "1.7.36"
    assert len({jar.file for jar in read_lock().jars}) == len(read_lock().jars)


def test_an_unreadable_lock_file_is_named(tmp_path):
    (tmp_path / "lock.json").write_text('{"jars": 3}')
    with pytest.raises(JarError, match=r"lock\.json cannot be read"):
        read_lock(tmp_path / "lock.json")
