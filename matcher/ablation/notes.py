"""What a reader of an ablation has to know about a table, found in the table itself."""

from collections import defaultdict
from collections.abc import Sequence

from matcher.ablation.models import Projected, Raw, Row, Verified
from matcher.text import clean_text
from matcher.training.dataset import Dataset

#: From this share of equal titles on, titles name the product rather than describe it.
_GIVEN_AWAY = 0.5


def notes_on(dataset: Dataset, rows: Sequence[Row]) -> tuple[str, ...]:
    """Sentences to stand above the figures."""
    equal = equal_titles(dataset)
    if equal is None or equal < _GIVEN_AWAY:
        return ()
    said = (
        f"{100 * equal:.0f} % of the products that several sellers show carry one and the same title there: these "
        "sellers look like one shop shown several times (a simulation of sellers, not a market)"
    )
    if any(_reads_text(row) for row in rows):
        said += "; the title gives the answer away, so figures that use text say little: measure photos alone"
    return (f"{said}.",)


def equal_titles(dataset: Dataset) -> float | None:
    """Of the products with titles of several sellers, the share with one title only; None where there are none."""
    sellers: defaultdict[str, set[str | None]] = defaultdict(set)
    titles: defaultdict[str, set[str]] = defaultdict(set)
    for offer, product in zip(dataset.offers, dataset.products, strict=True):
        if product is not None and offer.seller_id is not None and offer.title:
            sellers[product].add(offer.seller_id)
            titles[product].add(clean_text(offer.title).casefold())
    several = [product for product, names in sellers.items() if len(names) > 1]
    return sum(len(titles[product]) == 1 for product in several) / len(several) if several else None


def _reads_text(row: Row) -> bool:
    if isinstance(row.model, Verified):
        return True
    if isinstance(row.model, Raw):
        return "text" in row.model.modalities
    assert isinstance(row.model, Projected)
    return "text" in row.model.projection.modalities
