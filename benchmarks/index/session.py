"""All of `offermatch bench index`: at every size ours by itself, then a duel with each reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.index.duel.course import Judge, make_course
from benchmarks.index.duel.fight import fight
from benchmarks.index.duel.figures import Alone, Duel, Figures, Ledger
from benchmarks.index.rivals.makers import check
from benchmarks.index.run import label, measure_alone
from benchmarks.results import Benchmark, Result, compared, machine, versions
from matcher.clock import Clock

SMALLEST: Final = 10_000
_COMPARED: Final = {
    "build": "offers/s",
    "search_all": "searches/s",
    "search_with_brand": "searches/s",
    "upsert": "upserts/s",
    "upsert_small": "upserts/s",
    "mixed": "operations/s",
    "recall_all": "share",
    "recall_with_brand": "share",
    "recall_all_changed": "share",
    "recall_with_brand_changed": "share",
    "bytes_per_offer": "bytes",
    "bytes_per_offer_changed": "bytes",
}
"""Figures that become results, with their units."""


class TooSmall(ValueError):
    """A size at which nothing can be told; the message says what is expected."""


class IndexBenchmark(Benchmark, frozen=True, kw_only=True):
    """With all that the duels have measured."""

    duels: tuple[Duel, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """sizes: numbers of offers; references: names of `REFERENCES`; rounds: of which the medians count; limit: seconds
    that filling a reference may take; ledger: a file that keeps what is done, and is gone on with"""

    sizes: Sequence[int]
    references: Sequence[str]
    rounds: int
    limit: float
    ledger: Path | None


def bench_index(plan: Plan, clock: Clock, folder: Path, tell: Callable[[str], None]) -> IndexBenchmark:
    """Everything, small sizes first. Needs 3 KB of memory for each offer of the largest size (ours, one reference and
    the exact answers), and 1.5 KB in `folder`. `tell` is given a line for each part that is done.

    Raises `ReferenceMissing`, `TooSmall`, `LedgerMismatch`, `OSError`, and `Failed` if ours fails.
    """
    check(plan.references)
    if min(plan.sizes, default=SMALLEST) < SMALLEST:
        raise TooSmall(f"sizes must be of at least {SMALLEST:,} offers, got {min(plan.sizes):,}")
    here = machine()
    ledger = Ledger(plan.ledger, here)
    alone: list[Alone] = []
    duels: list[Duel] = []
    for size in sorted(set(plan.sizes)):
        done = ledger.alone(size)
        if done is None:
            done = Alone(size=size, machine=here, results=measure_alone(size, plan.rounds, clock, folder))
            ledger.add(done)
        tell(f"{label(size)}: ours beside FAISS Flat is measured")
        alone.append(done)
        for duel in _duels(plan, size, ledger, folder, here):
            tell(_line(duel))
            duels.append(duel)
    results = (
        *(result for part in alone for result in part.results),
        *(one for each in duels for one in compare(each)),
    )
    used = versions("faiss-cpu", "numpy") | {each.theirs.title: each.theirs.version for each in duels if each.theirs}
    return IndexBenchmark(results=results, machine=here, versions=used, duels=tuple(duels))


def compare(duel: Duel) -> Iterator[Result]:
    """A duel as results, as far as both have a figure."""
    if duel.ours is None or duel.theirs is None:
        return
    for name, unit in _COMPARED.items():
        ours, theirs = getattr(duel.ours, name), getattr(duel.theirs, name)
        if ours is not None and theirs:
            yield compared(f"{name}_vs_{duel.reference}_{label(duel.size)}", ours, theirs, duel.theirs.title, unit)


def _duels(plan: Plan, size: int, ledger: Ledger, folder: Path, here: str) -> Iterator[Duel]:
    """Those with all references; the course is only made if one is still to be run."""
    judge = None
    for reference in dict.fromkeys(plan.references):
        duel = ledger.duel(size, reference)
        if duel is None:
            if judge is None:
                place = folder / f"duels-{size}"
                place.mkdir()
                judge = Judge(make_course(size, place))
            duel = fight(judge, reference, place, rounds=plan.rounds, limit=plan.limit, machine=here)
            ledger.add(duel)
        yield duel


def _line(duel: Duel) -> str:
    def shown(figures: Figures) -> str:
        rate, recall = figures.search_all, figures.recall_all
        return "nothing" if rate is None or recall is None else f"{rate:,.0f} searches/s at recall {recall:.4f}"

    head = f"{label(duel.size)}, {duel.reference}: "
    if duel.ours is None or duel.theirs is None:
        return f"{head}not run: {duel.not_run}"
    remarks = "".join(f"; {remark}" for remark in duel.theirs.remarks)
    return f"{head}{shown(duel.theirs)} (effort {duel.theirs.effort}), ours {shown(duel.ours)}{remarks}"
