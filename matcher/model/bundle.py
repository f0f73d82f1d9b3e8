"""A model bundle on disk: `bundle.json`, whose fingerprint covers everything that changes a score."""

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

SCHEMA = 1
FILE = "bundle.json"

Share = Annotated[float, Meta(ge=0, le=1)]


class BundleUnusable(ValueError):
    """A bundle that cannot be used; the message says what was expected."""


class EncoderFacts(Struct, frozen=True, kw_only=True):
    """The encoder that the bundle's features come from. Dimensions as in `offer-features`."""

    model: str
    fingerprint: str
    image_dim: Annotated[int, Meta(ge=1, le=65_536)]
    text_dim: Annotated[int, Meta(ge=1, le=65_536)]


class Concatenation(Struct, frozen=True, kw_only=True, tag="concatenation", tag_field="kind"):
    """No learning: each modality L2-normalised, weighted, put side by side, L2-normalised again."""

    image_weight: Share
    text_weight: Share


class Logistic(Struct, frozen=True, kw_only=True, tag="logistic", tag_field="kind"):
    """probability = 1 / (1 + exp(-(slope · score + intercept)))."""

    slope: Annotated[float, Meta(gt=0)]
    intercept: float


class Thresholds(Struct, frozen=True, kw_only=True):
    """Where the three outcomes part, as probabilities of the best candidate.

    From `accept` on it is a match, from `review` on a person is asked. A match is ambiguous when a candidate of another
    product would be accepted too and is less than `margin` behind.
    """

    accept: Share
    review: Share
    margin: Share


class Search(Struct, frozen=True, kw_only=True):
    """`candidates`: how many nearest offers are looked at. `exclude_own_seller`: a seller lists a product once."""

    candidates: Annotated[int, Meta(ge=3, le=1_000)] = 10
    exclude_own_seller: bool = True


class Bundle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a matcher needs to decide. `match_rate`: the share of offers with a match that thresholds hold for.

    `trained` is False where nothing was learned and the thresholds promise nothing; `note` says so to people.
    """

    schema: int = SCHEMA
    name: str
    trained: bool
    note: str
    encoder: EncoderFacts
    features_topic: str = "offer-features"
    projection: Concatenation
    calibration: Logistic
    thresholds: Thresholds
    search: Search
    match_rate: Share
    fingerprint: str = ""

    @property
    def dim(self) -> int:
        """The length of an embedding."""
        return self.encoder.image_dim + self.encoder.text_dim


def fingerprint_of(bundle: Bundle) -> str:
    """16 hex digits over all that changes a score or a decision; the name and the note do not."""
    parts = (
        bundle.schema, bundle.encoder, bundle.projection, bundle.calibration, bundle.thresholds, bundle.search,
    )  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]


def save_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """Writes the bundle with its fingerprint into `folder` (made if needed) and returns it so."""
    signed = msgspec.structs.replace(bundle, fingerprint=fingerprint_of(bundle))
    folder.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(signed), indent=2)
    (folder / FILE).write_bytes(text + b"\n")
    return signed


def load_bundle(name: str) -> Bundle:
    """Reads a bundle folder, or one of the bundles that come with offermatch. Raises `BundleUnusable`."""
    folder = find_bundle(name)
    try:
        raw = (folder / FILE).read_bytes()
    except OSError as error:
        raise BundleUnusable(f"{folder}: expected a bundle folder with a readable {FILE} ({error.strerror})") from None
    try:
        schema = msgspec.json.decode(raw, type=_Schema).schema
        if schema != SCHEMA:
            raise BundleUnusable(f"{folder}: expected bundle schema {SCHEMA}, got {schema}: made by another offermatch")
        bundle = msgspec.json.decode(raw, type=Bundle)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleUnusable(f"{folder / FILE}: expected a bundle's JSON: {error}") from None
    if bundle.thresholds.review > bundle.thresholds.accept:
        raise BundleUnusable(f"{folder}: expected thresholds.review to be at most thresholds.accept")
    if bundle.projection.image_weight + bundle.projection.text_weight == 0:
        raise BundleUnusable(f"{folder}: expected image_weight or text_weight above 0")
    if bundle.fingerprint != fingerprint_of(bundle):
        raise BundleUnusable(
            f"{folder}: expected fingerprint {fingerprint_of(bundle)}, the file says {bundle.fingerprint!r}: "
            "it was edited or damaged"
        )
    return bundle


def find_bundle(name: str) -> Path:
    """The folder that `name` means: a path, or the name of a bundle that comes with offermatch."""
    if "/" not in name:
        shipped = Path(str(files("bundles") / name))
        if (shipped / FILE).is_file():
            return shipped
    return Path(name)


class _Schema(Struct):
    schema: int = 0
