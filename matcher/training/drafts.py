"""From datasets to a bundle that scores but promises nothing yet: projection and verifier, each fold kept apart."""

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
from msgspec import Struct

from matcher.arrays import F32Array, F64Array
from matcher.evaluation.blocking import brand_rule
from matcher.evaluation.decisions import Answers, Scorer, ask
from matcher.evaluation.visibility import visibility_of
from matcher.model.bundle import Bundle, Logistic, Search, Thresholds
from matcher.model.projection import project_arrays
from matcher.training.dataset import Dataset
from matcher.training.labelled import Unlearnable
from matcher.training.options import ProjectionOptions
from matcher.training.projection import Fitted, fit_projection
from matcher.verifier.boosting import grow
from matcher.verifier.idf import IdfTable
from matcher.verifier.model import Verifier
from matcher.verifier.scoring import Embed, VerifierScorer
from matcher.verifier.training import (
    Learned,
    TrainingPairs,
    VerifierOptions,
    learn_idf,
    out_of_fold,
    training_pairs,
)


class Doing(Struct, frozen=True):
    """What training is at: `done` of `of` steps of `what`."""

    what: str
    done: int
    of: int


Progress = Callable[[Doing], None]


class Held(Struct, frozen=True, kw_only=True):
    """Offers of one dataset that none of what scores them here was learned from. `scorer` None: by embedding alone."""

    dataset: Dataset
    embed: Embed
    scorer: Scorer | None

    def answers(self, search: Search) -> Answers:
        """Every offer asked against the others. ValueError where no offer has a product."""
        visible = visibility_of(
            self.dataset,
            exclude_own_seller=search.exclude_own_seller,
            stream=False,
            allowed=brand_rule(self.dataset.offers) if search.brand_blocks else None,
        )
        return ask(self.dataset, self.embed(self.dataset), visible, k=search.candidates, scorer=self.scorer)


class Draft(Struct, frozen=True, kw_only=True):
    """A bundle without calibration, how its projection came about, and what cross-fitting left behind.

    `folds`: for each fold its offers, scored by what was learned from the other folds. `pairs`: those that trained the
    verifier, and `pair_scores` f64[m]: each scored by trees that did not see its fold; None without a verifier.
    """

    bundle: Bundle
    fitted: Fitted
    folds: tuple[tuple[Held, ...], ...]
    pairs: TrainingPairs | None
    pair_scores: F64Array | None


def draft(
    datasets: Sequence[Dataset],
    name: str,
    *,
    projection: ProjectionOptions,
    verifier: VerifierOptions | None,
    search: Search,
    match_rate: float,
    folds: int,
    seed: int,
    on_progress: Progress = lambda _: None,
) -> Draft:
    """Learns the projection and the verifier from all offers, and both again without each fold.

    Raises `Unlearnable` where the datasets hold too little.
    """

    def fit(some: Sequence[Dataset], what: str) -> tuple[Fitted, Bundle]:
        fitted = fit_projection(some, projection, lambda at: on_progress(Doing(what, at.step, at.steps)))
        return fitted, _unverified(some, name, fitted, search, match_rate)

    fitted, bundle = fit(datasets, "projection")
    fold_names = iter(range(1, folds + 1))

    def fit_embedding(others: Sequence[Dataset]) -> Embed:
        return embedding_of(fit(others, f"projection without fold {next(fold_names)} of {folds}")[1])

    try:
        if verifier is None:
            held = _by_embedding(datasets, folds, seed, fit_embedding)
            return Draft(bundle=bundle, fitted=fitted, folds=tuple(held), pairs=None, pair_scores=None)
        options = msgspec.structs.replace(
            verifier,
            folds=folds,
            seed=seed,
            exclude_own_seller=search.exclude_own_seller,
            brand_blocks=search.brand_blocks,
        )
        pairs = training_pairs(
            datasets, options, fit_embedding, lambda done, of: on_progress(Doing("evidence of pairs", done, of))
        )
        trees = _Trees(pairs, options)
        whole = trees.verifier(learn_idf(datasets), without=None)
        apart = [trees.verifier(learned.idf, without=fold) for fold, learned in enumerate(pairs.learned)]
    except ValueError as error:
        raise Unlearnable(str(error)) from None
    return Draft(
        bundle=msgspec.structs.replace(bundle, pair_verifier=whole, verifier=whole.facts),
        fitted=fitted,
        folds=tuple(_by_verifier(datasets, options, pairs.learned, apart)),
        pairs=pairs,
        pair_scores=trees.scores(apart),
    )


def embedding_of(bundle: Bundle) -> Embed:
    """The embeddings that a bundle gives; those of the last dataset are kept."""
    kept: list[tuple[Dataset, F32Array]] = []

    def embed(dataset: Dataset) -> F32Array:
        if not kept or kept[0][0] is not dataset:
            kept[:] = [(dataset, project_arrays(dataset.features, bundle))]
        return kept[0][1]

    return embed


def scorer_of(bundle: Bundle) -> Scorer | None:
    """Scores pairs as a matcher with this bundle does; None where it has no verifier."""
    return None if bundle.pair_verifier is None else VerifierScorer(bundle.pair_verifier, embedding_of(bundle))


class _Trees:
    """Trees grown on training pairs, all of them or those of other folds. What tells nothing is left out for all."""

    def __init__(self, pairs: TrainingPairs, options: VerifierOptions) -> None:
        self._pairs = pairs
        self._options = options
        self._names = pairs.telling()
        self._evidence = pairs.evidence[:, [pairs.names.index(name) for name in self._names]]

    def verifier(self, idf: IdfTable, without: int | None) -> Verifier:
        kept = np.ones(len(self._evidence), np.bool_) if without is None else self._pairs.fold != without
        forest = grow(self._evidence[kept], self._pairs.same[kept], self._names, self._options.boosting)
        return Verifier(names=self._names, idf=idf, forest=forest)

    def scores(self, apart: Sequence[Verifier]) -> F64Array:
        """f64[m]: each pair by the trees that were grown without its fold."""
        scores = np.empty(len(self._evidence), np.float64)
        for fold, verifier in enumerate(apart):
            rows = self._pairs.fold == fold
            scores[rows] = verifier.scores(self._evidence[rows])
        return scores


def _by_embedding(
    datasets: Sequence[Dataset], folds: int, seed: int, fit: Callable[[Sequence[Dataset]], Embed]
) -> Iterator[tuple[Held, ...]]:
    for others, held in out_of_fold(datasets, folds, seed):
        embed = fit(others)
        yield tuple(Held(dataset=dataset, embed=embed, scorer=None) for dataset in held)


def _by_verifier(
    datasets: Sequence[Dataset], options: VerifierOptions, learned: Sequence[Learned], apart: Sequence[Verifier]
) -> Iterator[tuple[Held, ...]]:
    parts = out_of_fold(datasets, options.folds, options.seed)
    for (_, held), known, verifier in zip(parts, learned, apart, strict=True):
        scorer = VerifierScorer(verifier, known.embed)
        yield tuple(Held(dataset=dataset, embed=known.embed, scorer=scorer) for dataset in held)


def _unverified(datasets: Sequence[Dataset], name: str, fitted: Fitted, search: Search, match_rate: float) -> Bundle:
    return Bundle(
        name=name,
        trained=True,
        note="",
        encoder=datasets[0].encoder,
        projection=fitted.projection,
        calibration=Logistic(slope=1.0, intercept=0.0),
        thresholds=Thresholds(accept=None, review=0.0, margin=0.0),
        search=search,
        match_rate=match_rate,
        network=fitted.network,
    )
