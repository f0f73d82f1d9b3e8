"""The duels as a picture: for each size, searches a second against recall and against bytes an offer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from benchmarks.index.duel.figures import Duel, Figures, Point
from benchmarks.index.tables import typical
from matcher.evaluation.html.svg import HEIGHT, WIDTH, Plot

_COLOURS: Final = {
    "ours": "#d62728",
    "flat": "#7f7f7f",
    "ivf": "#1f77b4",
    "hnsw": "#17becf",
    "hnswlib": "#2ca02c",
    "usearch": "#9467bd",
    "weaviate": "#bcbd22",
    "milvus": "#ff7f0e",
    "qdrant": "#8c564b",
}
_STYLE: Final = """
text { font: 12px sans-serif; fill: #222 } .head { font-weight: bold; font-size: 14px }
.grid { stroke: #e4e4e4 } .axis { stroke: #222 } .line { fill: none; stroke-width: 2 } .dot { stroke: #fff }
"""
_HEAD: Final = 56  # height of the legend
_TITLE: Final = 24
_DECADES: Final = (0.0, 5.0)
_STEPS: Final = (1, 2, 5)  # times a power of ten: where the axis of bytes may end


def drawing(duels: Sequence[Duel]) -> str:
    """An SVG file, a row for each size. A line goes through the efforts that were tried, each measured by itself, as
    far as no other was both faster and better; a dot is what was chosen, measured in turns with ours."""
    sizes = sorted({duel.size for duel in duels})
    height = _HEAD + len(sizes) * (HEIGHT + _TITLE)
    shapes = [_legend([name for name in _COLOURS if name == "ours" or any(duel.reference == name for duel in duels)])]
    for row, size in enumerate(sizes):
        here = [duel for duel in duels if duel.size == size]
        top = _HEAD + row * (HEIGHT + _TITLE)
        shapes.append(Markup('<text class="head" x="70" y="{}">{:,} offers</text>').format(top + 14, size))
        for column, panel in enumerate((_recall(here), _bytes(here))):
            shapes.append(
                Markup('<svg x="{}" y="{}" width="{}" height="{}">{}</svg>').format(
                    column * WIDTH, top + _TITLE, WIDTH, HEIGHT, panel
                )
            )
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}">'
        '<style>{2}</style><rect width="{0}" height="{1}" fill="#fff"/>'
    )
    style = _STYLE + "".join(
        f".{name}.line {{ stroke: {colour} }} .{name}.dot, .{name}.swatch {{ fill: {colour} }}\n"
        for name, colour in _COLOURS.items()
    )
    return str(Markup(head).format(2 * WIDTH, height, Markup(style)) + Markup("").join(shapes) + Markup("</svg>\n"))


def _legend(names: Sequence[str]) -> Markup:
    shape = Markup('<rect class="{}" x="{}" y="16" width="14" height="14"/><text x="{}" y="28">{}</text>')
    parts = [shape.format(f"{name} swatch", 70 + 120 * i, 90 + 120 * i, name) for i, name in enumerate(names)]
    return Markup("").join(parts)


def _recall(duels: Sequence[Duel]) -> Markup:
    plot = Plot(
        _DECADES,
        _DECADES,
        x_label="recall@10 of searches for everything",
        y_label="searches a second",
        title="Searches a second by recall",
    )
    for name, figures in _indexes(duels):
        curve = _front(figures.curve)
        plot.line([(_nines(point.recall), math.log10(point.rate)) for point in curve], name, name)
        for point in curve:
            plot.dot(_nines(point.recall), math.log10(point.rate), 2, name, _said(name, point))
        rate, recall = _of(duels, name, "search_all"), _of(duels, name, "recall_all")
        if rate and recall is not None:
            plot.dot(_nines(recall), math.log10(rate), 6, name, f"{name}: {rate:,.0f}/s at {recall:.4f}")
    return plot.svg(_recall_of, _count)


def _bytes(duels: Sequence[Duel]) -> Markup:
    names = [name for name, _ in _indexes(duels)]
    most = max((_of(duels, name, "bytes_per_offer") or 0 for name in names), default=0)
    plot = Plot(
        (0, _end(most)),
        _DECADES,
        x_label="bytes of memory an offer",
        y_label="searches a second",
        title="Searches a second by memory",
    )
    for name in names:
        rate, size = _of(duels, name, "search_all"), _of(duels, name, "bytes_per_offer")
        if rate and size is not None:
            plot.dot(size, math.log10(rate), 6, name, f"{name}: {rate:,.0f}/s, {size:,.0f} bytes an offer")
    return plot.svg(_whole, _count)


def _indexes(duels: Sequence[Duel]) -> list[tuple[str, Figures]]:
    """By name, ours last so that nothing hides it."""
    others = [(duel.reference, duel.theirs) for duel in duels if duel.theirs]
    return others + [("ours", duel.ours) for duel in duels if duel.ours][:1]


def _of(duels: Sequence[Duel], name: str, figure: str) -> float | None:
    """A figure of one index; of ours, the median over all duels."""
    if name == "ours":
        return typical(duels, figure)
    (value,) = (getattr(duel.theirs, figure) for duel in duels if duel.reference == name)
    return None if value is None else float(value)


def _front(curve: Sequence[Point]) -> list[Point]:
    """Without the efforts for which another one is both faster and better; by falling rate."""
    front: list[Point] = []
    for point in sorted(curve, key=lambda point: (-point.rate, -point.recall)):
        if not front or point.recall > front[-1].recall:
            front.append(point)
    return front


def _end(most: float) -> float:
    """The end of an axis from 0 that has room for this."""
    power = 10 ** math.floor(math.log10(max(most, 1)))
    return next(float(step * power) for step in (*_STEPS, 10) if step * power >= most)


def _nines(recall: float) -> float:
    """0.9 is 1, 0.99 is 2: how many nines a recall has."""
    return -math.log10(max(1 - recall, 1e-5))


def _recall_of(nines: float) -> str:
    return "1" if nines >= _DECADES[1] else f"{1 - 10**-nines:.{round(nines)}f}"


def _count(power: float) -> str:
    return f"{10**power:,.0f}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _said(name: str, point: Point) -> str:
    return f"{name}, effort {point.effort}: {point.rate:,.0f}/s at {point.recall:.4f}"
