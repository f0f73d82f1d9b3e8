"""Drawing what is worn above the waist: t-shirt, hoodie and jacket."""

from __future__ import annotations

from producers.marketplace.catalogue import Product
from producers.marketplace.drawing.canvas import Canvas, Paint, bend, both, box, darker, flipped, seam
from producers.marketplace.drawing.cut import Sleeves, neckline, torso
from producers.marketplace.drawing.logos import draw_logo


def draw_shirt(canvas: Canvas, product: Product, cloth: Paint, *, back: bool) -> None:
    """A t-shirt: short or long sleeves, round or pointed neck, sometimes with the collar of a polo."""
    shape = product.style.shape
    line = seam(product.main)
    half = 0.20 + 0.05 * shape.width
    neck = 0.075 + 0.03 * shape.opening
    shoulder, armpit = (0.5 + half - 0.01, 0.20), (0.5 + half, 0.37)
    hem = (0.5 + half + 0.03 * (shape.flare - 0.4), 0.78 + 0.13 * shape.length)
    long = shape.detail % 4 == 0
    angle, length, cuff = (70.0, 0.5, 0.085) if long else (38.0 + 10 * shape.flare, 0.15 + 0.05 * shape.length, 0.135)
    sleeve = product.accent if shape.detail % 5 == 1 else cloth
    sleeves = Sleeves(shoulder, armpit, angle, length, cuff)
    sleeves.draw(canvas, sleeve, line)
    canvas.fill(torso(neck, shoulder, armpit, hem, half - 0.015, neck_y=0.155), cloth)
    for side in ([shoulder, armpit], flipped([shoulder, armpit])):
        canvas.line(side, line, 0.005)
    if shape.detail % 3 == 0:
        sleeves.draw_cuffs(canvas, 0.025, product.accent)
    canvas.line([(1 - hem[0], hem[1] - 0.018), (hem[0], hem[1] - 0.018)], line, 0.003)
    if back:
        neckline(canvas, product, neck, 0.155, 0.012)
        return
    polo = shape.detail % 7 == 2
    neckline(canvas, product, neck, 0.155, 0.05 + 0.05 * shape.opening, pointed=polo or shape.detail % 4 == 1)
    if polo:
        tip = 0.155 + 0.05 + 0.05 * shape.opening
        canvas.line([(0.5, tip), (0.5, tip + 0.12)], line, 0.006)
        for at in (0.03, 0.09):
            canvas.disc((0.5, tip + at), 0.007, product.ink)
        wing = [(0.5 + neck, 0.15), (0.5 + neck + 0.02, 0.19), (0.525, tip + 0.03), (0.5, tip)]
        for part in (wing, flipped(wing)):
            canvas.fill(part, product.accent if shape.detail % 3 == 0 else darker(product.main, 0.9))
            canvas.line([*part, part[0]], line, 0.003)
    if product.style.logo_side:
        draw_logo(canvas, product, (0.5 + half * 0.5, 0.38), 0.075)
    else:
        draw_logo(canvas, product, (0.5, 0.46), 0.2)


def draw_hoodie(canvas: Canvas, product: Product, cloth: Paint, *, back: bool) -> None:
    """A hoodie: hood, cords, pouch, ribbed cuffs and hem, sometimes a zip."""
    shape = product.style.shape
    line, rib = seam(product.main), darker(product.main, 0.82)
    half = 0.21 + 0.04 * shape.width
    shoulder, armpit = (0.5 + half - 0.02, 0.25), (0.5 + half, 0.42)
    hem = (0.5 + half - 0.005, 0.80 + 0.08 * shape.length)
    sleeve = product.accent if shape.detail % 5 == 1 else cloth
    angle = 70.0 + 6 * shape.flare
    sleeves = Sleeves(shoulder, armpit, angle, 0.47, 0.095)
    sleeves.draw(canvas, sleeve, line)
    sleeves.draw_cuffs(canvas, 0.05, rib)
    canvas.fill(torso(0.11, shoulder, armpit, hem, half + 0.01, neck_y=0.20), cloth)
    canvas.paint(box(1 - hem[0], hem[1] - 0.05, hem[0], hem[1] + 0.015), rib)
    for side in ([shoulder, armpit], flipped([shoulder, armpit])):
        canvas.line(side, line, 0.005)
    hood = both(
        [
            (0.5, 0.06),
            *bend((0.5, 0.06), (0.66, 0.06), (0.645, 0.21)),
            *bend((0.645, 0.21), (0.6, 0.29), (0.5, 0.30)),
        ]
    )
    canvas.fill(hood, cloth if not back else darker(product.main, 0.93))
    canvas.line([*hood, hood[0]], line, 0.005)
    if back:
        canvas.line(bend((0.5, 0.07), (0.5, 0.18), (0.5, 0.29)), line, 0.004)
        return
    lining = product.accent if shape.detail % 2 else darker(product.main, 0.5)
    canvas.paint(
        both(
            [
                (0.5, 0.10),
                *bend((0.5, 0.10), (0.60, 0.10), (0.595, 0.20)),
                *bend((0.595, 0.20), (0.57, 0.265), (0.5, 0.285)),
            ]
        ),
        lining,
    )
    for x in (0.455, 0.545):
        canvas.line(bend((x, 0.27), (x + (x - 0.5) * 0.4, 0.34), (x, 0.40 + 0.04 * shape.opening)), product.ink, 0.009)
    pocket = both(
        [
            (0.5, 0.62),
            (0.5 + half * 0.45, 0.62),
            (0.5 + half * 0.72, 0.75),
            (0.5 + half * 0.72, hem[1] - 0.05),
            (0.5, hem[1] - 0.05),
        ]
    )
    canvas.line([*pocket, pocket[0]], line, 0.006)
    if shape.detail % 4 == 3:
        canvas.line([(0.5, 0.285), (0.5, hem[1])], product.ink, 0.012)
        draw_logo(canvas, product, (0.5 + half * 0.5, 0.42), 0.08)
    else:
        draw_logo(canvas, product, (0.5, 0.49), 0.17)


def draw_jacket(canvas: Canvas, product: Product, cloth: Paint, *, back: bool) -> None:
    """A jacket: quilted, a blazer, or plain with a zip."""
    shape = product.style.shape
    line = seam(product.main)
    half = 0.20 + 0.05 * shape.width
    shoulder, armpit = (0.5 + half - 0.01, 0.20), (0.5 + half + 0.01, 0.40)
    hem = (0.5 + half + 0.02 * shape.flare, 0.72 + 0.20 * shape.length)
    angle = 72.0 + 5 * shape.flare
    sleeves = Sleeves(shoulder, armpit, angle, 0.5, 0.10)
    sleeves.draw(canvas, cloth, line)
    sleeves.draw_cuffs(canvas, 0.03, darker(product.main, 0.75))
    canvas.fill(torso(0.085, shoulder, armpit, hem, half, neck_y=0.155), cloth)
    for side in ([shoulder, armpit], flipped([shoulder, armpit])):
        canvas.line(side, line, 0.006)
    form = shape.detail % 3
    if form == 0:
        # Quilted.
        row = 0.27
        while row < hem[1] - 0.03:
            canvas.line(bend((1 - armpit[0] + 0.02, row), (0.5, row + 0.02), (armpit[0] - 0.02, row)), line, 0.007)
            row += 0.085
    if back:
        canvas.line([(0.5, 0.16), (0.5, hem[1])] if form == 1 else [(0.3, 0.3), (0.7, 0.3)], line, 0.005)
        canvas.fill(box(0.41, 0.125, 0.59, 0.175, 0.02), darker(product.main, 0.85))
        return
    inside = darker(product.main, 0.45)
    if form == 1:
        # A blazer: lapels and buttons.
        deep = 0.38 + 0.1 * shape.opening
        canvas.fill([(0.42, 0.15), (0.58, 0.15), (0.5, deep)], inside)
        lapel = [(0.585, 0.145), (0.635, 0.27), (0.595, 0.29), (0.605, 0.31), (0.503, deep)]
        for part in (lapel, flipped(lapel)):
            canvas.fill(part, darker(product.main, 0.88))
            canvas.line([*part, part[0]], line, 0.004)
        canvas.line([(0.5, deep), (0.5, hem[1] + 0.01)], line, 0.006)
        for step in range(3):
            canvas.disc((0.52, deep + 0.04 + step * 0.09), 0.012, product.accent)
    else:
        canvas.fill(
            box(0.405, 0.10, 0.595, 0.19, 0.02),
            product.accent if shape.detail % 2 else darker(product.main, 0.85),
        )
        canvas.paint([(0.455, 0.11), (0.545, 0.11), (0.5, 0.21)], inside)
        canvas.line([(0.5, 0.20), (0.5, hem[1] + 0.01)], product.ink, 0.014)
        canvas.line([(0.5, 0.20), (0.5, hem[1] + 0.01)], product.accent, 0.005)
    flap = box(0.5 + half * 0.28, hem[1] - 0.2, 0.5 + half * 0.82, hem[1] - 0.165)
    for part in (flap, flipped(flap)):
        canvas.paint(part, darker(product.main, 0.78))
        canvas.line([*part, part[0]], line, 0.003)
    draw_logo(canvas, product, (0.5 + half * 0.55, 0.37), 0.075)
