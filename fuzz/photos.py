"""Photos: whatever bytes a seller sends, the end is a photo within the limits or a reason, and little memory."""

import base64
import zlib
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from random import Random

from PIL import Image

from consumers.photos import REASONS, Photo, PhotoLimits, PhotoLoader
from consumers.photos.decode import decode
from consumers.photos.outcome import PhotoError
from consumers.photos.packing import ENCODINGS, unpacked
from fuzz.target import Target, expect

LIMITS = PhotoLimits(max_bytes=20_000, max_pixels=100_000, max_side=1_000)
TARGET_SIDE = 64
FORMS: tuple[tuple[str, dict[str, object]], ...] = (
    ("PNG", {}), ("PNG", {"compress_level": 0}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}),
    ("WEBP", {"lossless": True}), ("GIF", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}),
    ("AVIF", {}),
)  # fmt: skip


def check_photos(data: bytes) -> None:
    try:
        photo = decode(data, LIMITS, TARGET_SIDE)
    except PhotoError as error:
        _documented(error)
        return
    _within(photo)


def check_urls(data: bytes) -> None:
    """Every URL but those of the web, which would be asked for."""
    url = data.decode("utf-8", "surrogateescape")
    if url.strip()[:20].lower().startswith("http"):
        return
    found = _loader().load(url)
    if isinstance(found, Photo):
        _within(found)
    else:
        expect(found.reason in REASONS and found.detail.isprintable(), f"the problem {found}")


def check_answers(data: bytes) -> None:
    """The body of an answer, packed as its header says: the first byte stands for the header."""
    encoding = ENCODINGS[data[0] % len(ENCODINGS)] if data else "br"
    try:
        content = unpacked(data[1:], encoding, LIMITS.max_bytes)
    except PhotoError as error:
        _documented(error)
        return
    expect(len(content) <= LIMITS.max_bytes or not encoding, "more bytes than allowed")


@cache
def _loader() -> PhotoLoader:
    return PhotoLoader(LIMITS, None, target_side=TARGET_SIDE)


def _documented(error: PhotoError) -> None:
    problem = error.problem()
    expect(problem.reason in REASONS and problem.detail.isprintable(), f"the problem {problem}")


def _within(photo: Photo) -> None:
    expect(photo.image.mode == "RGB", f"a photo in {photo.image.mode}")
    expect(photo.image.width * photo.image.height <= LIMITS.max_pixels, f"a photo of {photo.image.size}")


@cache
def photo_seeds() -> Sequence[bytes]:
    """Small valid photos of every format: plain, transparent, animated, turned, with notes beside the pixels."""
    plain = Image.radial_gradient("L").resize((24, 16)).convert("RGB")
    clear = plain.convert("RGBA")
    clear.putalpha(100)
    notes = Image.Exif()
    notes[0x0112] = 6  # turned by 90 degrees
    notes[0x010E] = "a description"
    found = [_saved(plain, form, **options) for form, options in FORMS]
    found += [_saved(clear, form) for form in ("PNG", "WEBP", "TIFF")]
    found += [
        _saved(plain, form, exif=notes, icc_profile=b"no profile" * 20) for form in ("JPEG", "PNG", "WEBP", "AVIF")
    ]
    frames = [plain.rotate(90 * turn) for turn in range(1, 3)]
    found += [_saved(plain, form, save_all=True, append_images=frames) for form in ("GIF", "WEBP", "PNG")]
    found += [
        _saved(plain.convert(mode), form)
        for mode, form in (("P", "PNG"), ("1", "TIFF"), ("I", "TIFF"), ("CMYK", "JPEG"))
    ]
    return tuple(found)


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def _spliced(data: bytes, random: Random) -> bytes | None:
    """Another photo's middle in this one; numbers that headers are made of."""
    if not data:
        return None
    changed = bytearray(data)
    at = random.randrange(len(data))
    if random.random() < 0.5:
        width = random.choice((1, 2, 4))
        number = random.choice((0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)) & (256**width - 1)
        changed[at : at + width] = number.to_bytes(width, random.choice(("little", "big")))
    else:
        other = random.choice(photo_seeds())
        start = random.randrange(len(other))
        changed[at : at + random.choice((0, 4, 40))] = other[start : start + random.choice((4, 12, 80))]
    return _mended(bytes(changed)) if random.random() < 0.5 else bytes(changed)


def _mended(data: bytes) -> bytes:
    """A PNG whose checksums are right again, so that what was changed is looked at; others stay as they are."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    whole, at = bytearray(data), 8
    while at + 12 <= len(whole):
        end = at + 8 + int.from_bytes(whole[at : at + 4], "big")
        if end + 4 > len(whole):
            break
        whole[end : end + 4] = zlib.crc32(whole[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(whole)


def _url_seeds() -> Sequence[bytes]:
    return (
        b"data:image/png;base64," + base64.b64encode(photo_seeds()[0]), b"data:,a%20b", b"DATA:;BASE64,_-A",
        b"file:///etc/passwd", b"ftp://a/b", b"data:image/gif," + b"".join(b"%%%02x" % c for c in photo_seeds()[6]),
    )  # fmt: skip


def _answer_seeds() -> Sequence[bytes]:
    packers = (zlib.compressobj(wbits=bits) for bits in (31, 15, -15))
    packed = tuple(packer.compress(bytes(3_000)) + packer.flush() for packer in packers)
    return tuple(bytes((place,)) + body for place in range(len(ENCODINGS)) for body in packed)


def _no_neighbour(data: bytes, random: Random) -> None:
    """There is no tree in it."""


TARGETS = (
    Target(name="photos", check=check_photos, seeds=photo_seeds, change=_spliced, max_length=16_384),
    Target(
        name="photo-urls", check=check_urls, seeds=_url_seeds, change=_no_neighbour,
        words=(b"data:", b";base64,", b"file:", b"%00", b"localhost"),
    ),
    Target(name="photo-answers", check=check_answers, seeds=_answer_seeds, change=_no_neighbour),
)  # fmt: skip
