"""Scores pairs of a dataset with a verifier: what evaluation, calibration and training ask for."""

from collections.abc import Callable, Mapping

import numpy as np

from matcher.arrays import AnyArray, F32Array, I64Array
from matcher.training.dataset import Dataset, Features
from matcher.verifier.model import Verifier
from matcher.verifier.table import TraitTable
from matcher.verifier.traits import Traits, read_traits

#: From a dataset to the embeddings f32[n, dim] of its offers, L2-normalised.
Embed = Callable[[Dataset], F32Array]

#: Where the logarithm of the price in euros stands in `Features.numbers`.
_LOG_EUROS = 2


def traits_of(dataset: Dataset) -> list[Traits]:
    """The traits of every offer; prices in euros are those of the features."""
    prices = dataset.features.numbers[:, _LOG_EUROS].astype(np.float64).tolist()
    return [read_traits(offer, price) for offer, price in zip(dataset.offers, prices, strict=True)]


def cosines_of(
    features: Features, embeddings: F32Array, left: I64Array, right: I64Array, names: tuple[str, ...]
) -> Mapping[str, F32Array]:
    """Those of `COSINES` that are named, f32[m] each; NaN where one of the two offers lacks the modality."""
    vectors: dict[str, AnyArray] = {
        "embedding_cosine": embeddings,
        "image_cosine": features.image,
        "text_cosine": features.text,
    }
    return {name: cosine_pairs(vectors[name], left, right) for name in names}


def cosine_pairs(vectors: AnyArray, left: I64Array, right: I64Array, strip: int = 8_192) -> F32Array:
    """f32[m]: the cosines of rows of `vectors`; NaN for a row of zeros. A pair's bits do not depend on the others."""
    result = np.empty(len(left), np.float32)
    for start in range(0, len(left), strip):
        one, other = (vectors[rows[start : start + strip]].astype(np.float64, order="C") for rows in (left, right))
        lengths = np.sqrt(np.square(one).sum(axis=1) * np.square(other).sum(axis=1))
        products = (one * other).sum(axis=1)
        missing = np.full(len(one), np.nan)
        result[start : start + strip] = np.divide(products, lengths, out=missing, where=lengths > 0)
    return result


class VerifierScorer:
    """Implements `matcher.evaluation.decisions.Scorer`. What it reads of a dataset it keeps while the same is asked."""

    def __init__(self, verifier: Verifier, embed: Embed) -> None:
        self._verifier = verifier
        self._embed = embed
        self._dataset: Dataset | None = None
        self._held: tuple[TraitTable, F32Array] | None = None

    def __call__(self, dataset: Dataset, query_rows: I64Array, candidate_rows: I64Array) -> F32Array:
        """Log odds f32[m] of the pairs."""
        return self._verifier.scores(self.evidence(dataset, query_rows, candidate_rows)).astype(np.float32)

    def evidence(self, dataset: Dataset, left: I64Array, right: I64Array) -> F32Array:
        """What the verifier reads of the pairs, f32[m, names]."""
        if self._dataset is not dataset or self._held is None:
            self._dataset, self._held = dataset, (self._verifier.table(traits_of(dataset)), self._embed(dataset))
        table, embeddings = self._held
        cosines = cosines_of(dataset.features, embeddings, left, right, self._verifier.cosines)
        return self._verifier.read(table, left, right, cosines)
