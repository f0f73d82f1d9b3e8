"""Cut-outs: a product drawn once from one side, kept for the many photos that show it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from producers.marketplace.catalogue import BAGS, GARMENTS, Product, product_of
from producers.marketplace.drawing.bags import draw_bag
from producers.marketplace.drawing.canvas import Canvas, dimmed
from producers.marketplace.drawing.fabric import fabric_of
from producers.marketplace.drawing.garments import draw_garment
from producers.marketplace.drawing.shoes import draw_shoe
from producers.marketplace.draws import Draws


@dataclass(frozen=True, slots=True)
class Sprite:
    """A cut-out. `sharp` (768 px, unshaded) is for close-ups, `shaded` (384 px) for everything else.

    Both are RGBX images whose fourth band is the mask, so that colours and mask are turned in one go; RGBA would have
    Pillow multiply by the mask and divide again each time. `shade` (L, 96 px) is the light on the product and `box` its
    extent (left, top, right, bottom) in `shaded`.
    """

    sharp: Image.Image
    shaded: Image.Image
    shade: Image.Image
    box: tuple[int, int, int, int]


@lru_cache(maxsize=16)
def sprite_of(seed: int, style: str, variant: int, back: bool) -> Sprite:
    """The cut-out of a product; `back` is its other side."""
    product = product_of(seed, style, variant)
    canvas = Canvas(product.main)
    _draw(canvas, product, back, seed)
    # Folds belong to the product and side: the same garment lies the same way in every shop that shows this cut-out.
    shade = canvas.shade(Draws(seed, "folds", style, variant, int(back)))
    mask = canvas.mask.reduce(2)
    return Sprite(
        sharp=_with_mask(canvas.ink, canvas.mask),
        shaded=_with_mask(dimmed(canvas.ink.reduce(2), shade), mask),
        shade=shade,
        box=mask.getbbox() or (0, 0, *mask.size),
    )


def ink_and_mask(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The colours (RGB) and the mask (L) of an RGBX image."""
    red, green, blue, mask = image.split()
    return Image.merge("RGB", (red, green, blue)), mask


def _with_mask(ink: Image.Image, mask: Image.Image) -> Image.Image:
    return Image.merge("RGBX", (*ink.split(), mask))


def _draw(canvas: Canvas, product: Product, back: bool, seed: int) -> None:
    cloth = fabric_of(product, seed)
    kind = product.style.kind
    if kind in GARMENTS:
        draw_garment(canvas, product, cloth, back=back)
    elif kind in BAGS:
        draw_bag(canvas, product, cloth, back=back)
    else:
        draw_shoe(canvas, product, cloth, inner=back)
