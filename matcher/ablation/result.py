"""The figures of an ablation with their intervals, flat enough for one JSON object."""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from matcher.ablation.kept import Decided
from matcher.ablation.models import Model, Row, TextView
from matcher.ablation.notes import notes_on
from matcher.ablation.questions import Question
from matcher.ablation.rows import LeftOut
from matcher.arrays import I64Array
from matcher.evaluation import figures as fig
from matcher.evaluation.figures import Figure
from matcher.evaluation.intervals import Estimate, estimates
from matcher.evaluation.match_rates import Mixture
from matcher.training.dataset import Dataset

#: The share of queries with a match in a stream that is mostly rejection.
TENTH = 0.1


class Asked(Struct, frozen=True, kw_only=True):
    """A question and the decisions of its rows, by their names; `groups` i64[n]: the sibling group of each query."""

    question: Question
    decided: Mapping[str, Decided]
    groups: I64Array


class Figures(Struct, frozen=True, kw_only=True):
    """One row under one question. `_low` and `_high` bound the 95 % interval from a bootstrap over sibling groups.

    `aucpr_tenth`: where one query in ten has a match. `aucpr_gain`, `recall_at_1_gain`: over the row that it is
    compared with, on the same queries, drawn in pairs; None for the base.
    """

    aucpr: float | None
    aucpr_low: float | None
    aucpr_high: float | None
    recall_at_1: float | None
    recall_at_1_low: float | None
    recall_at_1_high: float | None
    recall_at_3: float | None
    recall_at_3_low: float | None
    recall_at_3_high: float | None
    aucpr_tenth: float | None
    aucpr_tenth_low: float | None
    aucpr_tenth_high: float | None
    aucpr_gain: float | None
    aucpr_gain_low: float | None
    aucpr_gain_high: float | None
    recall_at_1_gain: float | None
    recall_at_1_gain_low: float | None
    recall_at_1_gain_high: float | None


class Line(Struct, frozen=True, kw_only=True):
    """One row of the table; `figures`: one for each question of the shop, in their order."""

    section: str
    name: str
    against: str | None
    model: Model
    text: TextView
    price: bool
    figures: tuple[Figures, ...]


class Answered(Struct, frozen=True, kw_only=True):
    """What a question asked with: the decisions of all its lessons."""

    question: str
    lessons: int
    queries: int
    queries_with_match: int
    groups: int


class Shop(Struct, frozen=True, kw_only=True):
    """One table of results."""

    name: str
    offers: int
    questions: tuple[Answered, ...]
    lines: tuple[Line, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


class Ablation(Struct, frozen=True, kw_only=True):
    """Everything that one command measured."""

    shops: tuple[Shop, ...]


def shop_of(
    name: str, asked_with: Dataset, rows: Sequence[Row], questions: Sequence[Asked], left_out: Sequence[LeftOut]
) -> Shop:
    """The figures of all rows under all questions. Every question has decided all `rows`."""
    columns = [_figures(rows, asked) for asked in questions]
    return Shop(
        name=name,
        offers=len(asked_with),
        questions=tuple(_answered(rows[0], asked) for asked in questions if rows),
        lines=tuple(
            Line(
                section=row.section,
                name=row.name,
                against=row.against,
                model=row.model,
                text=row.text,
                price=row.price,
                figures=tuple(column[place] for column in columns),
            )
            for place, row in enumerate(rows)
        ),
        left_out=tuple(left_out),
        notes=notes_on(asked_with, rows),
    )


def _answered(row: Row, asked: Asked) -> Answered:
    decided = asked.decided[row.name]
    return Answered(
        question=asked.question.name,
        lessons=len(asked.question.lessons),
        queries=len(decided),
        queries_with_match=int(decided.top.has_match.sum()),
        groups=len(np.unique(asked.groups)),
    )


def _figures(rows: Sequence[Row], asked: Asked) -> list[Figures]:
    wanted = {row.name: _wanted(asked.decided[row.name]) for row in rows}
    found = []
    for row in rows:
        named = dict(wanted[row.name])
        if row.against in wanted:
            for name in ("aucpr", "recall_at_1"):
                named[f"{name}_gain"] = fig.difference(named[name], wanted[row.against][name])
        found.append(Figures(**_bounds(estimates(named, asked.groups))))
    return found


def _wanted(decided: Decided) -> dict[str, Figure]:
    top = decided.top
    matched = np.flatnonzero(top.has_match)
    rare = Mixture(
        rate=TENTH,
        top=top.take(matched).followed_by(decided.hidden),
        origin=np.concatenate([matched, np.arange(len(top), dtype=np.int64)]),
    )
    return {
        "aucpr": fig.aucpr(top),
        "recall_at_1": fig.recall_at(top, 1),
        "recall_at_3": fig.recall_at(top, 3),
        "aucpr_tenth": rare.over_queries({"": fig.aucpr(rare.top)})[""],
    }


def _bounds(found: Mapping[str, Estimate]) -> dict[str, float | None]:
    none = Estimate(None, None, None)
    flat: dict[str, float | None] = {}
    for name in ("aucpr", "recall_at_1", "recall_at_3", "aucpr_tenth", "aucpr_gain", "recall_at_1_gain"):
        got = found.get(name, none)
        flat |= {name: got.value, f"{name}_low": got.low, f"{name}_high": got.high}
    return flat
