"""Gets Kafka's jars onto this machine: exactly those of the lock file, each checked by its SHA-256.

`kafka-jars.lock.json` names every jar. `python -m broker.jars --relock` writes it anew from COORDINATES, and that is
the only time that dependencies are resolved: an installation fetches the named jars and nothing else, so a change
upstream cannot change what runs here. (jgo has lock files too, but compares nothing with them when it installs.)
"""

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from broker.lock import FolderInUse, FolderLock
from broker.maven import FetchError, fetch, resolve, resolver_version

Progress = Callable[[int, int, str], None]
"""Called with bytes done, bytes in all, and the name of the file that they came from."""

LOCK_FILE = Path(__file__).with_name("kafka-jars.lock.json")
COORDINATES = ("org.apache.kafka:kafka_2.13:4.2.2", "org.slf4j:slf4j-simple:1.7.36")
"""What Kafka's class path is resolved from. With log4j's binding in the place of slf4j-simple, its BOM would pull
kafka-clients down to 3.8, and nothing starts.

Not 4.3 or 4.4: a broker of these loses the marker of a transaction that is committed while a partition has no leader
(KAFKA-20734), and what was committed then becomes visible later, when it has been decided again."""

_PARALLEL = 4
_OTHER_PROCESS_SECONDS = 600.0


class JarError(RuntimeError):
    """A jar is missing, unknown, different from the lock file, or could not be fetched."""


class Jar(msgspec.Struct, frozen=True):
    """One file of the class path: Maven coordinate, file name, size in bytes, SHA-256 in hex."""

    coordinate: str
    file: str
    size: int
    sha256: str


class JarLock(msgspec.Struct, frozen=True):
    """The lock file: what was asked for, who resolved it, and every jar that came out."""

    coordinates: tuple[str, ...]
    resolver: str
    jars: tuple[Jar, ...]

    @property
    def folder_name(self) -> str:
        """Changes whenever a jar does, so that several versions can live in one cache."""
        digest = hashlib.sha256("".join(jar.sha256 for jar in self.jars).encode()).hexdigest()
        return f"kafka-{self.coordinates[0].rpartition(':')[2]}-{digest[:12]}"


def read_lock(path: Path = LOCK_FILE) -> JarLock:
    """The lock file at `path`. Raises JarError if it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=JarLock)
    except (OSError, msgspec.MsgspecError) as error:
        raise JarError(f"the lock file {path} cannot be read: {error}") from error


def default_cache_dir() -> Path:
    """`$OFFERMATCH_CACHE/kafka`, or `~/.cache/offermatch/kafka`."""
    root = os.environ.get("OFFERMATCH_CACHE")
    return (Path(root).expanduser() if root else Path.home() / ".cache" / "offermatch") / "kafka"


def ensure_jars(
    cache_dir: Path | None = None, progress: Progress | None = None, lock: JarLock | None = None
) -> list[Path]:
    """Kafka's class path: the paths of all jars of the lock file, in its order, every one verified.

    Fetches them (some 43 MB) the first time; `progress` is then called from several threads, one at a time. They lie
    in a folder of their own until each is verified, and take their place by one rename, so that an interrupted
    download is never trusted. Any number of processes may call at once: one fetches and the others wait.

    Raises JarError.
    """
    lock = lock or read_lock()
    cache_dir = cache_dir or default_cache_dir()
    folder = cache_dir / lock.folder_name
    if not folder.is_dir():
        with FolderLock(cache_dir) as guard:
            try:
                guard.acquire(timeout=_OTHER_PROCESS_SECONDS)
                if not folder.is_dir():
                    _fetch_all(folder, lock, progress)
            except (FetchError, FolderInUse) as error:
                raise JarError(str(error)) from error
    return _verified(folder, lock)


def relock(coordinates: tuple[str, ...] = COORDINATES, path: Path = LOCK_FILE) -> JarLock:
    """Resolve `coordinates` anew, fetch and hash every jar, and write the lock file to `path`."""
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder)
        jars = []
        for coordinate in resolve(coordinates, repository):
            file = fetch(coordinate, repository)
            jars.append(Jar(coordinate, file.name, file.stat().st_size, _sha256(file)))
    lock = JarLock(coordinates, resolver_version(), tuple(jars))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(lock)) + b"\n")
    return lock


def _verified(folder: Path, lock: JarLock) -> list[Path]:
    present = {path.name for path in folder.iterdir()}
    wanted = {jar.file for jar in lock.jars}
    problems = [f"{name} is missing" for name in sorted(wanted - present)]
    problems += [f"{name} is not in the lock file" for name in sorted(present - wanted)]
    # Hashing all of it takes under a tenth of a second, so no cheaper check is needed for later starts.
    problems += [text for jar in lock.jars if jar.file in present and (text := _difference(folder / jar.file, jar))]
    if problems:
        raise JarError(
            f"Kafka's jars in {folder} are not those of the lock file: {'; '.join(problems)}. "
            "Delete that folder to have them fetched again."
        )
    return [folder / jar.file for jar in lock.jars]


def _difference(path: Path, jar: Jar) -> str | None:
    size = path.stat().st_size
    if size != jar.size:
        return f"{jar.file} has {size} bytes, expected {jar.size}"
    found = _sha256(path)
    return None if found == jar.sha256 else f"{jar.file} has SHA-256 {found}, expected {jar.sha256}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_all(folder: Path, lock: JarLock, progress: Progress | None) -> None:
    staging = folder.with_name(folder.name + ".partial")
    verified = staging / "jars"
    verified.mkdir(parents=True, exist_ok=True)
    repository = staging / "repository"
    # A file in there may be half of one, and jgo takes what it finds for whole.
    shutil.rmtree(repository, ignore_errors=True)
    meter = _Meter(sum(jar.size for jar in lock.jars), progress)
    with ThreadPoolExecutor(_PARALLEL) as pool:
        futures = [pool.submit(_fetch_one, jar, verified, repository, meter) for jar in lock.jars]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    verified.rename(folder)
    shutil.rmtree(staging)


def _fetch_one(jar: Jar, verified: Path, repository: Path, meter: "_Meter") -> None:
    target = verified / jar.file
    if not target.exists() or _difference(target, jar):
        fetched = fetch(jar.coordinate, repository, meter.file)
        if problem := _difference(fetched, jar):
            raise JarError(f"what came as {jar.coordinate} is not what the lock file names: {problem}")
        fetched.replace(target)
    meter.finished(jar)


class _Meter:
    """Adds up the bytes of files that are fetched at the same time; a retried file does not count twice."""

    def __init__(self, total: int, report: Progress | None) -> None:
        self._total = total
        self._report = report
        self._done: dict[str, int] = {}
        self._guard = threading.Lock()

    @contextmanager
    def file(self, name: str, _size: int) -> Iterator[Callable[[int], None]]:
        count = 0

        def add(chunk: int) -> None:
            nonlocal count
            count += chunk
            self._set(name, count)

        yield add

    def finished(self, jar: Jar) -> None:
        self._set(jar.file, jar.size)

    def _set(self, name: str, count: int) -> None:
        with self._guard:
            self._done[name] = count
            if self._report is not None:
                self._report(sum(self._done.values()), self._total, name)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m broker.jars", description=__doc__)
    parser.add_argument("--relock", action="store_true", help="resolve anew and write the lock file")
    if parser.parse_args().relock:
        lock = relock()
        sys.stdout.write(f"{LOCK_FILE}: {len(lock.jars)} jars, {sum(jar.size for jar in lock.jars)} bytes\n")
    else:
        sys.stdout.write(f"{len(ensure_jars())} jars verified in {default_cache_dir() / read_lock().folder_name}\n")


if __name__ == "__main__":
    _main()
