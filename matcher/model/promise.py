"""What a bundle states about its automatic matches, and what it was trained on."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from matcher.model.kinds import Digest, Share

Count = Annotated[int, Meta(ge=0)]


class Promise(Struct, frozen=True, kw_only=True):
    """What the accept threshold holds for, and what it was tested on.

    With `confidence`, at least a share `target` of automatic matches is right, in a stream in which a share
    `match_rate` of the offers has a match among `index_size` known ones. `units`: independent decisions (one a sibling
    group) on products used for nothing else, of which `accepted` were accepted and `errors` were wrong;
    `precision_low`: the exact lower bound on their precision. `accept` None: the data cannot support the target,
    nothing is accepted automatically, and `why` says what is missing.
    """

    target: Share
    confidence: Share
    match_rate: Share
    index_size: Count
    accept: Share | None
    units: Count
    accepted: Count
    errors: Count
    precision_low: Share | None = None
    why: str = ""


class TableFacts(Struct, frozen=True, kw_only=True):
    """One offer table that a bundle was made from. `digest`: sha256 of its offers, products and labelled pairs.

    `use`: whether it was learned from, or only calibrated and certified on.
    """

    name: str
    use: str
    offers: Count
    products: Count
    digest: Digest


class TrainingFacts(Struct, frozen=True, kw_only=True):
    """Where a bundle comes from: the tables, the seed, and figures of the training by name. Changes no score."""

    tables: tuple[TableFacts, ...]
    seed: int
    metrics: Mapping[str, float]
