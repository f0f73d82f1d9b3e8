"""Drawing bags: tote, backpack and handbag, from the front or behind."""

from __future__ import annotations

from producers.marketplace.catalogue import Product
from producers.marketplace.drawing.canvas import Canvas, Paint, bend, both, box, darker, flipped, seam
from producers.marketplace.drawing.logos import draw_logo

_BRASS = (214, 186, 110)


def draw_bag(canvas: Canvas, product: Product, cloth: Paint, *, back: bool) -> None:
    """Draw the bag; `back` shows it from behind (no logo, no pockets)."""
    match product.style.kind:
        case "tote":
            _tote(canvas, product, cloth, back)
        case "backpack":
            _backpack(canvas, product, cloth, back)
        case "handbag":
            _handbag(canvas, product, cloth, back)
        case kind:
            raise ValueError(f"{kind!r} is no bag")


def _tote(canvas: Canvas, product: Product, cloth: Paint, back: bool) -> None:
    shape = product.style.shape
    line = seam(product.main)
    half, top = 0.27 + 0.06 * shape.width, 0.40 + 0.05 * shape.length
    low = half - 0.05 + 0.08 * shape.flare
    bottom = 0.90
    strap = product.accent if shape.detail % 2 else darker(product.main, 0.8)
    grip = half * (0.42 + 0.15 * shape.opening)
    peak = 0.07 + 0.1 * shape.opening
    for rear in (True, False):
        rise = peak - 0.02 if rear else peak
        loop = [
            (0.5 - grip, top + 0.02),
            *bend((0.5 - grip, top), (0.5 - grip, rise), (0.5, rise), 10),
            *bend((0.5, rise), (0.5 + grip, rise), (0.5 + grip, top), 10),
            (0.5 + grip, top + 0.02),
        ]
        if rear:
            loop = [(x + 0.022, y) for x, y in loop]
        canvas.line(loop, darker(strap, 0.65) if rear else strap, 0.032, adds=True)
        if rear:
            canvas.fill(
                both(
                    [
                        (0.5, top - 0.015),
                        (0.5 + half - 0.02, top - 0.01),
                        (0.5 + half, top + 0.02),
                        (0.5, top + 0.03),
                    ]
                ),
                darker(product.main, 0.5),
            )
    body = both(
        [
            *bend((0.5, top + 0.012), (0.5 + half * 0.6, top + 0.012), (0.5 + half, top), 4),
            *bend((0.5 + half, top), (0.5 + half - 0.01, 0.65), (0.5 + low, bottom), 4),
            *bend((0.5 + low, bottom), (0.5 + low - 0.02, bottom + 0.025), (0.5, bottom + 0.02), 4),
        ]
    )
    canvas.fill(body, cloth)
    for x in (0.5 - grip, 0.5 + grip):
        canvas.line([(x, top), (x, top + (0.5 if shape.detail % 3 == 0 else 0.09))], strap, 0.032)
    canvas.line([(0.5 - half, top + 0.035), (0.5 + half, top + 0.035)], line, 0.004)
    if shape.detail % 4 == 1:
        canvas.paint(
            [
                (0.5 - low - 0.01, bottom - 0.12),
                (0.5 + low + 0.01, bottom - 0.12),
                (0.5 + low + 0.02, bottom + 0.03),
                (0.5 - low - 0.02, bottom + 0.03),
            ],
            product.accent,
        )
    if back:
        canvas.line([*box(0.36, top + 0.16, 0.64, bottom - 0.12), (0.36, top + 0.16)], line, 0.006)
        return
    draw_logo(canvas, product, (0.5, (top + bottom) / 2 + 0.01), 0.24)


def _backpack(canvas: Canvas, product: Product, cloth: Paint, back: bool) -> None:
    shape = product.style.shape
    line = seam(product.main)
    half = 0.22 + 0.05 * shape.width
    top, bottom = 0.15 + 0.05 * (1 - shape.length), 0.91
    trim = product.accent if shape.detail % 2 else darker(product.main, 0.7)
    canvas.line(
        [
            *bend((0.44, top + 0.03), (0.44, top - 0.085), (0.5, top - 0.085), 6),
            *bend((0.5, top - 0.085), (0.56, top - 0.085), (0.56, top + 0.03), 6),
        ],
        darker(trim, 0.8),
        0.028,
        adds=True,
    )
    for side in (bend((0.5 + half * 0.7, top + 0.06), (0.5 + half + 0.10, 0.45), (0.5 + half - 0.01, 0.84), 10),):
        canvas.line(side, darker(trim, 0.65), 0.04, adds=True)
        canvas.line(flipped(side), darker(trim, 0.65), 0.04, adds=True)
    body = both(
        [
            (0.5, top),
            *bend((0.5 + half * 0.25, top), (0.5 + half, top), (0.5 + half, top + 0.2), 8),
            (0.5 + half + 0.01, bottom - 0.07),
            *bend((0.5 + half + 0.01, bottom - 0.07), (0.5 + half, bottom), (0.5 + half - 0.06, bottom), 5),
            (0.5, bottom),
        ]
    )
    canvas.fill(body, cloth)
    canvas.line([*body, body[0]], line, 0.006)
    if back:
        for x in (0.5 - half * 0.45, 0.5 + half * 0.45):
            strap = bend((x, top + 0.06), (x + (x - 0.5) * 0.9, 0.5), (x + (x - 0.5) * 0.5, bottom - 0.06), 10)
            canvas.line(strap, darker(trim, 0.75), 0.075)
            canvas.line(strap, darker(trim, 0.55), 0.008)
        canvas.line([(0.5, top + 0.1), (0.5, bottom - 0.12)], line, 0.006)
        return
    zipper = bend((0.5 - half + 0.03, top + 0.26), (0.5, top - 0.16), (0.5 + half - 0.03, top + 0.26), 12)
    canvas.line(zipper, darker(product.main, 0.45), 0.012)
    canvas.line([zipper[9], (zipper[9][0] + 0.01, zipper[9][1] + 0.05)], _BRASS, 0.01)
    pocket_top = 0.58 + 0.05 * shape.opening
    pocket = box(0.5 - half + 0.045, pocket_top, 0.5 + half - 0.045, bottom - 0.045, 0.04)
    canvas.paint(pocket, product.accent if shape.detail % 3 == 0 else darker(product.main, 0.84))
    canvas.line([*pocket, pocket[0]], line, 0.006)
    canvas.line(
        [(0.5 - half + 0.07, pocket_top + 0.045), (0.5 + half - 0.07, pocket_top + 0.045)],
        darker(product.main, 0.45),
        0.01,
    )
    canvas.line([(0.5 + half - 0.09, pocket_top + 0.045), (0.5 + half - 0.085, pocket_top + 0.09)], _BRASS, 0.009)
    if shape.detail % 5 == 2:
        for x in (0.5 - half * 0.5, 0.5 + half * 0.5):
            canvas.line([(x, top + 0.12), (x, bottom - 0.02)], trim, 0.026)
    draw_logo(canvas, product, (0.5, (top + 0.22 + pocket_top) / 2 - 0.02), 0.13)


def _handbag(canvas: Canvas, product: Product, cloth: Paint, back: bool) -> None:
    shape = product.style.shape
    line = seam(product.main)
    half, top = 0.25 + 0.06 * shape.width, 0.42 + 0.06 * shape.length
    low = half + 0.03 + 0.07 * shape.flare
    bottom = 0.84
    strap = product.accent if shape.detail % 2 else darker(product.main, 0.78)
    grip, peak = half * 0.62, 0.10 + 0.12 * shape.opening
    loop = [
        (0.5 - grip, top + 0.02),
        *bend((0.5 - grip, top), (0.5 - grip, peak), (0.5, peak), 12),
        *bend((0.5, peak), (0.5 + grip, peak), (0.5 + grip, top), 12),
    ]
    if shape.detail % 3 == 2:
        # A chain.
        for x, y in loop[::1]:
            canvas.line([(x - 0.008, y), (x + 0.008, y)], _BRASS, 0.018, adds=True)
        canvas.line(loop, _BRASS, 0.007, adds=True)
    else:
        canvas.line(loop, strap, 0.026, adds=True)
    body = both(
        [
            (0.5, top),
            (0.5 + half - 0.02, top),
            *bend((0.5 + half - 0.02, top), (0.5 + half + 0.02, top), (0.5 + half + 0.012, top + 0.05), 4),
            *bend((0.5 + half + 0.012, top + 0.05), (0.5 + low, 0.7), (0.5 + low, bottom - 0.05), 5),
            *bend((0.5 + low, bottom - 0.05), (0.5 + low, bottom), (0.5 + low - 0.06, bottom), 4),
            (0.5, bottom + 0.005),
        ]
    )
    canvas.fill(body, cloth)
    canvas.line([*body, body[0]], line, 0.006)
    for x in (0.5 - grip, 0.5 + grip):
        canvas.disc((x, top + 0.03), 0.018, _BRASS)
    if back:
        canvas.line([(0.5 - half * 0.8, top + 0.12), (0.5 + half * 0.8, top + 0.12)], line, 0.008)
        return
    if shape.detail % 4 < 2:
        deep = top + 0.17 + 0.07 * shape.opening
        flap = both(
            [
                (0.5, top),
                (0.5 + half - 0.02, top),
                *bend((0.5 + half + 0.012, top + 0.03), (0.5 + half * 0.85, deep), (0.5, deep), 8),
            ]
        )
        canvas.paint(flap, product.accent if shape.detail % 5 == 0 else darker(product.main, 0.84))
        canvas.line([*flap, flap[0]], line, 0.006)
        canvas.paint(box(0.472, deep - 0.035, 0.528, deep + 0.03, 0.01), _BRASS)
        draw_logo(canvas, product, (0.5, deep + 0.10), 0.10)
    else:
        canvas.line([(0.5 - half + 0.03, top + 0.03), (0.5 + half - 0.03, top + 0.03)], _BRASS, 0.008)
        canvas.line([(0.5 - low, bottom - 0.1), (0.5 + low, bottom - 0.1)], line, 0.005)
        draw_logo(canvas, product, (0.5, (top + bottom) / 2 + 0.01), 0.15)
