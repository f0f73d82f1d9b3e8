"""Patterned cloth: an image of the whole canvas from which the parts of a product are cut."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw

from producers.marketplace.catalogue import RGB, Product
from producers.marketplace.drawing.canvas import SIZE, Paint, darker
from producers.marketplace.draws import Draws


def fabric_of(product: Product, seed: int) -> Paint:
    """The cloth of this product: its plain colour, or an RGB image of `SIZE` × `SIZE`."""
    if product.pattern == "plain":
        return product.main
    # Keyed by style, not product: siblings carry the same pattern in other colours.
    draws = Draws(seed, "fabric", product.style.key)
    cloth = Image.new("RGB", (SIZE, SIZE), product.main)
    pen = ImageDraw.Draw(cloth)
    step = round(SIZE * draws.pick((0.05, 0.07, 0.1)))
    accent = product.accent
    match product.pattern:
        case "striped":
            thick = round(step * draws.between(0.3, 0.6))
            for y in range(0, SIZE, step):
                pen.rectangle((0, y, SIZE, y + thick), accent)
        case "pinstriped":
            for x in range(0, SIZE, max(14, step // 2)):
                pen.rectangle((x, 0, x + 3, SIZE), accent)
        case "diagonal":
            thick = round(step * draws.between(0.4, 0.7))
            for x in range(-SIZE, SIZE, round(step * 1.4)):
                pen.line((x, SIZE, x + SIZE, 0), accent, thick)
        case "dotted":
            radius = step * draws.between(0.18, 0.34)
            for row, y in enumerate(range(0, SIZE + step, step)):
                for x in range((row % 2) * step // 2, SIZE + step, step):
                    pen.ellipse((x - radius, y - radius, x + radius, y + radius), accent)
        case "checked":
            _checks(pen, product.main, accent, step)
        case "floral":
            _flowers(pen, accent, step, draws)
        case "camouflage":
            _camouflage(pen, product.main, accent, draws)
        case "block":
            at = round(SIZE * draws.between(0.42, 0.58))
            pen.rectangle((0, at, SIZE, SIZE), accent)
            pen.rectangle((0, at - step // 3, SIZE, at), darker(accent, 1.3))
    return cloth


def _checks(pen: ImageDraw.ImageDraw, main: RGB, accent: RGB, step: int) -> None:
    mixed = ((main[0] + accent[0]) // 2, (main[1] + accent[1]) // 2, (main[2] + accent[2]) // 2)
    half = step // 2
    for at in range(0, SIZE, step):
        pen.rectangle((0, at, SIZE, at + half), mixed)
    for at in range(0, SIZE, step):
        pen.rectangle((at, 0, at + half, SIZE), mixed)
    for x in range(0, SIZE, step):
        for y in range(0, SIZE, step):
            pen.rectangle((x, y, x + half, y + half), accent)


def _flowers(pen: ImageDraw.ImageDraw, accent: RGB, step: int, draws: Draws) -> None:
    petal = step * 0.2
    for row, y in enumerate(range(0, SIZE + step, round(step * 1.3))):
        for x in range((row % 2) * step // 2, SIZE + step, round(step * 1.3)):
            cx, cy = x + draws.between(-step / 4, step / 4), y + draws.between(-step / 4, step / 4)
            turn = draws.unit()
            for leaf in range(5):
                angle = (leaf + turn) * math.tau / 5
                px, py = cx + math.cos(angle) * petal * 1.2, cy + math.sin(angle) * petal * 1.2
                pen.ellipse((px - petal, py - petal, px + petal, py + petal), accent)
            pen.ellipse((cx - petal * 0.7, cy - petal * 0.7, cx + petal * 0.7, cy + petal * 0.7), (250, 214, 90))


def _camouflage(pen: ImageDraw.ImageDraw, main: RGB, accent: RGB, draws: Draws) -> None:
    tones = (darker(main, 0.62), darker(main, 1.35), accent)
    for number in range(90):
        x, y = draws.between(0, SIZE), draws.between(0, SIZE)
        for _ in range(3):
            rx, ry = draws.between(14, 46), draws.between(8, 24)
            x, y = x + draws.between(-30, 30), y + draws.between(-18, 18)
            pen.ellipse((x - rx, y - ry, x + rx, y + ry), tones[number % 3])
