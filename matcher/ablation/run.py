"""Goes through the rows of an ablation, lesson by lesson; what is finished is kept and never computed again."""

from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec
import numpy as np
from msgspec import Struct

from matcher.ablation.kept import Decided, Kept, data_digest, row_key
from matcher.ablation.lesson import Learner
from matcher.ablation.models import Row, TextView
from matcher.ablation.questions import Lesson, Part, Question, Subject
from matcher.ablation.result import Ablation, Asked, Shop, shop_of
from matcher.ablation.rows import LeftOut, chosen, rows_for
from matcher.arrays import I64Array
from matcher.training.dataset import Dataset
from matcher.training.options import Modality, ProjectionOptions

#: The tables with text vectors made from these fields. The same tables for the same view.
Tables = Callable[[TextView], Sequence[Dataset]]
#: Where the logarithm of the price in euros stands in `Features.numbers`.
_LOG_EUROS = 2


class Doing(Struct, frozen=True, kw_only=True):
    """What an ablation is at: `done` of `of` trainings of a question; `computed`: those that were not kept already."""

    subject: str
    question: str
    row: str
    done: int
    of: int
    computed: int


Progress = Callable[[Doing], None]


def ablate(
    tables: Tables,
    subjects: Sequence[Subject],
    kept: Kept,
    *,
    asked: Sequence[Modality],
    pattern: str | None = None,
    base: ProjectionOptions | None = None,
    fresh: bool = False,
    on_progress: Progress = lambda _: None,
) -> Ablation:
    """Every row of every subject, with intervals.

    `asked`: the modalities that may be used; `base`: what rows are varied from; `fresh`: compute again what is kept.
    ValueError where a subject has none of the modalities, or no row fits the pattern.
    """
    shops = []
    for subject in subjects:
        rows, left_out = rows_for(subject.present, asked, base)
        rows = chosen(rows, pattern)
        failed: dict[str, str] = {}
        questions = []
        for question in subject.questions:
            walk = _Walk(tables, subject.name, question, kept, fresh=fresh, on_progress=on_progress)
            decided = walk.through(rows, failed)
            questions.append(Asked(question=question, decided=decided, groups=walk.groups()))
        left_out += [LeftOut(name, reason) for name, reason in failed.items()]
        shops.append(_shop(subject, rows, questions, left_out, tables("brand_title")))
    return Ablation(shops=tuple(shops))


def _shop(
    subject: Subject,
    rows: Sequence[Row],
    questions: Sequence[Asked],
    left_out: list[LeftOut],
    tables: Sequence[Dataset],
) -> Shop:
    # A row that failed in one question has nothing to stand beside in the other.
    whole = [row for row in rows if all(row.name in asked.decided for asked in questions)]
    asked_with = tables[subject.questions[0].lessons[0].ask.table]
    return shop_of(subject.name, asked_with, whole, questions, left_out)


class _Walk:
    """One question, lesson by lesson, so that what rows of a lesson share is learned once."""

    def __init__(
        self, tables: Tables, subject: str, question: Question, kept: Kept, *, fresh: bool, on_progress: Progress
    ) -> None:
        self._tables, self._subject, self._question, self._kept = tables, subject, question, kept
        self._fresh, self._on_progress = fresh, on_progress
        self._groups: dict[int, I64Array] = {}

    def groups(self) -> I64Array:
        """i64[n]: the sibling group of each query that was asked, over all lessons; one that several lessons ask about
        is one group."""
        return np.concatenate(list(self._groups.values()) or [np.empty(0, np.int64)])

    def through(self, rows: Sequence[Row], failed: dict[str, str]) -> dict[str, Decided]:
        """The decisions of each row over all lessons, by its name; a row that cannot be learned is put into `failed`
        with the reason."""
        pooled: dict[str, Decided] = {}
        computed, total = 0, len(rows) * len(self._question.lessons)
        for number, lesson in enumerate(self._question.lessons):
            room = _Room(self._tables, lesson)
            for place, row in enumerate(rows):
                done = number * len(rows) + place
                self._tell(row.name, done, total, computed)
                key = row_key(row, lesson.repetition, room.digest(row.text))
                decided = None if self._fresh else self._kept.get(key)
                if decided is None and row.name not in failed:
                    computed += 1
                    try:
                        decided = self._kept.put(key, room.learner(row).answers(row))
                    except ValueError as error:
                        failed[row.name] = str(error)
                if decided is not None:
                    self._groups[number] = lesson.groups[decided.top.query]
                    pooled[row.name] = pooled[row.name].followed_by(decided) if row.name in pooled else decided
        self._tell("done", total, total, computed)
        return {name: decided for name, decided in pooled.items() if name not in failed}

    def _tell(self, row: str, done: int, of: int, computed: int) -> None:
        self._on_progress(
            Doing(subject=self._subject, question=self._question.name, row=row, done=done, of=of, computed=computed)
        )


class _Room:
    """The offers of one lesson, in the forms that rows want them."""

    def __init__(self, tables: Tables, lesson: Lesson) -> None:
        self._tables, self._lesson = tables, lesson
        self._digests: dict[TextView, str] = {}
        self._learners: dict[tuple[TextView, bool], Learner] = {}

    def digest(self, text: TextView) -> str:
        """The digest of what is learned from and asked with."""
        if text not in self._digests:
            learn, asked = self._offers(text)
            parts = [data_digest(dataset) for dataset in (*learn, asked)]
            self._digests[text] = sha256(" ".join(parts).encode()).hexdigest()
        return self._digests[text]

    def learner(self, row: Row) -> Learner:
        kind = row.text, row.price
        if kind not in self._learners:
            learn, asked = self._offers(row.text)
            if not row.price:
                learn, asked = [_without_price(dataset) for dataset in learn], _without_price(asked)
            self._learners[kind] = Learner(learn, asked, self._lesson.repetition)
        return self._learners[kind]

    def _offers(self, text: TextView) -> tuple[list[Dataset], Dataset]:
        tables = self._tables(text)
        return [_taken(tables, part) for part in self._lesson.learn], _taken(tables, self._lesson.ask)


def _taken(tables: Sequence[Dataset], part: Part) -> Dataset:
    return tables[part.table].take(part.rows)


def _without_price(dataset: Dataset) -> Dataset:
    numbers = dataset.features.numbers.copy()
    numbers[:, _LOG_EUROS] = np.nan
    features = msgspec.structs.replace(dataset.features, numbers=numbers)
    return msgspec.structs.replace(dataset, features=features)
