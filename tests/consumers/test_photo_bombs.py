"""Small files that would cost much: refused, or held to a bounded number of bytes a pixel."""

import json
import struct
import subprocess
import sys
import threading
import zlib
from contextlib import ExitStack
from io import BytesIO

import pytest
from PIL import Image

from consumers.photos import PhotoLimits
from consumers.photos.bombs import AVIF_AT_ONCE, MAX_SCANS, turn
from consumers.photos.decode import decode
from consumers.photos.outcome import PhotoError
from fuzz.photos import photo_seeds

LIMITS = PhotoLimits()
#: Reads photos from the paths given and prints by how many bytes each raised the most that was ever held.
MEASURE = """
import json, re, sys, warnings
from pathlib import Path
from consumers.photos import PhotoLimits
from consumers.photos.decode import decode
from consumers.photos.outcome import PhotoError
warnings.simplefilter("ignore")
def held():  # of this program alone: getrusage would count the test's process too, until it became this one
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
decode(Path(sys.argv[1]).read_bytes(), PhotoLimits(), 10**9)  # libraries are loaded with the first of a format
before = held()
try:
    ends = decode(Path(sys.argv[2]).read_bytes(), PhotoLimits(), 10**9).size
except PhotoError as error:
    ends = error.reason
print(json.dumps([ends, held() - before]))
"""


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(PhotoError) as caught:
        decode(data, LIMITS, 224)
    return caught.value.reason


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*notes: bytes) -> bytes:
    plain = saved(Image.new("RGB", (10, 10)), "PNG")
    return plain[:33] + b"".join(notes) + plain[33:]


def tiff(*tags: tuple[int, int], body: bytes = b"") -> bytes:
    """A grey TIFF of 10 by 10; `tags` come on top, and the tile, if there is one, is `body`."""
    fixed = [(256, 10), (257, 10), (258, 8), (259, 8), (262, 1), (277, 1), *tags]
    start = 8 + 2 + 12 * (len(fixed) + 2) + 4
    entries = sorted((*fixed, (324, start), (325, len(body))))
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(4) + body


def overlapping_notes(tags: int, size: int) -> bytes:
    """EXIF in which every tag claims the same `size` bytes."""
    table = b"".join(struct.pack("<HHII", 1_000 + place, 1, size, 8) for place in range(tags))
    return b"II*\0" + struct.pack("<IH", 8, tags) + table + bytes(4) + bytes(size)


def jpeg_with(exif: bytes) -> bytes:
    plain = saved(Image.new("RGB", (20, 20)), "JPEG")
    parts = [exif[start : start + 65_000] for start in range(0, len(exif), 65_000)]
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", 8 + len(part)) + b"Exif\0\0" + part for part in parts)
    return plain[:2] + segments + plain[20:]  # without JFIF's density, which Pillow then looks for in the EXIF


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is there again and again."""
    plain = saved(Image.new("L", (40, 40)), "JPEG", progressive=True)
    there = plain.count(b"\xff\xda")
    last = plain[plain.rfind(b"\xff\xda") : -2]
    return plain[:-2] + last * (count - there) + plain[-2:]


def test_a_tile_larger_than_any_photo_may_be_is_not_unpacked() -> None:
    assert decode(tiff((322, 16), (323, 16), body=zlib.compress(bytes(256))), LIMITS, 224).size == (10, 10)
    assert refusal(tiff((322, 16_000), (323, 16_000), body=zlib.compress(bytes(9)))) == "too_many_pixels"
    assert refusal(tiff((322, 20_016), (323, 16), body=zlib.compress(bytes(9)))) == "too_many_pixels"


def test_a_jpeg_is_not_gone_over_again_and_again() -> None:
    assert decode(scans(MAX_SCANS), LIMITS, 224).size == (40, 40)
    assert refusal(scans(MAX_SCANS + 1)) == "decode_error"


def test_so_many_avif_photos_are_decoded_at_once_and_no_more() -> None:
    avif, other = (Image.open(BytesIO(saved(Image.new("RGB", (9, 9)), form))) for form in ("AVIF", "PNG"))
    order: list[str] = []

    def decode_one() -> None:
        with turn(avif):
            order.append("next")

    waiting = threading.Thread(target=decode_one, daemon=True)
    with ExitStack() as held:
        for _ in range(AVIF_AT_ONCE):
            held.enter_context(turn(avif))
        with turn(other):  # others need not wait
            order.append("other")
        waiting.start()
        waiting.join(0.05)
        order.append("released")
    waiting.join(30)
    assert order == ["other", "released", "next"]


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="what a process has held is read from Linux's /proc")


def cost(tmp_path, warm: bytes, data: bytes) -> tuple[object, int]:
    for name, content in (("warm", warm), ("photo", data)):
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "warm"), str(tmp_path / "photo")],
        capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    ends, held = json.loads(done.stdout)
    return ends, held


@pytest.mark.slow
@on_linux
@pytest.mark.parametrize(
    ("mode", "form", "options", "bytes_a_pixel"),
    [
        ("RGB", "PNG", {"exif": True}, 11),
        ("RGBA", "PNG", {}, 11),
        ("I;16", "PNG", {}, 11),
        ("RGBA", "WEBP", {}, 20),
        ("CMYK", "JPEG", {"progressive": True, "subsampling": 0}, 15),
    ],
)
def test_a_photo_costs_so_many_bytes_a_pixel_and_no_more(
    tmp_path, mode: str, form: str, options: dict[str, object], bytes_a_pixel: int
) -> None:
    if options.get("exif"):
        turned = Image.Exif()
        turned[0x0112] = 6
        options = {"exif": turned}
    warm, photo = (saved(Image.new(mode, (side, side)), form, **options) for side in (16, 2_000))
    ends, held = cost(tmp_path, warm, photo)
    assert ends == [2_000, 2_000]
    assert held <= bytes_a_pixel * 2_000 * 2_000


@pytest.mark.slow
@on_linux
@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (png(*(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000), 9)) for _ in range(200))), "decode_error"),
        (png(chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(100_000_000), 9))), "decode_error"),
        (png(chunk(b"eXIf", overlapping_notes(100, 4_000_000))), [10, 10]),
        (jpeg_with(overlapping_notes(100, 4_000_000)), [20, 20]),
        (overlapping_notes(100, 4_000_000), "decode_error"),
    ],
    ids=["texts", "profile", "notes of a PNG", "notes of a JPEG", "notes of a TIFF"],
)
def test_notes_beside_the_pixels_cannot_fill_the_memory(tmp_path, data: bytes, ends: object) -> None:
    found, held = cost(tmp_path, photo_seeds()[0], data)
    assert found == ends
    assert held <= 100_000_000
