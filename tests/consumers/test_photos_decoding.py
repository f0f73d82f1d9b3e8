"""Decoding: any form of image ends upright, in RGB, on white; anything else in a reason; bombs are never unpacked."""

import struct
import tracemalloc
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from consumers.photos import PhotoLimits
from consumers.photos.decode import decode
from consumers.photos.outcome import Photo, PhotoError
from tests.examples import examples

LIMITS = PhotoLimits(max_pixels=2_000_000, max_side=4_000)
RED, WHITE = (255, 0, 0), (255, 255, 255)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def decoded(data: bytes, target_side: int = 224) -> Photo:
    photo = decode(data, LIMITS, target_side)
    assert photo.image.mode == "RGB"
    return photo


def reason(data: bytes) -> str:
    with pytest.raises(PhotoError) as caught:
        decode(data, LIMITS, 224)
    return caught.value.problem().reason


def near(pixel: object, wanted: tuple[int, int, int], tolerance: int = 6) -> bool:
    return bool(np.abs(np.subtract(pixel, wanted)).max() <= tolerance)  # type: ignore[call-overload]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF"])
def test_every_accepted_format_keeps_size_and_colour(form: str) -> None:
    photo = decoded(saved(Image.new("RGB", (64, 48), RED), form))
    assert photo.image.size == photo.size == (64, 48)
    assert near(photo.image.getpixel((30, 20)), RED)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_what_is_transparent_becomes_white(mode: str) -> None:
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0)).convert(mode)
    if mode == "P":
        image = Image.new("P", (20, 20), 3)
        image.putpalette([0, 0, 0] * 256)
        data = saved(image, "PNG", transparency=3)
    else:
        data = saved(image, "TIFF" if mode == "PA" else "PNG")
    assert decoded(data).image.getpixel((5, 5)) == WHITE


def test_half_transparent_red_on_white_is_pink() -> None:
    assert near(
        decoded(saved(Image.new("RGBA", (9, 9), (255, 0, 0, 128)), "PNG")).image.getpixel((4, 4)), (255, 127, 127)
    )


def test_a_transparent_colour_of_an_rgb_png_becomes_white() -> None:
    data = saved(Image.new("RGB", (9, 9), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    assert decoded(data).image.getpixel((4, 4)) == WHITE


def test_cmyk_and_sixteen_bits_and_floats_keep_their_brightness() -> None:
    cmyk = saved(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG")
    assert near(decoded(cmyk).image.getpixel((9, 9)), RED, 12)
    deep = saved(Image.fromarray(np.full((8, 8), 32896, np.uint16)), "PNG")
    assert near(decoded(deep).image.getpixel((2, 2)), (128, 128, 128), 1)
    floats = saved(Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF")
    assert near(decoded(floats).image.getpixel((2, 2)), (127, 127, 127), 1)


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, (0, 255, 0))]
    for form in ("GIF", "WEBP", "PNG"):
        data = saved(frames[0], form, save_all=True, append_images=frames[1:])
        assert near(decoded(data).image.getpixel((8, 8)), RED), form


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = Image.new("RGB", (80, 48), WHITE)
    upright.paste(RED, (0, 0, 40, 24))  # red is up on the left
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transpositions that a camera so held amounts to
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = decoded(saved(stored, "JPEG", exif=exif, quality=95))
    assert photo.image.size == (80, 48)
    assert near(photo.image.getpixel((10, 10)), RED, 12)
    assert near(photo.image.getpixel((70, 40)), WHITE, 12)


def test_broken_exif_does_not_cost_the_photo() -> None:
    data = saved(Image.new("RGB", (40, 30), RED), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(40))
    assert near(decoded(data).image.getpixel((5, 5)), RED)


@given(st.integers(30, 1200), st.integers(30, 1200), st.integers(16, 400))
@settings(max_examples=examples(30), deadline=None)
def test_a_jpeg_comes_smaller_but_never_below_what_the_encoder_wants(width: int, height: int, side: int) -> None:
    photo = decoded(saved(Image.new("RGB", (width, height), RED), "JPEG"), side)
    assert photo.size == (width, height)
    assert min(photo.image.size) >= min(side, width, height)
    assert max(photo.image.size) <= max(width, height)


def test_a_large_jpeg_is_not_decoded_in_full() -> None:
    photo = decoded(saved(noise(1600, 1200), "JPEG"))
    assert photo.image.size == (400, 300)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (12_000, 12_000), (1_500, 1_400), (4_001, 1)])
def test_a_bomb_is_refused_by_its_header(width: int, height: int) -> None:
    tracemalloc.start()
    try:
        assert reason(png_header(width, height)) == "too_many_pixels"
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_photo_that_ends_in_the_middle_is_truncated_and_never_half_grey(form: str) -> None:
    whole = saved(noise(200, 150), form)
    assert reason(whole[: len(whole) // 2]) == "truncated"


def test_a_progressive_jpeg_without_its_last_scans_is_truncated() -> None:
    whole = saved(noise(200, 150), "JPEG", progressive=True)
    assert reason(whole[: len(whole) * 3 // 4]) == "truncated"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"<!DOCTYPE html><html>404</html>",
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        b"P6 2 2 255 " + bytes(12),
        b"%PDF-1.7",
    ],
)
def test_what_is_no_accepted_image_is_called_so(data: bytes) -> None:
    assert reason(data) == "not_an_image"


def test_a_broken_header_is_a_broken_image_not_a_foreign_one() -> None:
    assert reason(b"\xff\xd8\xff\xe0" + bytes(50)) in {"decode_error", "truncated"}
    assert reason(saved(noise(20, 20), "AVIF")[:60]) == "decode_error"


SAMPLES = [
    saved(noise(60, 40), form, **options)
    for form, options in (
        ("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}), ("WEBP", {"lossless": True}),
        ("GIF", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("AVIF", {}),
    )
]  # fmt: skip


@given(st.data())
@settings(max_examples=examples(200), deadline=None)
def test_damaged_files_end_in_a_photo_or_a_reason_within_the_limits(data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(0, len(damaged))) :]
    _photo_or_reason(bytes(damaged))


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_arbitrary_bytes_end_in_a_reason(data: bytes) -> None:
    _photo_or_reason(data)


def _photo_or_reason(data: bytes) -> None:
    try:
        photo = decode(data, LIMITS, 224)
    except PhotoError:
        return  # anything else fails the test
    assert photo.image.mode == "RGB"
    assert photo.size[0] * photo.size[1] <= LIMITS.max_pixels
