"""Features are computed once: whatever interrupts, damages or shares the cache, nothing false ever comes out of it."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from consumers.datasets import CacheUnusable, Progress, load_datasets, on_demand
from consumers.datasets.cache import Memory, Vectors
from consumers.datasets.identity import identity_of
from matcher.encoders import Encoder, EncoderSpec
from matcher.encoders.dummy import DummyEncoder
from matcher.model.bundle import EncoderFacts
from matcher.training.dataset import Dataset
from tests.consumers.datasets_making import DUMMY, LONG_AGO, ROWS, load, load_one, write_photo, write_table
from tests.examples import examples


class Counting(DummyEncoder):
    """The dummy, which counts what it is asked to encode, and refuses a text that says so."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.photos = 0

    def encode_texts(self, texts):
        self.texts += texts
        if any("poison" in text for text in texts):
            raise FloatingPointError("poison")
        return super().encode_texts(texts)

    def encode_images(self, pixels):
        self.photos += len(pixels)
        return super().encode_images(pixels)


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()

    def load_encoder(_: EncoderSpec) -> Encoder:
        return counting

    monkeypatch.setattr(on_demand, "load_encoder", load_encoder)
    return counting


def shop(folder: Path, *photos: str) -> Path:
    return write_table(folder, [{**row, "images": images} for row, images in zip(ROWS, photos, strict=True)])


def same(one: Dataset, other: Dataset) -> bool:
    return (
        np.array_equal(one.features.text, other.features.text)
        and np.array_equal(one.features.image, other.features.image)
        and np.array_equal(one.features.has_text, other.features.has_text)
        and np.array_equal(one.features.has_image, other.features.has_image)
    )


def test_a_second_run_encodes_nothing_and_gives_the_same_features(tmp_path: Path, encoder: Counting) -> None:
    folder = shop(tmp_path / "shop", "1.png|2.png", "2.png", "")
    write_photo(folder / "1.png", (200, 0, 0))
    write_photo(folder / "2.png", (0, 0, 200))
    first, account = load_one(folder, tmp_path / "cache")
    assert (account.texts_encoded, account.images_encoded) == (3, 2)
    assert (len(encoder.texts), encoder.photos) == (3, 3)
    second, account = load_one(folder, tmp_path / "cache")
    assert (account.texts_cached, account.images_cached) == (3, 2)
    assert (account.texts_encoded, account.images_encoded) == (0, 0)
    assert (len(encoder.texts), encoder.photos) == (3, 3)
    assert same(first, second)
    pixels = [encoder.preprocess(Image.open(folder / name)) for name in ("1.png", "2.png")]
    mean = DummyEncoder().encode_images(np.stack(pixels)).mean(axis=0).astype(np.float16)
    np.testing.assert_array_equal(second.features.image[0], mean)


def test_equal_texts_and_equal_photos_are_encoded_once_wherever_they_lie(tmp_path: Path, encoder: Counting) -> None:
    one = shop(tmp_path / "one", "1.png", "copy.png", "")
    other = shop(tmp_path / "other", "elsewhere.png", "", "")
    for path in (one / "1.png", one / "copy.png", other / "elsewhere.png"):
        write_photo(path, (200, 0, 0))
    (first, second), (_, account) = load([one, other], tmp_path / "cache")
    assert (len(encoder.texts), encoder.photos) == (3, 1)
    assert (account.texts_cached, account.images_cached) == (3, 1)
    np.testing.assert_array_equal(first.features.image[1], second.features.image[0])


def test_a_changed_title_and_a_changed_photo_are_encoded_again(tmp_path: Path, encoder: Counting) -> None:
    folder = shop(tmp_path / "shop", "1.png", "", "")
    write_photo(folder / "1.png", (200, 0, 0))
    before, _ = load_one(folder, tmp_path / "cache")
    write_photo(folder / "1.png", (0, 200, 0), LONG_AGO + 1)
    write_table(folder, [{**ROWS[0], "title": "Green boot", "images": "1.png"}, *ROWS[1:]])
    after, account = load_one(folder, tmp_path / "cache")
    assert (account.texts_encoded, account.images_encoded) == (1, 1)
    assert not np.array_equal(before.features.image[0], after.features.image[0])
    assert encoder.texts[-1] == "Green boot"


def test_a_photo_that_changes_within_a_tick_of_the_clock_is_noticed(tmp_path: Path, encoder: Counting) -> None:
    folder = shop(tmp_path / "shop", "1.png", "", "")

    class Now:
        def now_ms(self) -> int:
            return LONG_AGO * 1000 + 500

        def monotonic(self) -> float:
            return 0.0

    # BMP: both files have the same size, and the file system says the same time.
    for colour in ((200, 0, 0), (0, 200, 0)):
        Image.new("RGB", (8, 8), colour).save(folder / "1.png", "BMP")
        os.utime(folder / "1.png", (LONG_AGO, LONG_AGO))
        load(folder, tmp_path / "cache", clock=Now())
    assert encoder.photos == 2


def test_what_is_no_photo_is_decoded_once_and_the_others_of_its_offer_count(tmp_path: Path, encoder: Counting) -> None:
    folder = shop(tmp_path / "shop", "1.png|broken.png", "broken.png", "")
    write_photo(folder / "1.png", (200, 0, 0))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    dataset, account = load_one(folder, tmp_path / "cache")
    assert dataset.features.has_image.tolist() == [True, False, False]
    assert account.photos_failed == {"truncated": 2}
    again, account = load_one(folder, tmp_path / "cache")
    assert account.photos_failed == {"truncated": 2}
    assert (account.images_cached, encoder.photos) == (1, 1)
    assert same(dataset, again)


class Shop(ThreadingHTTPServer):
    """A server with one photo, which counts who asks."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Seller)
        self.asked = 0
        out = BytesIO()
        Image.new("RGB", (40, 30), (9, 90, 200)).save(out, "JPEG")
        self.photo = out.getvalue()


class Seller(BaseHTTPRequestHandler):
    server: Shop

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.photo)


@pytest.fixture
def web() -> Iterator[Shop]:
    with Shop() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_photo_on_the_web_is_fetched_once(tmp_path: Path, encoder: Counting, web: Shop) -> None:
    url = f"http://127.0.0.1:{web.server_port}/a.jpg"
    folder = shop(tmp_path / "shop", url, url, "")
    first, _ = load_one(folder, tmp_path / "cache")
    second, account = load_one(folder, tmp_path / "cache")
    assert (web.asked, encoder.photos, account.images_cached) == (1, 1, 2)
    assert same(first, second)


def test_one_text_that_the_encoder_refuses_does_not_fail_the_others(tmp_path: Path, encoder: Counting) -> None:
    folder = write_table(tmp_path / "shop", [*ROWS, {**ROWS[2], "offer_id": "p", "title": "poison"}])
    dataset, account = load_one(folder, tmp_path / "cache")
    assert dataset.features.has_text.tolist() == [True, True, True, False]
    assert (account.failed, account.empty) == (1, 1)


def test_an_encoder_that_refuses_everything_is_an_error(tmp_path: Path, encoder: Counting) -> None:
    folder = write_table(tmp_path / "shop", [{**row, "title": f"poison {row['offer_id']}"} for row in ROWS])
    with pytest.raises(FloatingPointError):
        load(folder, tmp_path / "cache")


def interrupted(folder: Path, cache: Path, at: int) -> Dataset:
    """Raises KeyboardInterrupt from within once `at` texts are encoded, in batches of two."""

    def stop(reached: Progress) -> None:
        if reached.account.texts_encoded >= at:
            raise KeyboardInterrupt

    return load_datasets([folder], DUMMY, cache, stop, batch_size=2)[0]


def many(folder: Path, count: int) -> Path:
    numbers = range(count)
    return write_table(
        folder, [{"offer_id": f"o{n}", "product_id": f"p{n // 2}", "title": f"title {n}"} for n in numbers]
    )


def test_ctrl_c_keeps_what_was_encoded_and_the_next_run_goes_on(tmp_path: Path, encoder: Counting) -> None:
    folder = many(tmp_path / "shop", 20)
    with pytest.raises(KeyboardInterrupt):
        interrupted(folder, tmp_path / "cache", 6)
    assert len(encoder.texts) == 6
    _, account = load_one(folder, tmp_path / "cache")
    assert (account.texts_cached, account.texts_encoded) == (6, 14)
    assert len(encoder.texts) == len(set(encoder.texts)) == 20


KILLED = """
import os, signal, sys
from pathlib import Path
from consumers.datasets import load_datasets
from matcher.encoders import EncoderSpec

def stop(reached):
    if reached.account.texts_encoded >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

load_datasets([Path(sys.argv[1])], EncoderSpec(name="dummy"), Path(sys.argv[2]), stop, batch_size=2)
"""


def process(code: str, *arguments: str | Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)])


@pytest.mark.slow
def test_kill_9_keeps_what_was_encoded(tmp_path: Path) -> None:
    folder, cache = many(tmp_path / "shop", 20), tmp_path / "cache"
    assert process(KILLED, folder, cache, "8").wait(60) == -signal.SIGKILL
    dataset, account = load_one(folder, cache)
    assert (account.texts_cached, account.texts_encoded) == (8, 12)
    assert same(dataset, load_one(folder, tmp_path / "other cache")[0])


@pytest.mark.slow
def test_two_processes_may_fill_one_cache(tmp_path: Path) -> None:
    folder, cache = many(tmp_path / "shop", 200), tmp_path / "cache"
    both = [process(KILLED, folder, cache, "1000") for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    dataset, account = load_one(folder, cache)
    assert account.texts_cached == 200
    assert same(dataset, load_one(folder, tmp_path / "other cache")[0])


def test_a_damaged_entry_is_encoded_again(tmp_path: Path, encoder: Counting) -> None:
    folder, cache = write_table(tmp_path / "shop"), tmp_path / "cache"
    good, _ = load_one(folder, cache)
    with sqlite3.connect(cache / f"{encoder.fingerprint}.sqlite") as file:
        file.execute("UPDATE vectors SET vector = CAST(X'7B' || substr(vector, 2) AS BLOB) WHERE rowid = 1")
        file.execute("UPDATE vectors SET vector = CAST(X'FF00FF' AS TEXT) WHERE rowid = 2")
        (before,) = file.execute("SELECT count(*) FROM vectors").fetchone()
    file.close()
    again, account = load_one(folder, cache)
    assert (before, account.texts_cached, account.texts_encoded) == (3, 1, 2)
    assert same(good, again)
    assert load_one(folder, cache)[1].texts_cached == 3


def test_a_file_that_is_no_cache_is_named_with_what_to_do(tmp_path: Path) -> None:
    folder, cache = write_table(tmp_path / "shop"), tmp_path / "cache"
    load(folder, cache)
    file = cache / f"{DummyEncoder.fingerprint}.sqlite"
    file.write_bytes(b"this is no database at all, though it is long enough" * 100)
    with pytest.raises(CacheUnusable, match=rf"{file.name}: expected a cache of features, it is damaged .* delete it"):
        load(folder, cache)


def test_a_cache_of_another_version_is_refused(tmp_path: Path) -> None:
    folder, cache = write_table(tmp_path / "shop"), tmp_path / "cache"
    load(folder, cache)
    with sqlite3.connect(cache / "memory.sqlite") as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(CacheUnusable, match="expected a cache of version 1, got 99"):
        load(folder, cache)


def test_a_cache_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheUnusable, match="OFFERMATCH_CACHE names another"):
        load(write_table(tmp_path / "shop"), tmp_path / "file" / "cache")


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bytes_never_give_other_features(tmp_path: Path, seed: int) -> None:
    folder, cache = many(tmp_path / "shop", 100), tmp_path / "cache"
    good, _ = load_one(folder, cache)
    for file in cache.glob("*.sqlite"):
        content = bytearray(file.read_bytes())
        for place in np.random.default_rng(seed).integers(0, len(content), 40):
            content[place] ^= 0x55
        file.write_bytes(content)
    try:
        again, _ = load_one(folder, cache)
    except CacheUnusable as error:
        assert "damaged" in str(error) or "version" in str(error)  # noqa: PT017  # either outcome is right
    else:
        assert same(good, again)


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> str:
    """Lets the dummy, which is always loaded, be remembered like an encoder whose weights are files."""
    monkeypatch.setattr(on_demand, "identity_of", lambda _: "identity")
    return "identity"


def test_an_encoder_that_is_remembered_is_not_loaded_when_nothing_is_left_to_encode(
    tmp_path: Path, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_table(tmp_path / "shop")
    first, _ = load_one(folder, tmp_path / "cache")

    def load_encoder(_: EncoderSpec) -> Encoder:
        raise AssertionError("loaded")

    monkeypatch.setattr(on_demand, "load_encoder", load_encoder)
    second, _ = load_one(folder, tmp_path / "cache")
    assert same(first, second)
    assert first.encoder == second.encoder
    write_table(tmp_path / "shop", [*ROWS, {"offer_id": "new", "title": "new", "product_id": "n"}])
    with pytest.raises(AssertionError, match="loaded"):
        load(folder, tmp_path / "cache")


def test_an_encoder_that_is_not_the_one_remembered_is_noticed_and_nothing_of_the_other_is_used(
    tmp_path: Path, identity: str, encoder: Counting
) -> None:
    folder, cache = write_table(tmp_path / "shop"), tmp_path / "cache"
    load(folder, cache)
    old = EncoderFacts(model="old", fingerprint="0" * 16, image_dim=320, text_dim=256)
    with sqlite3.connect(cache / f"{encoder.fingerprint}.sqlite") as file:
        rows = file.execute("SELECT key FROM vectors LIMIT 1").fetchall()
    file.close()
    vectors = Vectors(cache, old.fingerprint)
    vectors.write([(rows[0][0], np.ones(256, np.float16))])  # some of it is there, the rest calls for the encoder
    vectors.close()
    memory = Memory(cache)
    memory.remember_encoder(identity, old)
    memory.close()
    dataset, account = load_one(folder, cache)
    assert dataset.encoder.fingerprint == encoder.fingerprint
    assert (account.texts_cached, account.texts_encoded) == (3, 0)
    assert same(dataset, load_one(folder, tmp_path / "other cache")[0])


def test_the_identity_of_an_encoder_changes_with_its_files_and_not_with_its_device(tmp_path: Path) -> None:
    weights = tmp_path / "open_clip_model.safetensors"
    weights.write_bytes(b"weights")
    spec = EncoderSpec(name=str(tmp_path))
    first = identity_of(spec)
    assert first is not None
    assert identity_of(EncoderSpec(name=str(tmp_path), device="cpu", precision="fp32")) == first
    assert identity_of(EncoderSpec(name=str(tmp_path), image_size=64)) != first
    weights.write_bytes(b"Weights")
    os.utime(weights, (LONG_AGO, LONG_AGO))
    assert identity_of(spec) != first


def test_an_encoder_whose_weights_may_change_elsewhere_has_no_identity() -> None:
    assert identity_of(EncoderSpec(name="ViT-B-32", pretrained="openai")) is None
    assert identity_of(EncoderSpec(name="hf-hub:some/model")) is None
    assert identity_of(EncoderSpec(name="starter")) is not None


@given(
    st.lists(st.tuples(st.binary(min_size=16, max_size=16), st.integers(-60_000, 60_000)), max_size=30), st.integers()
)
@settings(max_examples=examples(30), deadline=None)
def test_vectors_come_back_by_key_whatever_is_asked(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[bytes, int]], seed: int
) -> None:
    vectors = Vectors(tmp_path_factory.mktemp("cache"), "f")
    try:
        vectors.write([(key, np.full(3, number, np.float16)) for key, number in entries])
        kept = dict(entries)
        asked = [*kept, b"absent".ljust(16), *kept]
        rows, there = vectors.read(asked, 3)
        assert there.tolist() == [key in kept for key in asked]
        assert rows.tolist() == [[float(np.float16(kept.get(key, 0)))] * 3 for key in asked]
    finally:
        vectors.close()
