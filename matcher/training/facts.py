"""What a bundle says of its own making: the tables that went into it, and figures of products it did not see."""

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np

from matcher.evaluation import figures as fig
from matcher.evaluation.decisions import Answers, TopDecisions
from matcher.model.promise import TableFacts
from matcher.training.dataset import Dataset
from matcher.training.splits import product_labels


def table_facts(datasets: Sequence[Dataset], use: str) -> tuple[TableFacts, ...]:
    """The facts of each table that was put to some use."""
    return tuple(
        TableFacts(
            name=dataset.name,
            use=use,
            offers=len(dataset),
            products=len(np.unique(product_labels(dataset))),
            digest=_digest(dataset),
        )
        for dataset in datasets
    )


def out_of_fold_figures(answers: Sequence[Answers]) -> dict[str, float]:
    """AUCPR, R@1 and R@3 of top candidates by what was learned without them; empty where no query has a match."""
    top: TopDecisions | None = None
    for each in answers:
        top = each.top if top is None else top.followed_by(each.top)
    if top is None or not top.has_match.any():
        return {}
    named = {
        "aucpr": fig.aucpr(top),
        "recall_at_1": fig.recall_at(top, 1),
        "recall_at_3": fig.recall_at(top, 3),
    }
    values = {f"out_of_fold_{name}": figure.value() for name, figure in named.items()}
    return {name: round(value, 4) for name, value in values.items() if value is not None}


def _digest(dataset: Dataset) -> str:
    """sha256 of offers, products and labelled pairs."""
    digest = hashlib.sha256(msgspec.json.encode((dataset.offers, dataset.products)))
    for name, pairs in sorted(dataset.pairs.items()):
        digest.update(name.encode())
        for array in (pairs.left, pairs.right, pairs.same):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
