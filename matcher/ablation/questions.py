"""What is asked of every row: which offers it learns from, and with which unseen ones it is then asked."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct

from matcher.arrays import I64Array
from matcher.training.dataset import Dataset
from matcher.training.options import Modality
from matcher.training.splits import dataset_groups, held_out, product_labels

Split = Literal["group", "product"]
SAID: dict[Split, str] = {"group": "sibling groups apart", "product": "products apart (flatters)"}


class Part(Struct, frozen=True):
    """Some rows i64[n] of the table with that number."""

    table: int
    rows: I64Array


class Lesson(Struct, frozen=True, kw_only=True):
    """One training and one asking. `groups` i64[n]: the sibling group of each offer that is asked among."""

    learn: tuple[Part, ...]
    ask: Part
    groups: I64Array
    repetition: int = 0


class Question(Struct, frozen=True, kw_only=True):
    """Lessons whose decisions are counted together."""

    name: str
    lessons: tuple[Lesson, ...]


class Subject(Struct, frozen=True, kw_only=True):
    """One table of results: a shop by halves, or a shop that was never seen."""

    name: str
    present: tuple[Modality, ...]
    questions: tuple[Question, ...]


def by_halves(tables: Sequence[Dataset], number: int, splits: Sequence[Split], repetitions: int) -> Subject:
    """Each half of a table is learned from and the other asked with. ValueError where it cannot be divided."""
    table = tables[number]
    groups = dataset_groups(table, product_labels(table))
    questions = []
    for split in splits:
        lessons = []
        for repetition in range(repetitions):
            try:
                out = held_out(table, 0.5, split, repetition)
            except ValueError as error:
                raise ValueError(f"{table.name}: {error}") from None
            halves = np.flatnonzero(~out), np.flatnonzero(out)
            lessons += [
                Lesson(
                    learn=(Part(number, learned),),
                    ask=Part(number, asked),
                    groups=groups[asked],
                    repetition=repetition,
                )
                for learned, asked in (halves, halves[::-1])
            ]
        questions.append(Question(name=SAID[split], lessons=tuple(lessons)))
    return Subject(name=table.name, present=present_in([table]), questions=tuple(questions))


def unseen(tables: Sequence[Dataset], learned: Sequence[int], number: int, repetitions: int) -> Subject:
    """A table that is asked with, after learning from all others that are named."""
    table = tables[number]
    everyone = np.arange(len(table), dtype=np.int64)
    groups = dataset_groups(table, product_labels(table))
    teachers = tuple(Part(one, np.arange(len(tables[one]), dtype=np.int64)) for one in learned)
    lessons = [
        Lesson(learn=teachers, ask=Part(number, everyone), groups=groups, repetition=repetition)
        for repetition in range(repetitions)
    ]
    names = " + ".join(tables[one].name for one in learned)
    return Subject(
        name=f"{names} → {table.name}",
        present=present_in([table, *(tables[one] for one in learned)]),
        questions=(Question(name="a shop never seen", lessons=tuple(lessons)),),
    )


def present_in(tables: Sequence[Dataset]) -> tuple[Modality, ...]:
    """The modalities that every one of the tables has for some offer."""
    has: dict[Modality, list[bool]] = {
        "image": [bool(table.features.has_image.any()) for table in tables],
        "text": [bool(table.features.has_text.any()) for table in tables],
        "numbers": [bool(np.isfinite(table.features.numbers).any()) for table in tables],
    }
    return tuple(name for name, known in has.items() if all(known))
