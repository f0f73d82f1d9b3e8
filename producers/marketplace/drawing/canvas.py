"""The sheet that a product is drawn on: colours and a cut-out mask, in coordinates from 0 to 1, y downwards.

Everything is drawn at twice the final size and reduced once, which smooths every edge at the price of one resize.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from producers.marketplace.catalogue import RGB
from producers.marketplace.draws import Draws

SIZE = 768
_FALL_OFF = [150 + round(value * 0.41) for value in range(256)]
Point = tuple[float, float]
Paint = RGB | Image.Image


class Canvas:
    """Ink (RGB) and mask (L) of `SIZE` × `SIZE`, drawn on by filling shapes with a colour or a fabric image."""

    def __init__(self, ground: RGB) -> None:
        # Beyond the cut-out the ink keeps the ground colour, so that reducing and turning leave no dark fringe.
        self.ink = Image.new("RGB", (SIZE, SIZE), ground)
        self.mask = Image.new("L", (SIZE, SIZE), 0)
        self._on_ink = ImageDraw.Draw(self.ink)
        self._on_mask = ImageDraw.Draw(self.mask)

    def fill(self, points: Sequence[Point], paint: Paint) -> None:
        """Fill a polygon and make it part of the product."""
        flat = _pixels(points)
        self._on_mask.polygon(flat, 255)
        if isinstance(paint, Image.Image):
            self._paste(flat, paint)
        else:
            self._on_ink.polygon(flat, paint)

    def paint(self, points: Sequence[Point], colour: RGB) -> None:
        """Fill a polygon with a colour without changing the outline of the product."""
        self._on_ink.polygon(_pixels(points), colour)

    def cut(self, points: Sequence[Point]) -> None:
        """Take a polygon out of the product, so that the background shows."""
        self._on_mask.polygon(_pixels(points), 0)

    def line(self, points: Sequence[Point], colour: RGB, width: float, *, adds: bool = False) -> None:
        """Draw a line, `width` in canvas units; with `adds` it becomes part of the product (a strap, a lace)."""
        flat, thick = _pixels(points), max(1, round(width * SIZE))
        self._on_ink.line(flat, colour, thick, joint="curve")
        if adds:
            self._on_mask.line(flat, 255, thick, joint="curve")

    def disc(self, centre: Point, radius: float, colour: RGB) -> None:
        """Paint a round spot, such as a button."""
        x, y, r = centre[0] * SIZE, centre[1] * SIZE, radius * SIZE
        self._on_ink.ellipse((x - r, y - r, x + r, y + r), colour)

    def shade(self, draws: Draws) -> Image.Image:
        """A small L image of how light the product is: less towards its outline, with soft folds from `draws`."""
        small = 96
        volume = self.mask.resize((small, small), Image.Resampling.BOX)
        soft = volume.filter(ImageFilter.GaussianBlur(5))
        folds = Image.new("L", (small, small), 128)
        pen = ImageDraw.Draw(folds)
        for _ in range(5):
            x, y = draws.between(25, 71), draws.between(20, 76)
            angle, length = draws.between(-0.5, 0.5), draws.between(10, 26)
            end = (x + math.sin(angle) * length, y + math.cos(angle) * length)
            pen.line((x, y, *end), draws.pick((96, 104, 150, 158)), 4)
        folds = folds.filter(ImageFilter.GaussianBlur(3))
        return ImageChops.add(soft.point(_FALL_OFF), folds, 1, -128)

    def _paste(self, flat: Sequence[Point], paint: Image.Image) -> None:
        xs, ys = [point[0] for point in flat], [point[1] for point in flat]
        box = (
            max(0, int(min(xs))), max(0, int(min(ys))),
            min(SIZE, int(max(xs)) + 2), min(SIZE, int(max(ys)) + 2),
        )  # fmt: skip
        if box[0] >= box[2] or box[1] >= box[3]:
            return
        part = Image.new("L", (box[2] - box[0], box[3] - box[1]), 0)
        ImageDraw.Draw(part).polygon([(x - box[0], y - box[1]) for x, y in flat], 255)
        self.ink.paste(paint.crop(box), box, part)


def dimmed(image: Image.Image, light: Image.Image) -> Image.Image:
    """The RGB image multiplied by an L image (255 leaves it as it is), which is stretched to its size."""
    if light.size != image.size:
        light = light.resize(image.size, Image.Resampling.BILINEAR)
    return ImageChops.multiply(image, Image.merge("RGB", (light, light, light)))


@lru_cache(maxsize=64)
def font(height: int) -> ImageFont.FreeTypeFont:
    """Pillow's built-in typeface at this height in pixels; TypeError where Pillow was built without FreeType."""
    face = ImageFont.load_default(height)
    if not isinstance(face, ImageFont.FreeTypeFont):
        raise TypeError("drawing text needs a Pillow with FreeType")
    return face


def darker(rgb: RGB, factor: float = 0.8) -> RGB:
    """The colour in shade (or, with a factor above 1, in light)."""
    return (
        min(255, round(rgb[0] * factor)),
        min(255, round(rgb[1] * factor)),
        min(255, round(rgb[2] * factor)),
    )


def seam(rgb: RGB) -> RGB:
    """A line that shows on this colour: darker, but lighter on what is nearly black."""
    return darker(rgb, 0.72) if sum(rgb) > 170 else (rgb[0] + 34, rgb[1] + 34, rgb[2] + 34)


def bend(start: Point, control: Point, end: Point, steps: int = 8) -> list[Point]:
    """Points along a quadratic Bézier curve, both ends included."""
    out = []
    for step in range(steps + 1):
        t = step / steps
        a, b, c = (1 - t) * (1 - t), 2 * t * (1 - t), t * t
        out.append((a * start[0] + b * control[0] + c * end[0], a * start[1] + b * control[1] + c * end[1]))
    return out


def arc(centre: Point, rx: float, ry: float, turn: tuple[float, float] = (0.0, 360.0), steps: int = 20) -> list[Point]:
    """Points on an ellipse between two angles in degrees, clockwise from the right."""
    first, last = turn
    turns = (math.radians(first + (last - first) * step / steps) for step in range(steps + 1))
    return [(centre[0] + rx * math.cos(at), centre[1] + ry * math.sin(at)) for at in turns]


def box(left: float, top: float, right: float, bottom: float, round_by: float = 0.0) -> list[Point]:
    """A rectangle, with rounded corners if `round_by` is above 0."""
    if round_by <= 0:
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    r = round_by
    return [
        *arc((right - r, top + r), r, r, (270, 360), 5),
        *arc((right - r, bottom - r), r, r, (0, 90), 5),
        *arc((left + r, bottom - r), r, r, (90, 180), 5),
        *arc((left + r, top + r), r, r, (180, 270), 5),
    ]


def flipped(points: Sequence[Point]) -> list[Point]:
    """The points mirrored at the vertical middle, in reverse order, so that halves join to an outline."""
    return [(1 - x, y) for x, y in reversed(points)]


def both(half: Sequence[Point]) -> list[Point]:
    """The outline of which `half` (top to bottom) is the right side."""
    return [*half, *flipped(half)]


def _pixels(points: Sequence[Point]) -> list[Point]:
    return [(x * SIZE, y * SIZE) for x, y in points]
