"""Turning a cut-out towards the camera: scaled, tilted, seen from an angle, or mirrored."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image

from producers.marketplace.drawing.sprite import Sprite

_SMOOTH = Image.Resampling.BILINEAR

Coefficients = tuple[float, float, float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Pose:
    """How the camera sees a cut-out: `scale` in photo px per cut-out px, `tilt` in degrees, narrowed by `squeeze`.

    `lean` brings one side nearer, as a part of the product's extent, below 0.3; `flip` mirrors left and right.
    """

    scale: float
    tilt: float
    squeeze: float
    lean: float
    flip: bool


def posed(sprite: Sprite, pose: Pose) -> Image.Image:
    """The posed cut-out, an RGBX image (mask in the fourth band) with the product's middle at its own middle."""
    left, top, right, bottom = sprite.box
    wide, high = (right - left) * pose.scale * pose.squeeze, (bottom - top) * pose.scale
    if not pose.tilt and not pose.lean:
        # A plain resize is several times cheaper than a projection.
        flat = sprite.shaded.resize((max(1, round(wide)), max(1, round(high))), _SMOOTH, sprite.box)
        return flat.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if pose.flip else flat
    cos, sin = math.cos(math.radians(pose.tilt)), abs(math.sin(math.radians(pose.tilt)))
    room = 1 + 0.8 * abs(pose.lean)
    size = (math.ceil((wide * cos + high * sin) * room) + 2, math.ceil((high * cos + wide * sin) * room) + 2)
    method = Image.Transform.PERSPECTIVE if pose.lean else Image.Transform.AFFINE
    data = _projection(
        ((left + right) / 2, (top + bottom) / 2),
        (size[0] / 2, size[1] / 2),
        pose,
        max(right - left, bottom - top),
    )
    return sprite.shaded.transform(size, method, data, _SMOOTH)


def _projection(centre: tuple[float, float], place: tuple[float, float], pose: Pose, extent: float) -> Coefficients:
    """Photo pixel to cut-out pixel, `place` to `centre`, as `Image.transform` wants it."""
    cos, sin = (turn(math.radians(pose.tilt)) / pose.scale for turn in (math.cos, math.sin))
    across = (-1.0 if pose.flip else 1.0) / pose.squeeze
    (x, y), (cx, cy) = place, centre
    # About the middle: u = a·dx + b·dy, v = d·dx + e·dy, both divided by 1 + g·dx.
    a, b, d, e, g = cos * across, sin * across, -sin, cos, pose.lean / extent / pose.scale
    c, f, divide = -(a * x + b * y), -(d * x + e * y), 1 - g * x
    return (
        (a + cx * g) / divide, b / divide, (c + cx * divide) / divide,
        (d + cy * g) / divide, e / divide, (f + cy * divide) / divide,
        g / divide, 0.0,
    )  # fmt: skip
