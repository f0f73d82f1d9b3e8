"""The duels as Markdown: a table for each size, what every index was told, and what was not run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from benchmarks.index.duel.figures import Duel, Figures

_RATES = {
    "build": "filled, offers/s",
    "search_all": "searches/s",
    "search_with_brand": "with brand",
    "upsert": "upserts/s, 1,000",
    "upsert_small": "upserts/s, 64",
    "mixed": "mixed, operations/s",
    "bytes_per_offer": "bytes an offer",
}
_RECALLS = ("recall_all", "recall_with_brand", "recall_all_changed")


def markdown(duels: Sequence[Duel]) -> str:
    """Tables, smallest size first."""
    parts = []
    for size in sorted({duel.size for duel in duels}):
        parts.append(_table(size, [duel for duel in duels if duel.size == size]))
    return "\n".join(parts)


def typical(duels: Iterable[Duel], name: str) -> float | None:
    """The median over these duels of a figure of ours."""
    known = [value for duel in duels if duel.ours and (value := getattr(duel.ours, name)) is not None]
    return median(known) if known else None


def _table(size: int, duels: list[Duel]) -> str:
    columns = [f"{size:,} offers", "recall@10: all, with brand, after changes", *_RATES.values()]
    lines = [_row(columns), "|" + "---|" * len(columns), _ours(duels)]
    notes = []
    for duel in duels:
        if duel.ours is None or duel.theirs is None:
            notes.append(f"- **{duel.reference}** was not run: {duel.not_run}.")
            continue
        lines.append(_theirs(duel.ours, duel.theirs))
        notes.append(_note(duel.theirs))
    if known := [duel.ours for duel in duels if duel.ours]:
        notes.insert(0, _note(known[0]))
    return "\n".join([*lines, "", *notes, ""])


def _ours(duels: list[Duel]) -> str:
    recalls = [typical(duels, name) for name in _RECALLS]
    return _row(["**ours**", _recalls(recalls), *(_number(typical(duels, name)) for name in _RATES)])


def _theirs(ours: Figures, theirs: Figures) -> str:
    cells = []
    for name in _RATES:
        mine, other = getattr(ours, name), getattr(theirs, name)
        cells.append(_number(other) + (f" ({_ratio(mine / other)})" if mine is not None and other else ""))
    return _row([theirs.title, _recalls([getattr(theirs, name) for name in _RECALLS]), *cells])


def _note(figures: Figures) -> str:
    effort = f"; effort {figures.effort}" if figures.effort else ""
    mapped = figures.mapped_bytes_per_offer
    files = f"; {mapped:,.0f} bytes an offer in mapped files" if mapped and mapped >= 1 else ""
    remarks = "".join(f"; {remark}" for remark in figures.remarks)
    return f"- {figures.title} ({figures.version}): {figures.settings}{effort}{files}{remarks}."


def _recalls(values: Sequence[float | None]) -> str:
    return ", ".join("–" if value is None else f"{value:.4f}" for value in values)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
