"""Learns the trees: scikit-learn's histogram gradient boosting, turned into plain arrays."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from matcher.arrays import AnyArray, BoolArray, F32Array, F64Array
from matcher.verifier.evidence import KIND_OF
from matcher.verifier.forest import Forest

_SLOPES = {"match": 1, "difference": -1, "neither": 0}


class BoostingOptions(Struct, frozen=True, kw_only=True):
    """How the trees are grown; the defaults are what did best on products that were not trained on.

    `monotone`: evidence that favours a match can never lower the score, as `Kind.more_favours` says. `columns`: the
    share of the evidence that each question may choose from.
    """

    trees: Annotated[int, Meta(ge=1, le=5_000)] = 150
    depth: Annotated[int, Meta(ge=1, le=16)] = 5
    leaves: Annotated[int, Meta(ge=2, le=256)] = 16
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 0.06
    pairs_in_leaf: Annotated[int, Meta(ge=1)] = 40
    shrinkage: Annotated[float, Meta(ge=0)] = 20.0
    columns: Annotated[float, Meta(gt=0, le=1)] = 0.5
    monotone: bool = True
    seed: int = 0
    threads: Annotated[int, Meta(ge=1)] = 1


def grow(evidence: F32Array, same: BoolArray, names: Sequence[str], options: BoostingOptions) -> Forest:
    """Learns from evidence f32[m, len(names)] of pairs and whether they are the same product.

    ValueError where all pairs are the same or none is, or where a piece of evidence is missing in all of them.
    """
    if not 0 < same.sum() < len(same):
        raise ValueError(f"expected pairs of the same and of different products, got {int(same.sum())} of {len(same)}")
    empty = [name for name, column in zip(names, evidence.T, strict=True) if np.isnan(column).all()]
    if empty:
        raise ValueError(f"expected evidence in some pair at least, got none for {', '.join(empty)}")
    learner = HistGradientBoostingClassifier(
        max_iter=options.trees,
        max_depth=options.depth,
        max_leaf_nodes=options.leaves,
        learning_rate=options.learning_rate,
        min_samples_leaf=min(options.pairs_in_leaf, max(1, len(same) // 10)),
        l2_regularization=options.shrinkage,
        max_features=options.columns,
        monotonic_cst=[_SLOPES[KIND_OF[name].more_favours] for name in names] if options.monotone else None,
        early_stopping=False,
        random_state=options.seed,
    )
    # Its threads wait for each other at every split: on busy machines they cost more than they bring.
    with threadpool_limits(options.threads):
        learner.fit(evidence, same)
    return _as_arrays(learner, len(names))


def _as_arrays(learner: HistGradientBoostingClassifier, width: int) -> Forest:
    """The trees of a fitted learner, one behind the other."""
    trees = [stage[0].nodes for stage in learner._predictors]
    starts = np.concatenate([[0], np.cumsum([len(nodes) for nodes in trees])])[:-1]
    leaf = np.concatenate([nodes["is_leaf"].astype(np.bool_) for nodes in trees])
    offset = np.repeat(starts, [len(nodes) for nodes in trees])

    def field(name: str) -> AnyArray:
        return np.concatenate([nodes[name] for nodes in trees])

    def child(side: str) -> AnyArray:
        return np.where(leaf, 0, field(side).astype(np.int64) + offset).astype(np.int32)

    left, right = child("left"), child("right")
    return Forest(
        width=width,
        base=float(np.ravel(learner._baseline_prediction)[0]),
        roots=starts.astype(np.int32),
        feature=np.where(leaf, -1, field("feature_idx").astype(np.int64)).astype(np.int32),
        # Infinity asks "is it missing?"; the largest number asks the same.
        threshold=np.where(leaf, 0.0, np.minimum(field("num_threshold"), np.finfo(np.float64).max)),
        left=left,
        right=right,
        missing_left=field("missing_go_to_left").astype(np.bool_) & ~leaf,
        value=_means(leaf, left, right, field("value").astype(np.float64), field("count").astype(np.float64)),
    )


def _means(leaf: BoolArray, left: AnyArray, right: AnyArray, value: F64Array, count: F64Array) -> F64Array:
    """Of inner nodes the mean of their leaves, by training pairs: the learner keeps only what leaves add."""
    means = value.copy()
    for node in np.flatnonzero(~leaf)[::-1]:
        one, other = left[node], right[node]
        means[node] = (count[one] * means[one] + count[other] * means[other]) / (count[one] + count[other])
    return means
