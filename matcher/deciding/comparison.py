"""All pairs of a batch, scored at once; and what spoke for and against those that people get to see."""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from matcher.arrays import AnyArray, F16Array, F32Array, I64Array
from matcher.deciding.content import Content, keeps_raw
from matcher.deciding.contents import Contents
from matcher.deciding.plan import Plan
from matcher.events.decision import Evidence
from matcher.model.bundle import Bundle
from matcher.model.projection import modality_parts
from matcher.verifier.model import Verifier
from matcher.verifier.scoring import cosine_pairs

#: Pieces of evidence of the verifier that an event carries for a candidate, the strongest.
TOLD = 6


class Ranked(Struct, frozen=True):
    """A candidate after scoring: its place in the plan, its final score, and the number of the pair."""

    place: int
    score: float
    pair: int


class Comparison:
    """The pairs of a plan: m rows (`left`) and places (`right`), in the order of the plan."""

    def __init__(self, plan: Plan, vectors: F32Array, contents: Contents, bundle: Bundle) -> None:
        """`vectors` f32[places, dim] and `contents` are those of the places of the plan."""
        self._plan = plan
        self._bundle = bundle
        self._contents = contents
        counts = [len(step.near) for step in plan.planned]
        rows = [-1 if step.row is None else step.row for step in plan.planned]
        self._left = np.repeat(np.array(rows, np.int64), counts)
        self._right = np.array([near.place for step in plan.planned for near in step.near], np.int64)
        self._vectors = vectors
        self._read: F32Array | None = None

    def ranking(self) -> list[tuple[Ranked, ...]]:
        """The candidates of every planned step, best first.

        With a verifier by its log odds, rounded to float32 as calibration and evaluation have them, else by the scores
        of the embeddings; of equal ones the better embedding comes first, then the older version. A verifier needs the
        contents of all: they are read.
        """
        scores = [near.score for step in self._plan.planned for near in step.near]
        verifier = self._bundle.pair_verifier
        if verifier is not None and scores:
            self._contents.read([*self._left.tolist(), *self._right.tolist()])
            self._read = self._evidence(verifier)
            scores = verifier.scores(self._read).astype(np.float32).tolist()
        ranking, start = [], 0
        for step in self._plan.planned:
            pairs = range(start, start + len(step.near))
            ranked = [Ranked(near.place, scores[pair], pair) for near, pair in zip(step.near, pairs, strict=True)]
            # They come in the order that equal scores keep, and sorting is stable.
            ranking.append(tuple(sorted(ranked, key=lambda one: -one.score)))
            start = pairs.stop
        return ranking

    def offer(self, place: int) -> tuple[F32Array, Content]:
        """Embedding f32[dim] and content of the offer at this place."""
        return self._vectors[place], self._contents[place]

    def told(self, pairs: Sequence[int]) -> list[tuple[Evidence, ...]]:
        """For each of these pairs: what moved the verifier most, and the cosine of each modality that both have.

        Reads the contents of their offers.
        """
        if not pairs:
            return []
        chosen = np.array(pairs, np.int64)
        self._contents.read(self.places(pairs))
        cosines = {name: cosine.tolist() for name, cosine in sorted(self._modality_cosines(chosen).items())}
        verifier = self._bundle.pair_verifier
        told: list[tuple[Evidence, ...]] = [()] * len(pairs)
        if verifier is not None and self._read is not None:
            told = verifier.explain(self._read[chosen], TOLD)
        return [
            (*seen, *(Evidence(f"{name}_similarity", round(v[n], 6)) for name, v in cosines.items() if v[n] == v[n]))
            for n, seen in enumerate(told)
        ]

    def places(self, pairs: Sequence[int]) -> list[int]:
        """Of both offers of each of these pairs."""
        chosen = np.array(pairs, np.int64)
        return [*self._left[chosen].tolist(), *self._right[chosen].tolist()]

    def _modality_cosines(self, pairs: I64Array) -> dict[str, F32Array]:
        """By name the cosines f32[m] of that modality; NaN for a pair that lacks it. Their contents are read."""
        places, place = np.unique(np.concatenate([self._left[pairs], self._right[pairs]]), return_inverse=True)
        left, right = place[: len(pairs)], place[len(pairs) :]
        if not keeps_raw(self._bundle):
            parts: Mapping[str, AnyArray] = modality_parts(self._vectors[places], self._bundle)
        else:
            facts, contents = self._bundle.encoder, [self._contents[n] for n in places.tolist()]
            parts = {
                "image": _rows([content.image for content in contents], facts.image_dim),
                "text": _rows([content.text for content in contents], facts.text_dim),
            }
        return {name: cosine_pairs(part, left, right) for name, part in parts.items()}

    def _evidence(self, verifier: Verifier) -> F32Array:
        places, place = np.unique(np.concatenate([self._left, self._right]), return_inverse=True)
        traits = [self._contents[n].traits for n in places.tolist()]
        table = verifier.table([one for one in traits if one is not None])
        brought = {"embedding_cosine": cosine_pairs(self._vectors, self._left, self._right)}
        if any(name != "embedding_cosine" for name in verifier.cosines):
            modalities = self._modality_cosines(np.arange(len(self._left)))
            brought |= {f"{name}_cosine": cosine for name, cosine in modalities.items()}
        cut = len(self._left)
        return verifier.read(table, place[:cut], place[cut:], brought)


def _rows(vectors: Sequence[F16Array | None], dim: int) -> F16Array:
    rows = np.zeros((len(vectors), dim), np.float16)
    for row, vector in zip(rows, vectors, strict=True):
        if vector is not None:
            row[:] = vector
    return rows
