"""Learns every row of one lesson and asks it: what several rows rest on is learned once."""

from collections.abc import Callable, Sequence
from itertools import count

import msgspec
import numpy as np

from matcher.ablation.logistic import fit_logistic
from matcher.ablation.models import Model, Projected, Raw, Row, Verified, repeated
from matcher.arrays import BoolArray, F32Array, F64Array, I64Array
from matcher.evaluation.decisions import Answers, Scorer, ask
from matcher.evaluation.visibility import visibility_of
from matcher.model.bundle import Bundle, Logistic, Search, Thresholds
from matcher.model.projection import project_arrays
from matcher.training.dataset import Dataset
from matcher.training.projection import fit_projection
from matcher.training.splits import unit_rows
from matcher.verifier.boosting import grow
from matcher.verifier.scoring import Embed
from matcher.verifier.training import (
    FitEmbedding,
    Learned,
    TrainingPairs,
    VerifierOptions,
    learn_idf,
    read_evidence,
    training_pairs,
)

#: From evidence f32[m, names] to scores f64[m].
Judging = Callable[[F32Array], F64Array]
#: Candidates of each query.
CANDIDATES = 15


class Learner:
    """What can be learned from the datasets `learn`, asked with the offers of `asked`, which it never learns from."""

    def __init__(self, learn: Sequence[Dataset], asked: Dataset, repetition: int) -> None:
        self._learn, self._asked, self._repetition = learn, asked, repetition
        self._embeds: dict[bytes, Embed] = {}
        self._pairs: dict[bytes, TrainingPairs] = {}
        self._readings: dict[bytes, _Reading] = {}

    def answers(self, row: Row) -> Answers:
        """Every offer asked against the others, own seller excluded. Raises ValueError (`Unlearnable`)."""
        model = repeated(row.model, self._repetition)
        embedding = model.embedding if isinstance(model, Verified) else model
        embed = self._embed(embedding)
        scorer = self._scorer(model, embed) if isinstance(model, Verified) else None
        visible = visibility_of(self._asked, exclude_own_seller=True, stream=False)
        return ask(self._asked, embed(self._asked), visible, k=CANDIDATES, scorer=scorer)

    def _embed(self, model: Raw | Projected) -> Embed:
        key = _content(model)
        if key not in self._embeds:
            self._embeds[key] = learned_embedding(model, self._learn)
        return self._embeds[key]

    def _scorer(self, model: Verified, embed: Embed) -> Scorer:
        # All evidence is read once; which of it may be used is chosen afterwards.
        options = msgspec.structs.replace(model.verifier, groups=None)
        shared = msgspec.structs.replace(model, verifier=_pairs_alone(options), judge="trees")
        key = _content(shared)
        if key not in self._pairs:
            self._pairs[key] = training_pairs(self._learn, options, self._out_of_fold(model.embedding, options))
            self._readings[key] = _Reading(Learned(learn_idf(self._learn), embed), options.names)
        pairs, reading = self._pairs[key], self._readings[key]
        names = tuple(name for name in pairs.telling() if name in model.verifier.names)
        columns = [pairs.names.index(name) for name in names]
        judge = _judging(model, pairs.evidence[:, columns], pairs.same, names)

        def score(dataset: Dataset, query_rows: I64Array, candidate_rows: I64Array) -> F32Array:
            return judge(reading(dataset, query_rows, candidate_rows)[:, columns]).astype(np.float32)

        return score

    def _out_of_fold(self, model: Raw | Projected, options: VerifierOptions) -> FitEmbedding:
        """Learns the embedding of each fold once, however many rows need it; folds come in their order."""
        folds = count()

        def fit(others: Sequence[Dataset]) -> Embed:
            key = msgspec.json.encode((model, options.folds, options.seed, next(folds)))
            if key not in self._embeds:
                self._embeds[key] = learned_embedding(model, others)
            return self._embeds[key]

        return fit


class _Reading:
    """The evidence of pairs; rows with the same candidates read it once."""

    def __init__(self, learned: Learned, names: tuple[str, ...]) -> None:
        self._learned, self._names = learned, names
        self._known: dict[bytes, F32Array] = {}

    def __call__(self, dataset: Dataset, left: I64Array, right: I64Array) -> F32Array:
        key = left.tobytes() + right.tobytes()
        if key not in self._known:
            self._known[key] = read_evidence(dataset, self._learned, left, right, self._names)
        return self._known[key]


def learned_embedding(model: Raw | Projected, datasets: Sequence[Dataset]) -> Embed:
    """What embeds any offers, learned from these datasets; embeddings of the last dataset are kept."""
    embed = _raw(model) if isinstance(model, Raw) else _projected(model, datasets)
    kept: list[tuple[Dataset, F32Array]] = []

    def remembering(dataset: Dataset) -> F32Array:
        if not kept or kept[0][0] is not dataset:
            kept[:] = [(dataset, embed(dataset))]
        return kept[0][1]

    return remembering


def _raw(model: Raw) -> Embed:
    def embed(dataset: Dataset) -> F32Array:
        blocks = {"image": dataset.features.image, "text": dataset.features.text}
        return unit_rows(np.concatenate([unit_rows(blocks[name]) for name in model.modalities], axis=1))

    return embed


def _projected(model: Projected, datasets: Sequence[Dataset]) -> Embed:
    fitted = fit_projection(datasets, model.projection)
    bundle = Bundle(
        name="ablation",
        trained=True,
        note="",
        encoder=datasets[0].encoder,
        projection=fitted.projection,
        calibration=Logistic(slope=1.0, intercept=0.0),
        thresholds=Thresholds(accept=None, review=0.0, margin=0.0),
        search=Search(),
        match_rate=1.0,
        network=fitted.network,
    )
    return lambda dataset: project_arrays(dataset.features, bundle)


def _judging(model: Verified, evidence: F32Array, same: BoolArray, names: Sequence[str]) -> Judging:
    if model.judge == "logistic":
        return fit_logistic(evidence, same)
    return grow(evidence, same, names, model.verifier.boosting).scores


def _pairs_alone(options: VerifierOptions) -> VerifierOptions:
    """The options that decide which pairs there are and what is read of them; how trees grow does not."""
    return msgspec.structs.replace(options, boosting=VerifierOptions().boosting)


def _content(model: Model) -> bytes:
    return msgspec.json.encode(model)
