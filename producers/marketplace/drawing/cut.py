"""Pieces that several garments are cut from: sleeves, cuffs, torso and neckline."""

from __future__ import annotations

import math
from dataclasses import dataclass

from producers.marketplace.catalogue import RGB, Product
from producers.marketplace.drawing.canvas import Canvas, Paint, Point, bend, both, darker, flipped


@dataclass(frozen=True, slots=True)
class Sleeves:
    """A pair of sleeves from shoulder to armpit, `angle` degrees below the horizontal; `cuff` is the width."""

    shoulder: Point
    armpit: Point
    angle: float
    length: float
    cuff: float

    def draw(self, canvas: Canvas, cloth: Paint, line: RGB) -> None:
        """Draw both; the body comes afterwards, over what reaches beneath it."""
        (x, y), (ax, ay) = self.shoulder, self.armpit
        dx, dy = self._along()
        outer, inner = self._ends()
        bulge = ((x + outer[0]) / 2 + dy * 0.025, (y + outer[1]) / 2 - dx * 0.025)
        right = [*bend(self.shoulder, bulge, outer), inner, self.armpit, (ax - 0.07, ay), (x - 0.05, y)]
        for part in (right, flipped(right)):
            canvas.fill(part, cloth)
            canvas.line([*part, part[0]], line, 0.004)

    def draw_cuffs(self, canvas: Canvas, depth: float, colour: RGB) -> None:
        """Paint a band along both ends."""
        dx, dy = self._along()
        outer, inner = self._ends()
        back = (dx * depth, dy * depth)
        right = [outer, inner, (inner[0] - back[0], inner[1] - back[1]), (outer[0] - back[0], outer[1] - back[1])]
        canvas.paint(right, colour)
        canvas.paint(flipped(right), colour)

    def _along(self) -> Point:
        return math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))

    def _ends(self) -> tuple[Point, Point]:
        dx, dy = self._along()
        x = (self.shoulder[0] + self.armpit[0]) / 2 + dx * self.length
        y = (self.shoulder[1] + self.armpit[1]) / 2 + dy * self.length
        half = self.cuff / 2
        return (x + dy * half, y - dx * half), (x - dy * half, y + dx * half)


def torso(neck: float, shoulder: Point, armpit: Point, hem: Point, waist: float, *, neck_y: float) -> list[Point]:
    """The outline of an upper body, from the neck over shoulder and armpit to the hem; points of the right side."""
    right = [
        (0.5 + neck, neck_y),
        shoulder,
        *bend(shoulder, (armpit[0] - 0.02, (shoulder[1] + armpit[1]) / 2), armpit, 5),
        *bend(armpit, (0.5 + waist, (armpit[1] + hem[1]) / 2), hem),
        (0.5, hem[1] + 0.012),
    ]
    return both(right)


def neckline(canvas: Canvas, product: Product, neck: float, top: float, depth: float, *, pointed: bool = False) -> None:
    """The opening: the inside of the back in shade, framed by a rib in the trim colour."""
    inside = darker(product.main, 0.55)
    left, right = (0.5 - neck, top), (0.5 + neck, top)
    control = (0.5, top + depth * 2)
    front = [left, (0.5, top + depth), right] if pointed else bend(left, control, right, 12)
    behind = bend(right, (0.5, top + 0.03), left, 6)
    canvas.fill([*front, *behind], inside)
    trim = product.accent if product.style.shape.detail % 3 == 0 else darker(product.main, 0.86)
    canvas.line(front, trim, 0.018, adds=True)
    canvas.line(behind, trim, 0.012, adds=True)
