"""Trains a pair verifier: everything learned that its evidence rests on comes from other products than its pairs.

In fold f the IDF table and the embedding are learned from the other folds alone (folds hold whole sibling groups), and
pairs are drawn within the fold. A table that had seen a product would know its words, and the trees would learn to
trust a knowledge that is missing for every new product: pair F1 fell from 0.69 to 0.57 that way in a trial.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from matcher.arrays import BoolArray, F32Array, I64Array
from matcher.evaluation.blocking import brand_rule
from matcher.evaluation.retrieval import nearest
from matcher.evaluation.visibility import visibility_of
from matcher.training.dataset import Dataset
from matcher.training.splits import dataset_groups, folds_of, product_labels, unit_rows
from matcher.verifier.boosting import BoostingOptions, grow
from matcher.verifier.evidence import COSINES, KINDS, evidence
from matcher.verifier.idf import IdfTable, fit_idf
from matcher.verifier.model import Verifier
from matcher.verifier.scoring import Embed, cosines_of, traits_of
from matcher.verifier.table import trait_table
from matcher.verifier.words import distinct

#: Learns from datasets and returns what embeds any offers. It is never shown the offers that it is asked for.
FitEmbedding = Callable[[Sequence[Dataset]], Embed]
#: Called after each fold: (folds done, folds in all).
Progress = Callable[[int, int], None]


class VerifierOptions(Struct, frozen=True, kw_only=True):
    """How a verifier is trained.

    `candidates` of each offer become pairs. `cosines`: which of `COSINES` it may read. `groups`: the groups of evidence
    that it may read, None: all. `labelled`: labelled pairs of the datasets are learned from too. `exclude_own_seller`
    and `brand_blocks` as in `matcher.model.bundle.Search`: what is never searched need not be judged.
    """

    candidates: Annotated[int, Meta(ge=1, le=1_000)] = 15
    folds: Annotated[int, Meta(ge=2, le=50)] = 3
    cosines: tuple[str, ...] = ("embedding_cosine", "image_cosine", "text_cosine")
    groups: tuple[str, ...] | None = None
    labelled: bool = True
    exclude_own_seller: bool = True
    brand_blocks: bool = False
    boosting: BoostingOptions = BoostingOptions()
    seed: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The evidence that may be read."""
        left_out = {kind.name for kind in COSINES} - set(self.cosines)
        allowed = [kind for kind in KINDS if kind.name not in left_out]
        return tuple(kind.name for kind in allowed if self.groups is None or kind.group in self.groups)


class Learned(Struct, frozen=True):
    """What evidence rests on, learned from offers."""

    idf: IdfTable
    embed: Embed


class TrainingPairs(Struct, frozen=True, kw_only=True):
    """m pairs: evidence f32[m, names], whether they are the same product (bool[m]), and their fold (i64[m]).

    `learned`: for each fold what its evidence rests on, learned from the other folds.
    """

    names: tuple[str, ...]
    evidence: F32Array
    same: BoolArray
    fold: I64Array
    learned: tuple[Learned, ...]

    def telling(self) -> tuple[str, ...]:
        """The evidence that is there at all and not always the same."""
        return tuple(name for name, column in zip(self.names, self.evidence.T, strict=True) if _tells(column))


def fit_verifier(
    datasets: Sequence[Dataset],
    options: VerifierOptions,
    fit_embedding: FitEmbedding | None = None,
    on_progress: Progress = lambda done, of: None,
) -> Verifier:
    """Learns a verifier from all offers of the datasets. `fit_embedding` None: raw vectors, side by side.

    ValueError where there are too few products for the folds, or no pairs of the same and of different products.
    """
    pairs = training_pairs(datasets, options, fit_embedding, on_progress)
    known = pairs.telling()
    columns = [pairs.names.index(name) for name in known]
    forest = grow(pairs.evidence[:, columns], pairs.same, known, options.boosting)
    return Verifier(names=known, idf=learn_idf(datasets), forest=forest)


def training_pairs(
    datasets: Sequence[Dataset],
    options: VerifierOptions,
    fit_embedding: FitEmbedding | None = None,
    on_progress: Progress = lambda done, of: None,
) -> TrainingPairs:
    """The candidates of every offer (and labelled pairs), with out-of-fold evidence."""
    found, same, fold_of, learned_by_fold = [], [], [], []
    for fold, (others, held) in enumerate(out_of_fold(datasets, options.folds, options.seed)):
        learned = Learned(learn_idf(others), (fit_embedding or raw_embedding)(others))
        for dataset in held:
            left, right, truth = pairs_within(dataset, learned.embed(dataset), options)
            found.append(read_evidence(dataset, learned, left, right, options.names))
            same.append(truth)
            fold_of.append(np.full(len(left), fold, np.int64))
        learned_by_fold.append(learned)
        on_progress(fold + 1, options.folds)
    return TrainingPairs(
        names=options.names,
        evidence=np.concatenate(found),
        same=np.concatenate(same),
        fold=np.concatenate(fold_of),
        learned=tuple(learned_by_fold),
    )


def out_of_fold(
    datasets: Sequence[Dataset], k: int, seed: int
) -> Iterator[tuple[Sequence[Dataset], Sequence[Dataset]]]:
    """k times (what may be learned from, what is held out): sibling groups whole, every offer held out once."""
    if not datasets:
        raise ValueError("expected at least one dataset")
    placed = [_placed(dataset, k, seed) for dataset in datasets]
    for fold in range(k):
        yield (
            [dataset.take(np.flatnonzero(place != fold)) for dataset, place in zip(datasets, placed, strict=True)],
            [dataset.take(np.flatnonzero(place == fold)) for dataset, place in zip(datasets, placed, strict=True)],
        )


def _placed(dataset: Dataset, k: int, seed: int) -> I64Array:
    groups = dataset_groups(dataset, product_labels(dataset))
    found = len(np.unique(groups))
    if found < k:
        raise ValueError(f"{dataset.name}: expected at least {k} groups of sibling products (one a fold), got {found}")
    return folds_of(groups, k, seed)


def learn_idf(datasets: Sequence[Dataset]) -> IdfTable:
    """Counts words, word pairs, word beginnings and runs of letters over the offers."""
    return fit_idf(
        distinct(np.concatenate([one.bag("told"), one.bag("grams"), one.bag("stems")]))
        for dataset in datasets
        for one in traits_of(dataset)
    )


def raw_embedding(datasets: Sequence[Dataset]) -> Embed:
    """Nothing learned: image and text of unit length side by side."""

    def embed(dataset: Dataset) -> F32Array:
        return unit_rows(np.concatenate([unit_rows(dataset.features.image), unit_rows(dataset.features.text)], axis=1))

    return embed


def pairs_within(
    dataset: Dataset, embeddings: F32Array, options: VerifierOptions
) -> tuple[I64Array, I64Array, BoolArray]:
    """Left and right rows i64[m] and whether they are the same product bool[m]; each pair once.

    The nearest candidates of every offer of known product, and labelled pairs. Where nothing but labelled pairs says
    what is the same, they are all there is: two offers that no pair names may be one product.
    """
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    same = [np.empty(0, np.bool_)]
    products = product_labels(dataset)
    known = np.array([product is not None for product in dataset.products], np.bool_)
    if known.any():
        visible = visibility_of(
            dataset,
            exclude_own_seller=options.exclude_own_seller,
            stream=False,
            allowed=brand_rule(dataset.offers) if options.brand_blocks else None,
        )
        found = nearest(embeddings, np.flatnonzero(known), options.candidates, visible)
        queries = np.repeat(found.queries, found.rows.shape[1])
        rows = found.rows.ravel()
        kept = (rows >= 0) & known[rows]
        left.append(queries[kept])
        right.append(rows[kept])
        same.append(products[queries[kept]] == products[rows[kept]])
    for pairs in dataset.pairs.values() if options.labelled else ():
        left.append(pairs.left)
        right.append(pairs.right)
        same.append(pairs.same)
    one, other, truth = np.concatenate(left), np.concatenate(right), np.concatenate(same)
    keys = np.minimum(one, other) * len(dataset) + np.maximum(one, other)
    # Labelled pairs come last; where they contradict the table, product ids stand.
    _, first = np.unique(keys, return_index=True)
    return one[first], other[first], truth[first]


def read_evidence(
    dataset: Dataset, learned: Learned, left: I64Array, right: I64Array, names: Sequence[str]
) -> F32Array:
    """f32[m, names] for pairs of rows of a dataset."""
    cosines = tuple(kind.name for kind in COSINES if kind.name in names)
    brought = cosines_of(dataset.features, learned.embed(dataset), left, right, cosines)
    return evidence(trait_table(traits_of(dataset), learned.idf), left, right, brought, names)


def _tells(column: F32Array) -> bool:
    """Whether the evidence is there at all and not always the same."""
    present = column[~np.isnan(column)]
    return bool(len(present) and (present != present[0]).any())
