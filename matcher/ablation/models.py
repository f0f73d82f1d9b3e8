"""What one row of an ablation trains, as data: its content names the results that are kept."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from matcher.training.options import ProjectionOptions
from matcher.verifier.training import VerifierOptions

#: Which fields of an offer its text vector was made from.
TextView = Literal["brand_title", "title", "brand_title_description"]
Judge = Literal["trees", "logistic"]

#: Seeds of one repetition and of the next never meet.
_SEEDS_APART = 1_000


class Raw(Struct, frozen=True, kw_only=True, tag="raw"):
    """Nothing learned: the vectors of these modalities side by side, each of unit length."""

    modalities: tuple[Literal["image", "text"], ...]


class Projected(Struct, frozen=True, kw_only=True, tag="projected"):
    """A projection, scored by the inner product."""

    projection: ProjectionOptions


class Verified(Struct, frozen=True, kw_only=True, tag="verified"):
    """The candidates of an embedding, judged by evidence of the pairs: boosted trees, or a logistic regression."""

    embedding: Raw | Projected
    verifier: VerifierOptions
    judge: Judge = "trees"


Model = Raw | Projected | Verified


class Row(Struct, frozen=True, kw_only=True):
    """One idea. `against`: the name of the row that it is compared with, None for the base itself.

    `text`: what the text vectors are made from. `price`: whether the price in the numbers is known.
    """

    section: str
    name: str
    model: Model
    against: str | None
    text: TextView = "brand_title"
    price: bool = True

    @property
    def label(self) -> str:
        """What patterns are looked for in."""
        return f"{self.section}: {self.name}"


def repeated(model: Model, repetition: int) -> Model:
    """The same model with the seeds of a repetition; the first (0) has its own."""
    if isinstance(model, Raw):
        return model
    if isinstance(model, Projected):
        seeds = tuple(seed + _SEEDS_APART * repetition for seed in model.projection.seeds)
        return replace(model, projection=replace(model.projection, seeds=seeds))
    boosting = replace(model.verifier.boosting, seed=model.verifier.boosting.seed + _SEEDS_APART * repetition)
    verifier = replace(model.verifier, seed=model.verifier.seed + _SEEDS_APART * repetition, boosting=boosting)
    embedding = repeated(model.embedding, repetition)
    assert not isinstance(embedding, Verified)
    return replace(model, embedding=embedding, verifier=verifier)
