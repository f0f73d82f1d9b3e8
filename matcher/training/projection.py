"""Trains the projection on cached raw features (paper, "Training"): arrays in, weights out.

The same data, options and seed give the same weights on the same machine and number of threads.
"""

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from matcher.model.kinds import Inputs, Linear, Perceptron
from matcher.model.network import Network
from matcher.training.blocks import Columns, scaling, training_rows
from matcher.training.dataset import Dataset
from matcher.training.labelled import Labelled, Unlearnable, labelled
from matcher.training.neighbourhoods import drawn_together
from matcher.training.options import ProjectionOptions
from matcher.training.run import Reached, Table, run
from matcher.training.sampler import has_partner
from matcher.training.start import averaged

__all__ = ["Fitted", "Reached", "Unlearnable", "fit_labelled", "fit_projection"]


class Fitted(Struct, frozen=True, kw_only=True):
    """A trained projection for a bundle, its weights, and how it came about.

    `offers` and `products`: learned from, after lone negatives were removed. `looks`: every look at the validation.
    """

    projection: Linear | Perceptron
    network: Network
    offers: int
    products: int
    steps: int
    temperature: float
    looks: tuple[Reached, ...]


def fit_projection(
    datasets: Sequence[Dataset], options: ProjectionOptions, on_progress: Callable[[Reached], None] = lambda _: None
) -> Fitted:
    """Learns from every offer of the datasets. Raises `Unlearnable` where there is nothing to learn from."""
    return fit_labelled(labelled(datasets), options, on_progress)


def fit_labelled(
    data: Labelled, options: ProjectionOptions, on_progress: Callable[[Reached], None] = lambda _: None
) -> Fitted:
    """As `fit_projection`, for datasets that were put together already."""
    data = learnable(data, options)
    inputs = scaling(data.features, options)
    if not inputs.image_weight and not inputs.text_weight:
        raise Unlearnable(f"expected offers with one of {list(options.modalities)}, got none")
    rows = training_rows(data.features, inputs, learn_missing=options.missing == "learned")
    columns = Columns(inputs, data.features.image.shape[1], data.features.text.shape[1])
    groups = drawn_together(data, options.drawn_by)
    table = Table(rows, data, columns, groups, options)
    runs = [run(table, options, seed, on_progress) for seed in options.seeds]
    layers = runs[0].layers if len(runs) == 1 else (averaged([one.layers[0] for one in runs], options.dim),)
    network = Network(layers)
    return Fitted(
        projection=_projection(options, inputs, network),
        network=network,
        offers=len(data),
        products=len(np.unique(data.products)),
        steps=sum(one.steps for one in runs),
        temperature=float(np.mean([one.temperature for one in runs])),
        looks=tuple(look for one in runs for look in one.looks),
    )


def learnable(data: Labelled, options: ProjectionOptions) -> Labelled:
    """The offers to learn from. Raises `Unlearnable` unless there are two products, one of them with two offers."""
    sellers = None if options.same_seller == "keep" else data.sellers
    partnered = has_partner(data.products, sellers)
    kept = data if options.lone_negatives else data.take(np.flatnonzero(partnered))
    if not partnered.any() or len(np.unique(kept.products)) < 2:
        others = "" if sellers is None else " of another seller"
        raise Unlearnable(
            f"expected at least two products that have two offers{others} each, got "
            f"{len(np.unique(data.products[partnered]))} (of {len(np.unique(data.products))} products)"
        )
    return kept


def _projection(options: ProjectionOptions, inputs: Inputs, network: Network) -> Linear | Perceptron:
    if options.kind == "linear":
        return Linear(dim=options.dim, inputs=inputs, weights=network.digest)
    return Perceptron(dim=options.dim, hidden=options.hidden, inputs=inputs, weights=network.digest)
