"""Drawing what is worn below the waist, or down to there: dress, skirt, trousers and shorts."""

from __future__ import annotations

from producers.marketplace.catalogue import Product
from producers.marketplace.drawing.canvas import Canvas, Paint, bend, both, box, darker, flipped, seam
from producers.marketplace.drawing.cut import Sleeves, neckline
from producers.marketplace.drawing.logos import draw_logo


def draw_dress(canvas: Canvas, product: Product, cloth: Paint, *, back: bool) -> None:
    """A dress: sleeveless, short or long sleeves, a belt or a seam at the waist."""
    shape = product.style.shape
    line = seam(product.main)
    neck = 0.07 + 0.03 * shape.opening
    waist = 0.115 + 0.03 * shape.width
    hem = (0.5 + 0.17 + 0.15 * shape.flare, 0.78 + 0.17 * shape.length)
    shoulder, armpit = (0.655, 0.10), (0.5 + waist + 0.025, 0.23)
    sleeves = shape.detail % 3
    if sleeves == 1:
        Sleeves(shoulder, armpit, 48, 0.1, 0.1).draw(canvas, cloth, line)
    elif sleeves == 2:
        Sleeves(shoulder, armpit, 68, 0.4, 0.07).draw(canvas, cloth, line)
    else:
        shoulder = (0.5 + neck + 0.035, 0.075)
    middle = (0.5 + waist, 0.40)
    right = [
        (0.5 + neck, 0.07),
        *bend(shoulder, (shoulder[0] - 0.01, 0.19), armpit, 5),
        *bend(armpit, (0.5 + waist, 0.32), middle, 5),
        *bend(middle, (0.5 + waist + 0.05 + 0.1 * shape.flare, 0.55), hem),
        *bend(hem, (0.6, hem[1] + 0.025), (0.5, hem[1] + 0.025), 4),
    ]
    canvas.fill(both(right), cloth)
    for step in range(-3, 4):
        if step:
            top, low = 0.5 + step * waist * 0.28, 0.5 + step * (hem[0] - 0.5) * 0.27
            canvas.line([(top, 0.43), (low, hem[1] - 0.02 - 0.03 * (step % 2))], line, 0.003)
    if shape.detail % 2:
        canvas.paint(both([(0.5, 0.385), (0.5 + waist, 0.385), (0.5 + waist, 0.42), (0.5, 0.42)]), product.accent)
    else:
        canvas.line([(1 - middle[0], 0.40), middle], line, 0.006)
    neckline(
        canvas,
        product,
        neck,
        0.07,
        0.015 if back else 0.05 + 0.06 * shape.opening,
        pointed=shape.detail % 4 == 1,
    )
    if back:
        canvas.line([(0.5, 0.09), (0.5, 0.5)], line, 0.005)
    else:
        draw_logo(canvas, product, (0.5 + waist * 0.5, 0.27), 0.06)


def draw_skirt(canvas: Canvas, product: Product, cloth: Paint, *, back: bool) -> None:
    """A skirt: pencil to flared, pleated or with buttons."""
    shape = product.style.shape
    line = seam(product.main)
    waist = 0.15 + 0.03 * shape.width
    hem = (0.5 + waist + 0.03 + 0.19 * shape.flare, 0.62 + 0.3 * shape.length)
    top = (0.5 + waist, 0.16)
    right = [
        (0.5, 0.16),
        top,
        *bend(top, (0.5 + waist + 0.06, 0.32), hem),
        *bend(hem, (0.62, hem[1] + 0.03), (0.5, hem[1] + 0.03), 4),
    ]
    canvas.fill(both(right), cloth)
    pleats = 9 if shape.detail % 2 else 4
    for step in range(1, pleats):
        part = step / pleats * 2 - 1
        canvas.line([(0.5 + part * waist, 0.22), (0.5 + part * (hem[0] - 0.5) * 0.97, hem[1])], line, 0.004)
    canvas.fill(
        box(0.5 - waist, 0.125, 0.5 + waist, 0.185, 0.012),
        product.accent if shape.detail % 3 == 0 else darker(product.main, 0.8),
    )
    if back:
        canvas.line([(0.5, 0.185), (0.5, 0.38)], line, 0.007)
        return
    if shape.detail % 3 == 1:
        for step in range(5):
            canvas.disc((0.5, 0.155 + step * 0.1), 0.012, product.ink)
    draw_logo(canvas, product, (0.5 + (hem[0] - 0.5) * 0.55, hem[1] - 0.1), 0.07)


def draw_trousers(canvas: Canvas, product: Product, cloth: Paint, *, back: bool) -> None:
    """Trousers or shorts: five pockets, side stripes or turn-ups."""
    shape = product.style.shape
    line = seam(product.main)
    short = product.style.kind == "shorts"
    waist, top = (0.20 + 0.03 * shape.width, 0.16) if short else (0.135 + 0.02 * shape.width, 0.07)
    crotch = top + (0.31 if short else 0.25)
    hip = waist + 0.035
    bottom = (0.62 + 0.2 * shape.length) if short else 0.88 + 0.07 * shape.length
    out = 0.5 + hip + ((0.02 + 0.07 * shape.flare) if short else 0.005 + 0.06 * shape.flare)
    width = (0.19 + 0.07 * shape.flare) if short else 0.085 + 0.10 * shape.flare
    right = [
        (0.5, top),
        (0.5 + waist, top),
        *bend((0.5 + waist, top), (0.5 + hip, (top + crotch) / 2), (0.5 + hip, crotch), 5),
        (out, bottom),
        (out - width, bottom + 0.008),
        *bend((out - width, bottom), (0.505, crotch + 0.08), (0.5, crotch), 5),
    ]
    canvas.fill(both(right), cloth)
    canvas.line([(0.5, top), (0.5, crotch + 0.01)], line, 0.007)
    belt = 0.045
    canvas.fill(
        box(0.5 - waist, top - 0.008, 0.5 + waist, top + belt, 0.008),
        product.accent if shape.detail % 4 == 0 else darker(product.main, 0.82),
    )
    for part in (-0.7, -0.3, 0.3, 0.7):
        canvas.line([(0.5 + part * waist, top - 0.004), (0.5 + part * waist, top + belt + 0.006)], line, 0.012)
    if shape.detail % 3 == 0:
        for stripe in ([(0.5 + hip - 0.012, crotch), (out - 0.012, bottom)],):
            canvas.line(stripe, product.accent, 0.018)
            canvas.line(flipped(stripe), product.accent, 0.018)
    if shape.detail % 5 == 1:
        turn = [
            (out + 0.004, bottom - 0.03),
            (out - width - 0.004, bottom - 0.025),
            (out - width - 0.004, bottom + 0.01),
            (out + 0.004, bottom + 0.004),
        ]
        canvas.fill(turn, darker(product.main, 1.25))
        canvas.fill(flipped(turn), darker(product.main, 1.25))
    if back:
        pocket = [*box(0.53, crotch - 0.13, 0.53 + hip * 0.55, crotch - 0.04), (0.53, crotch - 0.13)]
        for piece in (pocket, flipped(pocket)):
            canvas.line(piece, line, 0.006)
        return
    pocket = bend((0.5 + waist * 0.62, top + belt), (0.5 + waist * 0.7, top + 0.12), (0.5 + hip, top + 0.14))
    canvas.line(pocket, line, 0.007)
    canvas.line(flipped(pocket), line, 0.007)
    canvas.disc((0.5, top + 0.02), 0.012, product.ink)
    canvas.line(bend((0.5, crotch), (0.535, crotch - 0.03), (0.53, top + belt)), line, 0.004)
    if short and shape.detail % 2:
        for x in (0.485, 0.515):
            canvas.line(bend((x, top + 0.03), (x + (x - 0.5), top + 0.1), (x, top + 0.16)), product.ink, 0.008)
    draw_logo(canvas, product, (out - width * 0.5, bottom - 0.1 if short else crotch + 0.13), 0.065)
