"""One duel: both indexes run the same course in turns, so that a machine that slows down slows both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
from msgspec.structs import replace

from benchmarks.index.duel.course import BATCH, LARGE_BATCH, MIXED_ROUNDS, SAMPLE, Judge
from benchmarks.index.duel.entrant import Entrant, Failed
from benchmarks.index.duel.figures import Duel, Figures, Point
from benchmarks.index.duel.seat import Facts, Memory
from benchmarks.index.rivals.makers import OURS
from benchmarks.index.rivals.rival import Keys

RECALL: Final = 0.995
"""The effort of a reference is the least that finds so much of the sample, else nearly as much as any."""

_NEARLY: Final = 0.0005  # as good as the best
_ENOUGH: Final = 0.9998  # no more effort is tried from here on
_IN_VAIN: Final = 2  # nor after so many efforts that found no more
_SEARCH_SECONDS: Final = 10.0
_PHASE_SECONDS: Final = 60.0
_OURS_SECONDS: Final = 3600.0  # for one request: there is nothing to compare without ours
_OPERATIONS: Final = 3 * BATCH + BATCH // 2  # of a mixed round: searches twice, upserts, removals


def fight(judge: Judge, reference: str, folder: Path, *, rounds: int, limit: float, machine: str) -> Duel:
    """Both are filled, searched, changed and searched again. `limit`: seconds that filling the reference may take, and
    every later request. Raises `Failed` if ours did not do what it should."""
    course = judge.course
    duel = Duel(size=course.size, reference=reference, machine=machine)
    with (
        Entrant(course, reference, folder / reference) as their_entrant,
        Entrant(course, OURS, folder / OURS) as our_entrant,
    ):
        try:
            theirs = _Side(judge, their_entrant, limit)
            theirs.build()
            theirs.tune(choose=True)
        except Failed as error:
            got = their_entrant.taken
            where = f" after {got:,} of {course.size:,} offers" if got < course.size else ""
            return replace(duel, not_run=f"{error}{where}")
        ours = _Side(judge, our_entrant, _OURS_SECONDS)
        ours.build()
        ours.tune(choose=False)
        sides = ours, theirs
        phases: tuple[Callable[[], None], ...] = (
            lambda: _searches(sides, rounds),
            lambda: _replacements(sides),
            lambda: _mixed_load(sides),
            lambda: _after(sides),
        )
        for phase in phases:
            try:
                phase()
            except Failed as error:
                if theirs.failed is None:
                    raise
                theirs.remarks.append(f"ended early: {error}")
                break
        return replace(duel, ours=ours.figures(), theirs=theirs.figures())


class _Side:
    """One of the two, and what it has done so far."""

    def __init__(self, judge: Judge, entrant: Entrant, limit: float) -> None:
        self.course, self._judge, self._entrant, self._limit = judge.course, judge, entrant, limit
        self.failed: Failed | None = None
        self.facts: Facts = self.ask("facts")
        self._effort = self.facts.effort
        self._empty: Memory | None = self.ask("memory")
        self._curve: list[Point] = []
        self._rates: dict[str, list[float]] = {}  # of searches, by round
        self._work: dict[str, tuple[int, float]] = {}  # operations and seconds of changes: with every pause in them
        self._others: dict[str, float] = {}
        self.remarks: list[str] = []
        self.finished = self.facts.changes
        if not self.facts.branded:
            self.remarks.append("has no filter for brands")
        if not self.facts.changes:
            self.remarks.append("can neither replace nor remove")

    def ask(self, method: str, *arguments: Any) -> Any:
        try:
            return self._entrant.ask(method, *arguments, seconds=self._limit)
        except Failed as error:
            self.failed = error
            raise

    def build(self) -> None:
        self._others["build"] = self.course.size / self.ask("build")
        self._weigh("")

    def tune(self, *, choose: bool) -> None:
        """Try the efforts on the sample; `choose`: take one for all that follows."""
        sample = np.arange(SAMPLE)
        self.ask("search", sample[:BATCH], False, _SEARCH_SECONDS)
        spent = 0.0
        for effort in self.facts.efforts or (self.facts.effort,):
            self.ask("use_effort", effort)
            found, seconds = self.ask("search", sample, False, _SEARCH_SECONDS)
            spent += seconds
            recall = self._judge.recall(sample[: len(found)], found, branded=False, changed=False)
            self._curve.append(Point(effort, recall, len(found) / seconds))
            past = [point.recall for point in self._curve]
            in_vain = len(past) > _IN_VAIN and max(past[-_IN_VAIN:]) <= max(past[:-_IN_VAIN])
            if recall >= _ENOUGH or in_vain or spent > _PHASE_SECONDS:
                break
        if choose:
            best = max(point.recall for point in self._curve)
            least = RECALL if best >= RECALL else best - _NEARLY
            self._effort = next(point.effort for point in self._curve if point.recall >= least)
            if best < RECALL:
                self.remarks.append(f"does not reach a recall of {RECALL} on the sample")
        self.ask("use_effort", self._effort)

    def search(self, name: str, queries: Keys, *, branded: bool, changed: bool = False) -> None:
        found, seconds = self.ask("search", queries, branded, _SEARCH_SECONDS)
        self._rates.setdefault(f"search_{name}", []).append(len(found) / seconds)
        key = f"recall_{name}"
        if key not in self._others:
            recall = self._judge.recall(queries[: len(found)], found, branded=branded, changed=changed)
            self._others[key] = recall

    def spent(self, name: str, operations: int, seconds: float) -> None:
        """So much more work of this name."""
        before, took = self._work.get(name, (0, 0.0))
        self._work[name] = before + operations, took + seconds

    def _weigh(self, suffix: str) -> None:
        now: Memory | None = self.ask("memory")
        if now is None or self._empty is None:
            self.remarks.append("its memory is out of reach")
            return
        self._others[f"bytes_per_offer{suffix}"] = (now.own - self._empty.own) / self.course.size
        if not suffix:
            self._others["mapped_bytes_per_offer"] = (now.mapped - self._empty.mapped) / self.course.size

    def weigh_changed(self) -> None:
        self._weigh("_changed")

    def figures(self) -> Figures:
        rates = {name: median(each) for name, each in self._rates.items() if name in Figures.__struct_fields__}
        return Figures(
            title=self.facts.title,
            version=self.facts.version,
            settings=self.facts.settings,
            effort=self._effort,
            curve=tuple(self._curve),
            remarks=tuple(dict.fromkeys(self.remarks)),
            **rates,
            **{name: operations / seconds for name, (operations, seconds) in self._work.items()},
            **self._others,
        )


def _searches(sides: tuple[_Side, _Side], rounds: int) -> None:
    course = sides[0].course
    everything = np.arange(SAMPLE, len(course.queries))
    for _ in range(rounds):
        for side in sides:
            side.search("all", everything, branded=False)
        for side in sides:
            if side.facts.branded:
                side.search("with_brand", course.branded(), branded=True)


def _replacements(sides: tuple[_Side, _Side]) -> None:
    """Large batches in turns, until all are done or one side's time is over; the other goes on."""
    _in_turns(sides, len(sides[0].course.large[0]), "large batches", _replace)


def _mixed_load(sides: tuple[_Side, _Side]) -> None:
    _in_turns(sides, MIXED_ROUNDS, "mixed rounds", _mixed)


def _in_turns(sides: tuple[_Side, _Side], rounds: int, what: str, step: Callable[[_Side, int], float]) -> None:
    spent = dict.fromkeys(sides, 0.0)
    for number in range(rounds):
        for side in sides:
            if not side.facts.changes or spent[side] > _PHASE_SECONDS:
                continue
            spent[side] += step(side, number)
            if spent[side] > _PHASE_SECONDS and number + 1 < rounds:
                side.finished = False
                side.remarks.append(f"{number + 1} of {rounds} {what} in {spent[side]:.0f} s")


def _replace(side: _Side, number: int) -> float:
    seconds: float = side.ask("replace", number)
    side.spent("upsert", LARGE_BATCH, seconds)
    return seconds


def _mixed(side: _Side, number: int) -> float:
    searches, upserts, removals = side.ask("mixed", number)
    side.spent("upsert_small", BATCH, upserts)
    side.spent("mixed", _OPERATIONS, searches + upserts + removals)
    return float(searches + upserts + removals)


def _after(sides: tuple[_Side, _Side]) -> None:
    """Recall and memory of those that have made all changes."""
    course = sides[0].course
    for side in sides:
        if side.finished:
            side.search("all_changed", np.arange(SAMPLE, len(course.queries)), branded=False, changed=True)
            if side.facts.branded:
                side.search("with_brand_changed", course.branded(), branded=True, changed=True)
            side.weigh_changed()
