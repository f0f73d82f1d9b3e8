"""`file:` and `data:` photos: what is outside the folder stays there; nothing is unpacked before its size is known."""

import base64
import errno
import os
import tracemalloc
from io import BytesIO
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from consumers.photos import REASONS, Photo, PhotoLimits, PhotoLoader, PhotoProblem


def jpeg(width: int = 40, height: int = 30) -> bytes:
    out = BytesIO()
    Image.new("RGB", (width, height), (200, 30, 40)).save(out, "JPEG")
    return out.getvalue()


def as_data(content: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(content).decode()


def reason(result: Photo | PhotoProblem) -> str:
    assert isinstance(result, PhotoProblem), result
    assert result.reason in REASONS
    assert 0 < len(result.detail) <= 200
    return result.reason


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder with photos, and a secret beside it."""
    root = tmp_path / "photos"
    (root / "red").mkdir(parents=True)
    (root / "red" / "a b.jpg").write_bytes(jpeg())
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    return root


@pytest.fixture
def loader(shelf: Path) -> PhotoLoader:
    return PhotoLoader(PhotoLimits(max_bytes=100_000), shelf, target_side=224)


def test_a_file_under_the_folder_is_loaded_by_absolute_and_by_relative_url(loader: PhotoLoader, shelf: Path) -> None:
    urls = [(shelf / "red" / "a b.jpg").as_uri(), "file:red/a%20b.jpg", "FILE:red/./a%20b.jpg"]
    urls.append(urls[0].replace("file:///", "file://localhost/"))
    for url in urls:
        photo = loader.load(url)
        assert isinstance(photo, Photo), url
        assert (photo.image.mode, photo.size, photo.bytes_read) == ("RGB", (40, 30), len(jpeg()))


@pytest.mark.parametrize(
    "url", ["file:../secret.jpg", "file:%2e%2e/secret.jpg", "file:red/../../secret.jpg", "file:///etc/passwd"]
)
def test_a_file_outside_the_folder_is_forbidden_whether_it_exists_or_not(loader: PhotoLoader, url: str) -> None:
    assert reason(loader.load(url)) == "forbidden_path"
    assert reason(loader.load(url + ".none")) == "forbidden_path"


def test_a_symbolic_link_leads_out_of_the_folder_for_nobody(loader: PhotoLoader, shelf: Path) -> None:
    (shelf / "link.jpg").symlink_to(shelf.parent / "secret.jpg")
    (shelf / "up").symlink_to(shelf.parent)
    (shelf / "inside.jpg").symlink_to(shelf / "red" / "a b.jpg")
    assert reason(loader.load("file:link.jpg")) == "forbidden_path"
    assert reason(loader.load("file:up/secret.jpg")) == "forbidden_path"
    assert isinstance(loader.load("file:inside.jpg"), Photo)


def test_links_in_a_circle_and_endless_names_are_problems_like_others(loader: PhotoLoader, shelf: Path) -> None:
    (shelf / "a").symlink_to(shelf / "b")
    (shelf / "b").symlink_to(shelf / "a")
    assert reason(loader.load("file:a/x.jpg")) in {"not_found", "forbidden_path"}
    assert reason(loader.load("file:" + "x" * 5000)) == "not_found"


def test_without_a_folder_no_file_is_allowed(shelf: Path) -> None:
    bare = PhotoLoader(PhotoLimits(), None, target_side=224)
    assert reason(bare.load((shelf / "red" / "a b.jpg").as_uri())) == "forbidden_path"


def test_another_machines_file_is_forbidden(loader: PhotoLoader) -> None:
    assert reason(loader.load("file://server/share/a.jpg")) == "forbidden_path"


def test_what_is_no_regular_file_is_refused_without_waiting(loader: PhotoLoader, shelf: Path) -> None:
    os.mkfifo(shelf / "pipe.jpg")
    assert reason(loader.load("file:pipe.jpg")) == "refused"
    assert reason(loader.load("file:red")) == "refused"
    assert reason(loader.load("file:none.jpg")) == "not_found"
    assert reason(loader.load("file:red/a%20b.jpg/deeper.jpg")) == "not_found"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(loader: PhotoLoader, shelf: Path) -> None:
    (shelf / "red" / "a b.jpg").chmod(0)
    assert reason(loader.load("file:red/a%20b.jpg")) == "refused"


def test_a_process_out_of_files_is_no_verdict_on_the_photo(
    loader: PhotoLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", full)
    result = loader.load("file:red/a%20b.jpg")
    assert reason(result) == "file_error"
    assert isinstance(result, PhotoProblem)
    assert result.transient


def test_a_file_beyond_the_limit_is_too_large(loader: PhotoLoader, shelf: Path) -> None:
    (shelf / "big.jpg").write_bytes(jpeg() + bytes(100_000))
    assert reason(loader.load("file:big.jpg")) == "too_large"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "bad_url"),
        ("photo.jpg", "bad_url"),
        ("://", "bad_url"),
        ("file:", "bad_url"),
        ("file:%00", "bad_url"),
        ("file://[", "bad_url"),
        ("data:image/png", "bad_url"),
        ("data:;base64,a", "bad_url"),
        ("data:;base64,a$$$", "bad_url"),
        ("ftp://example.com/a.jpg", "unsupported_scheme"),
        ("javascript:alert(1)", "unsupported_scheme"),
        ("data:,\ud800", "bad_url"),
        ("file:\ud800", "bad_url"),
        ("http://127.0.0.1/\ud800", "bad_url"),
        ("data:,", "not_an_image"),
        ("data:,hello", "not_an_image"),
    ],
)
def test_odd_urls_have_their_reasons(loader: PhotoLoader, url: str, expected: str) -> None:
    assert reason(loader.load(url)) == expected


def test_data_urls_may_be_base64_url_safe_unpadded_broken_into_lines_or_percent_encoded(loader: PhotoLoader) -> None:
    content = jpeg()
    packed = base64.b64encode(content).decode()
    for url in (
        as_data(content),
        "  " + as_data(content) + "\n",
        "DATA:;BASE64," + packed.rstrip("="),
        "data:image/jpeg;base64," + base64.urlsafe_b64encode(content).decode(),
        "data:image/jpeg;base64," + packed.replace("+", "%2B").replace("/", "%2F"),
        "data:image/jpeg;base64," + "%0A".join(packed[i : i + 60] for i in range(0, len(packed), 60)),
        "data:image/jpeg," + quote_from_bytes(content),
    ):
        assert isinstance(loader.load(url), Photo), url[:40]


@given(st.integers(-4, 4))
def test_the_limit_on_bytes_is_exact_for_data_urls(excess: int) -> None:
    content = jpeg()
    loader = PhotoLoader(PhotoLimits(max_bytes=len(content) - excess), None, target_side=224)
    for url in (as_data(content), "data:image/jpeg," + quote_from_bytes(content)):
        result = loader.load(url)
        assert reason(result) == "too_large" if excess > 0 else isinstance(result, Photo)


def test_a_huge_data_url_is_refused_before_it_is_unpacked() -> None:
    loader = PhotoLoader(PhotoLimits(max_bytes=10_000), None, target_side=224)
    urls = ["data:;base64," + "A" * 20_000_000, "data:," + "%41" * 7_000_000]
    tracemalloc.start()
    try:
        for url in urls:
            assert reason(loader.load(url)) == "too_large"
        assert tracemalloc.get_traced_memory()[1] < 45_000_000  # slices of the URL, never a second form of it
    finally:
        tracemalloc.stop()


@given(st.text(st.characters(), max_size=60).filter(lambda text: not text.strip().lower().startswith("http")))
@settings(deadline=None)
def test_no_url_whatever_makes_loading_raise(text: str) -> None:
    loader = PhotoLoader(PhotoLimits(), Path(__file__).parent, target_side=224)
    for url in (text, "file:" + text, "file://" + text, "data:" + text, "data:;base64," + text):
        assert reason(loader.load(url))


def test_a_closed_loader_says_cancelled_which_is_worth_another_try(shelf: Path) -> None:
    loader = PhotoLoader(PhotoLimits(), shelf, target_side=224)
    loader.close()
    loader.close()
    result = loader.load("file:red/a%20b.jpg")
    assert reason(result) == "cancelled"
    assert isinstance(result, PhotoProblem)
    assert result.transient


def test_limits_that_allow_nothing_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="max_pixels"):
        PhotoLimits(max_pixels=0)
    with pytest.raises(ValueError, match="max_redirects"):
        PhotoLimits(max_redirects=-1)
