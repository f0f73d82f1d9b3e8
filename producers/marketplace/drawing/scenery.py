"""What stands behind and around a product: backdrops, hangers and busts, shadows and watermarks."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from producers.marketplace.catalogue import RGB
from producers.marketplace.drawing.canvas import darker, dimmed, font
from producers.marketplace.draws import Draws


@lru_cache(maxsize=48)
def backdrop(name: str, tint: RGB, width: int, height: int, key: str) -> Image.Image:
    """The empty set of a seller, RGB of the given size. It is shared: copy before drawing on it."""
    draws = Draws("backdrop", key)
    match name:
        case "white":
            return Image.new("RGB", (width, height), (255, 255, 255))
        case "grey":
            level = 205 + draws.below(40)
            return Image.new("RGB", (width, height), (level, level, level + 2))
        case "tint":
            return Image.new("RGB", (width, height), tint)
        case "studio":
            # A wall that runs into a lit floor.
            column = [tint if row < 62 else darker(tint, 1.02 + (row - 62) / 300) for row in range(100)]
            column = [darker(rgb, 0.86 + 0.14 * (1 - abs(row - 40) / 60)) for row, rgb in enumerate(column)]
            strip = Image.new("RGB", (1, 100))
            strip.putdata(column)
            return strip.resize((width, height), Image.Resampling.BILINEAR)
        case "wood":
            return _planks(width, height, draws)
        case "wall" | "tiles":
            return _bricks(width, height, tint, draws, tiles=name == "tiles")
        case "fabric":
            return _rumpled(width, height, tint, draws)
    raise ValueError(f"unknown backdrop {name!r}")


def _planks(width: int, height: int, draws: Draws) -> Image.Image:
    base = draws.pick(((176, 132, 88), (205, 170, 128), (120, 86, 60), (190, 184, 176)))
    image = Image.new("RGB", (width, height), base)
    pen = ImageDraw.Draw(image)
    plank = round(height * draws.between(0.11, 0.2))
    for top in range(0, height, plank):
        pen.rectangle((0, top, width, top + plank), darker(base, draws.between(0.88, 1.08)))
        for _ in range(9):
            y, x = top + draws.below(plank), draws.below(width)
            pen.line((x, y, x + draws.below(width), y + 1), darker(base, draws.between(0.82, 0.95)))
        pen.line((0, top, width, top), darker(base, 0.55), 2)
    return image


def _bricks(width: int, height: int, tint: RGB, draws: Draws, *, tiles: bool) -> Image.Image:
    image = Image.new("RGB", (width, height), darker(tint, 0.82 if tiles else 0.9))
    pen = ImageDraw.Draw(image)
    high = round(height / (4 if tiles else 11))
    wide = high if tiles else round(high * 2.4)
    for row, top in enumerate(range(0, height, high)):
        shift = 0 if tiles else (row % 2) * wide // 2
        for left in range(-shift, width, wide):
            tone = darker(tint, draws.between(0.96, 1.08))
            pen.rectangle((left + 2, top + 2, left + wide - 1, top + high - 1), tone)
    return image


def _rumpled(width: int, height: int, tint: RGB, draws: Draws) -> Image.Image:
    cloth = Image.new("L", (64, 64), 128)
    pen = ImageDraw.Draw(cloth)
    for _ in range(16):
        x, y = draws.below(64), draws.below(64)
        pen.line((x, y, x + draws.between(-30, 30), y + draws.between(-30, 30)), draws.pick((70, 90, 170, 190)), 5)
    cloth = cloth.filter(ImageFilter.GaussianBlur(3)).resize((width, height), Image.Resampling.BICUBIC)
    plain = Image.new("RGB", (width, height), tint)
    return ImageChops.add(plain, Image.merge("RGB", (cloth, cloth, cloth)), 1, -128)


def hang(image: Image.Image, neck: tuple[float, float], scale: float) -> None:
    """Draw a clothes hanger, its hook above the neck of a garment of that size in pixels."""
    pen = ImageDraw.Draw(image)
    x, y = neck
    colour = (120, 96, 70)
    pen.line(
        (x - 0.24 * scale, y + 0.09 * scale, x, y, x + 0.24 * scale, y + 0.09 * scale),
        colour,
        5,
        joint="curve",
    )
    pen.line((x, y, x, y - 0.08 * scale), (150, 150, 156), 3)
    r = 0.03 * scale
    pen.arc((x - r, y - 0.08 * scale - 2 * r, x + r, y - 0.08 * scale), 150, 90, (150, 150, 156), 3)


def bust(image: Image.Image, box: tuple[float, float, float, float], skin: RGB, *, whole: bool) -> None:
    """Draw a tailor's dummy behind a garment that fills `box`; with `whole` it has legs below the waist."""
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = box
    x, wide, high = (left + right) / 2, right - left, bottom - top
    if whole:
        for side in (-1, 1):
            foot = x + side * wide * 0.14
            pen.line(
                (x + side * wide * 0.12, top + 0.3 * high, foot, bottom + high * 0.5),
                skin,
                round(wide * 0.13),
            )
        pen.rectangle((x - wide * 0.24, 0, x + wide * 0.24, top + 0.2 * high), darker(skin, 0.97))
        return
    neck = wide * 0.085
    pen.rectangle((x - neck, top - high * 0.09, x + neck, top + high * 0.2), darker(skin, 0.93))
    pen.ellipse((x - wide * 0.12, top - high * 0.34, x + wide * 0.12, top - high * 0.03), skin)
    pen.rounded_rectangle(
        (x - wide * 0.19, top + high * 0.3, x + wide * 0.19, bottom + high * 0.3), 20, darker(skin, 0.95)
    )


def shadow(image: Image.Image, mask: Image.Image, shift: tuple[int, int], strength: float) -> Image.Image:
    """The image with the soft shadow of a mask of the same size, moved by `shift` pixels; strength in [0, 1]."""
    width, height = mask.size
    small = mask.resize((max(1, width // 6), max(1, height // 6)), Image.Resampling.BOX)
    small = small.filter(ImageFilter.GaussianBlur(2.2))
    small = ImageChops.offset(small, round(shift[0] / 6), round(shift[1] / 6))
    return dimmed(image, small.point([255 - round(value * strength) for value in range(256)]))


def watermark(image: Image.Image, form: str, text: str) -> None:
    """Write a seller's mark on the image, in place; `none` leaves it as it is."""
    width, height = image.size
    match form:
        case "none":
            return
        case "corner":
            ImageDraw.Draw(image).text(
                (width - 6, height - 5), text, (130, 130, 136), font(max(11, width // 26)), anchor="rs"
            )
        case "band":
            high = max(18, height // 13)
            pen = ImageDraw.Draw(image)
            pen.rectangle((0, height - high, width, height), (34, 36, 48))
            pen.text((width / 2, height - high / 2), text, (250, 250, 250), font(round(high * 0.6)), anchor="mm")
        case "diagonal":
            layer = Image.new("L", (width, width // 6), 0)
            ImageDraw.Draw(layer).text((width / 2, width / 12), text, 90, font(max(16, width // 13)), anchor="mm")
            layer = layer.rotate(28, Image.Resampling.BILINEAR, expand=True)
            at = ((width - layer.width) // 2, (height - layer.height) // 2)
            image.paste((255, 255, 255), at, layer)
        case _:
            raise ValueError(f"unknown watermark {form!r}")
