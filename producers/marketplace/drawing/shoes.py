"""Drawing shoes, seen from the side with the toe to the right: sneaker, boot and sandal."""

from __future__ import annotations

from producers.marketplace.catalogue import Product
from producers.marketplace.drawing.canvas import Canvas, Paint, Point, bend, darker, seam
from producers.marketplace.drawing.logos import draw_logo


def draw_shoe(canvas: Canvas, product: Product, cloth: Paint, *, inner: bool) -> None:
    """Draw the shoe; `inner` shows the side that faces the other shoe (no logo)."""
    match product.style.kind:
        case "sneaker":
            _sneaker(canvas, product, cloth, inner)
        case "boot":
            _boot(canvas, product, cloth, inner)
        case "sandal":
            _sandal(canvas, product, cloth, inner)
        case kind:
            raise ValueError(f"{kind!r} is no shoe")


def _sneaker(canvas: Canvas, product: Product, cloth: Paint, inner: bool) -> None:
    shape = product.style.shape
    line = seam(product.main)
    sole = (238, 236, 230) if shape.detail % 3 else product.accent
    high = shape.detail % 3 == 1
    thick = 0.05 + 0.05 * shape.width
    ground = 0.74
    top = ground - thick
    collar = top - (0.36 if high else 0.22) - 0.04 * shape.length
    front = 0.44 + 0.04 * shape.opening
    heel: Point = (0.10, top - 0.02)
    upper = [
        (0.10, top + 0.02),
        *bend(heel, (0.075, (top + collar) / 2), (0.115, collar), 6),
        *bend((0.115, collar), (0.2, collar + 0.07), (front - 0.08, collar + 0.015), 6),
        *bend((front - 0.08, collar + 0.015), (front - 0.03, collar - 0.02), (front, collar + 0.02), 3),
        *bend((front, collar + 0.02), (0.60, top - 0.15), (0.74, top - 0.115), 8),
        *bend((0.74, top - 0.115), (0.91, top - 0.10), (0.91, top + 0.02), 8),
    ]
    canvas.fill(upper, cloth)
    # Inside of the collar, then the panels.
    canvas.paint(
        [
            (0.115, collar),
            *bend((0.115, collar), (0.2, collar + 0.07), (front - 0.08, collar + 0.015), 6),
            *bend((front - 0.08, collar + 0.045), (0.2, collar + 0.11), (0.118, collar + 0.035), 6),
        ],
        darker(product.main, 0.5),
    )
    counter = [
        (0.10, top + 0.02),
        *bend(heel, (0.08, (top + top - 0.16) / 2), (0.10, top - 0.15), 4),
        *bend((0.10, top - 0.15), (0.22, top - 0.12), (0.25, top + 0.02), 6),
    ]
    canvas.paint(counter, product.accent if shape.detail % 2 else darker(product.main, 0.85))
    canvas.line(counter[-7:], line, 0.005)
    cap = [
        *bend((0.73, top + 0.02), (0.72, top - 0.07), (0.78, top - 0.113), 6),
        *bend((0.78, top - 0.113), (0.91, top - 0.09), (0.912, top + 0.02), 8),
    ]
    if shape.detail % 4 != 3:
        canvas.paint(cap, sole if shape.detail % 4 == 1 else darker(product.main, 0.85))
        canvas.line(cap[:7], line, 0.005)
    # Tongue edge and laces.
    throat = bend((front - 0.05, collar + 0.06), (0.56, top - 0.12), (0.69, top - 0.085), 8)
    canvas.line(throat, line, 0.007)
    for step in range(6 if high else 5):
        t = (step + 0.4) / (6 if high else 5)
        x = (front - 0.035) + (0.66 - front + 0.035) * t
        y = collar + 0.075 + (top - 0.11 - collar - 0.075) * (1 - (1 - t) ** 1.6)
        canvas.line([(x - 0.02, y + 0.035), (x + 0.035, y - 0.035)], (246, 246, 242), 0.015, adds=step < 2)
    # Sole.
    toe = 0.93
    slab = [
        (0.085, top),
        (0.07, ground),
        *bend((0.07, ground + 0.012), (0.5, ground + 0.02), (0.84, ground + 0.012), 4),
        *bend((0.84, ground + 0.012), (0.95, ground), (toe, top - 0.015), 6),
        *bend((toe, top - 0.015), (0.8, top + 0.01), (0.5, top), 5),
    ]
    canvas.fill(slab, sole)
    canvas.line([(0.08, top + thick * 0.55), (0.90, top + thick * 0.55)], darker(sole, 0.8), 0.006)
    canvas.line([(0.07, ground + 0.008), (0.86, ground + 0.010)], darker(product.accent, 0.7), 0.016)
    if shape.detail % 5 < 2:
        stripe = bend((0.34, top), (0.40, top - 0.08), (0.46, top - 0.15), 6)
        for shift in (0.0, 0.06, 0.12)[: 1 + shape.detail % 3]:
            canvas.line([(x + shift, y + shift * 0.45) for x, y in stripe], product.accent, 0.024)
    if not inner:
        draw_logo(canvas, product, (0.315, top - 0.105), 0.09)


def _boot(canvas: Canvas, product: Product, cloth: Paint, inner: bool) -> None:
    shape = product.style.shape
    line = seam(product.main)
    tall = 0.16 + 0.30 * (1 - shape.length)
    heel_high = 0.05 + 0.09 * shape.flare
    ground = 0.88
    top = ground - heel_high
    width = 0.30 + 0.05 * shape.width
    left = 0.20
    upper = [
        *bend((left, top), (left - 0.025, top - 0.15), (left + 0.005, top - 0.25), 5),
        (left - 0.01, tall),
        *bend((left - 0.01, tall), (left + width / 2, tall + 0.03), (left + width + 0.01, tall), 5),
        *bend(
            (left + width + 0.01, tall),
            (left + width - 0.02, top - 0.25),
            (left + width + 0.05, top - 0.2),
            6,
        ),
        *bend((left + width + 0.05, top - 0.2), (0.80, top - 0.17), (0.835, ground - 0.03), 8),
    ]
    canvas.fill([*upper, (0.3, ground - 0.03)], cloth)
    shaft = bend((left + 0.004, top - 0.22), (left + width / 2, top - 0.17), (left + width, top - 0.2), 6)
    canvas.line(shaft, line, 0.006)
    cap = bend((0.68, ground - 0.03), (0.66, ground - 0.11), (0.715, top - 0.145), 6)
    canvas.line(cap, line, 0.006)
    canvas.paint(
        [
            (left - 0.005, tall),
            *bend((left - 0.01, tall), (left + width / 2, tall + 0.03), (left + width + 0.01, tall), 5),
            (left + width, tall + 0.05),
            (left, tall + 0.045),
        ],
        product.accent if shape.detail % 2 else darker(product.main, 0.75),
    )
    sole = darker(product.accent, 0.7) if shape.detail % 5 == 0 else (52, 44, 40)
    canvas.fill([(left - 0.01, top - 0.012), (0.46, top + 0.0), (0.44, ground), (left + 0.01, ground)], sole)
    canvas.fill(
        [
            (left - 0.01, top - 0.02),
            *bend((0.45, top - 0.01), (0.5, ground - 0.05), (0.56, ground - 0.045), 5),
            (0.845, ground - 0.045),
            *bend((0.85, ground - 0.03), (0.86, ground), (0.80, ground), 4),
            (0.54, ground),
            *bend((0.54, ground), (0.47, ground - 0.02), (0.44, top + 0.03), 5),
            (left, top + 0.02),
        ],
        sole,
    )
    form = shape.detail % 3
    if form == 0:
        rows = max(3, round((top - 0.2 - tall) / 0.06))
        for step in range(rows + 2):
            y = tall + 0.07 + step * 0.058
            x = left + width - 0.03 + (max(0.0, y - (top - 0.22)) * 0.9)
            canvas.line([(x - 0.05, y + 0.014), (x + 0.03, y - 0.014)], (236, 226, 196), 0.012)
    elif form == 1:
        elastic = [
            (left + width * 0.38, tall + 0.05),
            (left + width * 0.68, tall + 0.05),
            (left + width * 0.56, top - 0.14),
        ]
        canvas.paint(elastic, darker(product.accent, 0.8))
        canvas.line([*elastic, elastic[0]], line, 0.005)
    else:
        y = top - 0.19
        canvas.line([(left + 0.002, y), (left + width + 0.01, y - 0.02)], product.accent, 0.034)
        buckle = (left + width * 0.66, y - 0.014)
        canvas.disc(buckle, 0.026, (214, 186, 110))
        canvas.disc(buckle, 0.014, product.accent)
    if not inner:
        draw_logo(canvas, product, (left + width * 0.45, (tall + top - 0.2) / 2 + 0.01), 0.08)


def _sandal(canvas: Canvas, product: Product, cloth: Paint, inner: bool) -> None:
    shape = product.style.shape
    line = seam(product.main)
    ground = 0.72
    lift = 0.05 + 0.10 * shape.flare if shape.detail % 2 else 0.05
    foam = (196, 160, 116) if shape.detail % 3 else darker(product.accent, 0.9)
    bed_heel, bed_toe = ground - lift - 0.04, ground - 0.055
    bed = [
        *bend((0.10, bed_heel), (0.38, bed_heel + 0.03), (0.55, bed_toe - 0.005), 8),
        *bend((0.55, bed_toe), (0.75, bed_toe + 0.015), (0.91, bed_toe - 0.03), 6),
    ]
    # Far straps first, then the foot bed, then the near ones.
    band = 0.05 + 0.03 * shape.width
    far = darker(product.main, 0.62)
    rise = 0.20 + 0.05 * shape.length
    canvas.line(bend((0.60, bed_toe), (0.66, bed_toe - rise), (0.80, bed_toe - 0.02), 12), far, band * 0.8, adds=True)
    if shape.detail % 3 != 2:
        canvas.line(
            bend((0.13, bed_heel), (0.10, bed_heel - 0.26), (0.30, bed_heel - 0.21), 10),
            far,
            band * 0.6,
            adds=True,
        )
    canvas.fill(
        [
            *bed,
            *bend((0.92, bed_toe + 0.0), (0.92, ground), (0.80, ground), 5),
            (0.10, ground),
            (0.09, bed_heel),
        ],
        foam,
    )
    canvas.line([(0.10, ground - 0.008), (0.84, ground - 0.008)], darker(foam, 0.55), 0.018)
    canvas.line(bed, darker(product.main, 0.75), 0.016)
    strap = [
        *bend((0.52, bed_toe + 0.02), (0.60, bed_toe - rise * 1.25), (0.71, bed_toe - rise * 0.62), 10),
        *bend(
            (0.71 + band, bed_toe - rise * 0.50),
            (0.655, bed_toe - rise * 0.75),
            (0.56 + band * 1.3, bed_toe + 0.02),
            10,
        ),
    ]
    canvas.fill(strap, cloth)
    canvas.line(strap[:11], line, 0.004)
    if shape.detail % 4 < 2:
        second = [
            *bend((0.70, bed_toe + 0.02), (0.76, bed_toe - rise * 0.75), (0.83, bed_toe - rise * 0.42), 8),
            *bend(
                (0.83 + band, bed_toe - rise * 0.3),
                (0.80, bed_toe - rise * 0.4),
                (0.74 + band, bed_toe + 0.02),
                8,
            ),
        ]
        canvas.fill(second, cloth)
        canvas.line(second[:9], line, 0.004)
    if shape.detail % 3 != 2:
        ankle_y = bed_heel - 0.20
        heel = bend((0.14, bed_heel + 0.02), (0.09, bed_heel - 0.12), (0.13, ankle_y), 6)
        canvas.line(heel, product.main, band * 0.9, adds=True)
        loop = bend((0.13, ankle_y), (0.27, ankle_y + 0.06), (0.42, ankle_y - 0.03), 10)
        canvas.line(loop, product.main, band * 0.75, adds=True)
        canvas.line(
            bend((0.27, ankle_y + 0.03), (0.36, bed_heel - 0.06), (0.42, bed_toe + 0.005), 8),
            product.main,
            band * 0.7,
            adds=True,
        )
        canvas.disc((0.30, ankle_y + 0.025), 0.02, (214, 186, 110))
        canvas.disc((0.30, ankle_y + 0.025), 0.010, product.main)
    if not inner:
        draw_logo(canvas, product, (0.60, bed_toe - rise * 0.48), 0.065)
