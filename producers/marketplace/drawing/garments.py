"""Drawing garments, laid flat, from the front or from behind."""

from __future__ import annotations

from producers.marketplace.catalogue import Product
from producers.marketplace.drawing.bottoms import draw_dress, draw_skirt, draw_trousers
from producers.marketplace.drawing.canvas import Canvas, Paint
from producers.marketplace.drawing.tops import draw_hoodie, draw_jacket, draw_shirt


def draw_garment(canvas: Canvas, product: Product, cloth: Paint, *, back: bool) -> None:
    """Draw the garment; `back` shows it from behind (no logo, no opening)."""
    match product.style.kind:
        case "t-shirt":
            draw_shirt(canvas, product, cloth, back=back)
        case "hoodie":
            draw_hoodie(canvas, product, cloth, back=back)
        case "jacket":
            draw_jacket(canvas, product, cloth, back=back)
        case "dress":
            draw_dress(canvas, product, cloth, back=back)
        case "skirt":
            draw_skirt(canvas, product, cloth, back=back)
        case "trousers" | "shorts":
            draw_trousers(canvas, product, cloth, back=back)
        case kind:
            raise ValueError(f"{kind!r} is no garment")
