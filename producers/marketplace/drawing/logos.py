"""Logos: the small drawing on a chest, a side or a flap that tells one model from another."""

from __future__ import annotations

import math

from PIL import ImageDraw

from producers.marketplace.catalogue import Product
from producers.marketplace.drawing.canvas import SIZE, Canvas, Point, arc, box, font

_STAR = [
    (
        math.sin(n * math.pi / 5) * (1.0 if n % 2 == 0 else 0.42),
        -math.cos(n * math.pi / 5) * (1.0 if n % 2 == 0 else 0.42),
    )
    for n in range(10)
]
_SHAPES: dict[str, tuple[Point, ...]] = {
    "star": tuple(_STAR),
    "bolt": ((0.2, -1), (-0.6, 0.15), (-0.05, 0.15), (-0.25, 1), (0.6, -0.25), (0.05, -0.25)),
    "peak": ((-1, 0.7), (-0.35, -0.6), (0.0, 0.0), (0.3, -0.35), (1, 0.7)),
    "crown": ((-0.9, 0.6), (-0.9, -0.6), (-0.4, 0.0), (0, -0.8), (0.4, 0.0), (0.9, -0.6), (0.9, 0.6)),
    "diamond": ((0, -1), (0.7, 0), (0, 1), (-0.7, 0)),
}


def draw_logo(canvas: Canvas, product: Product, centre: Point, size: float) -> None:
    """Draw the product's logo, about `size` high (canvas units); nothing where it has none."""
    x, y = centre
    r = size * product.style.logo_size / 2
    ink = product.ink if product.pattern in ("plain", "block") else (248, 246, 240)
    if product.pattern not in ("plain", "block") and product.logo != "none":
        # On a pattern a logo is read only from a patch.
        canvas.paint(arc((x, y), r * 1.7, r * 1.7), (36, 36, 42))
    match product.logo:
        case "none":
            return
        case "ring":
            canvas.disc(centre, r, ink)
            canvas.disc(centre, r * 0.6, product.accent)
        case "wave":
            for row in (-0.5, 0.0, 0.5):
                wave = [(x + r * (t / 8 - 1), y + r * (row + 0.18 * math.sin(t * 0.9))) for t in range(17)]
                canvas.line(wave, ink, r * 0.24)
        case "bars":
            for number, row in enumerate((-0.7, -0.1, 0.5)):
                left = x - r * (0.9 - 0.3 * number)
                canvas.paint(box(left, y + r * row, x + r * 0.9, y + r * (row + 0.35)), ink)
        case "heart":
            turns = [n * math.tau / 24 for n in range(24)]
            canvas.paint(
                [
                    (
                        x + r * 0.062 * 16 * math.sin(t) ** 3,
                        y - r * 0.062 * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t)),
                    )
                    for t in turns
                ],
                ink,
            )
        case "monogram" | "wordmark":
            initial = product.style.brand[:1].upper()
            text = initial if product.logo == "monogram" else product.style.brand.split()[0].upper()
            height = round(r * SIZE * (2.0 if product.logo == "monogram" else 0.95))
            pen = ImageDraw.Draw(canvas.ink)
            pen.text((x * SIZE, y * SIZE), text, fill=ink, font=font(max(10, height)), anchor="mm", stroke_width=1)
        case shape:
            canvas.paint([(x + px * r, y + py * r) for px, py in _SHAPES[shape]], ink)
