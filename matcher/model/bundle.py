"""A model bundle on disk: `bundle.json`, whose fingerprint covers everything that changes a score.

A learned projection has its weights beside it in `projection.safetensors`; `bundle.json` holds their digest.
"""

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from matcher.model.kinds import Concatenation, Inputs, Linear, NumberScaling, Perceptron, Projection, Share
from matcher.model.network import Network
from matcher.model.weights import WEIGHTS_FILE, read_network, write_network

__all__ = [
    "SCHEMA", "Bundle", "BundleUnusable", "Concatenation", "EncoderFacts", "Inputs", "Linear", "Logistic",
    "NumberScaling", "Perceptron", "Projection", "Search", "Share", "Thresholds", "find_bundle", "fingerprint_of",
    "load_bundle", "save_bundle",
]  # fmt: skip

SCHEMA = 1
FILE = "bundle.json"


class BundleUnusable(ValueError):
    """A bundle that cannot be used; the message says what was expected."""


class EncoderFacts(Struct, frozen=True, kw_only=True):
    """The encoder that the bundle's features come from. Dimensions as in `offer-features`."""

    model: str
    fingerprint: str
    image_dim: Annotated[int, Meta(ge=1, le=65_536)]
    text_dim: Annotated[int, Meta(ge=1, le=65_536)]


class Logistic(Struct, frozen=True, kw_only=True, tag="logistic", tag_field="kind"):
    """probability = 1 / (1 + exp(-(slope · score + intercept)))."""

    slope: Annotated[float, Meta(gt=0)]
    intercept: float


class Thresholds(Struct, frozen=True, kw_only=True):
    """Where the three outcomes part, as probabilities of the best candidate.

    From `accept` on it is a match (None: nothing is accepted automatically), from `review` on a person is asked. A
    match is ambiguous when a candidate of another product would be accepted too and is less than `margin` behind.
    """

    accept: Share | None
    review: Share
    margin: Share


class Search(Struct, frozen=True, kw_only=True):
    """`candidates`: how many nearest offers are looked at. `exclude_own_seller`: a seller lists a product once."""

    candidates: Annotated[int, Meta(ge=3, le=1_000)] = 10
    exclude_own_seller: bool = True


class Bundle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a matcher needs to decide. `match_rate`: the share of offers with a match that thresholds hold for.

    `trained` is False where nothing was learned and the thresholds promise nothing; `note` says so to people. `network`
    is no part of `bundle.json`: the weights of a learned projection, None where nothing was learned.
    """

    schema: int = SCHEMA
    name: str
    trained: bool
    note: str
    encoder: EncoderFacts
    features_topic: str = "offer-features"
    projection: Projection
    calibration: Logistic
    thresholds: Thresholds
    search: Search
    match_rate: Share
    fingerprint: str = ""
    network: Network | None = None

    @property
    def dim(self) -> int:
        """The length of an embedding."""
        if isinstance(self.projection, Concatenation):
            return self.encoder.image_dim + self.encoder.text_dim
        return self.projection.dim


def fingerprint_of(bundle: Bundle) -> str:
    """16 hex digits over all that changes a score or a decision; the name and the note do not.

    The weights of a learned projection are covered by the digest that `projection` holds.
    """
    parts = (
        bundle.schema, bundle.encoder, bundle.projection, bundle.calibration, bundle.thresholds, bundle.search,
    )  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]


def save_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """Writes the bundle with its fingerprint into `folder` (made if needed) and returns it so.

    ValueError when a learned projection comes without its weights, or with others.
    """
    signed = msgspec.structs.replace(bundle, fingerprint=fingerprint_of(bundle))
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(bundle.projection, Concatenation):
        (folder / WEIGHTS_FILE).unlink(missing_ok=True)
    elif bundle.network is None:
        raise ValueError(f"expected the weights of the {type(bundle.projection).__name__} projection, got none")
    else:
        write_network(bundle.network, bundle.projection, folder)
    content = msgspec.to_builtins(msgspec.structs.replace(signed, network=None))
    del content["network"]
    text = msgspec.json.format(msgspec.json.encode(content), indent=2)
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
    if bundle.thresholds.accept is not None and bundle.thresholds.review > bundle.thresholds.accept:
        raise BundleUnusable(f"{folder}: expected thresholds.review to be at most thresholds.accept")
    weights = bundle.projection if isinstance(bundle.projection, Concatenation) else bundle.projection.inputs
    if weights.image_weight + weights.text_weight == 0:
        raise BundleUnusable(f"{folder}: expected image_weight or text_weight above 0")
    if bundle.fingerprint != fingerprint_of(bundle):
        raise BundleUnusable(
            f"{folder}: expected fingerprint {fingerprint_of(bundle)}, the file says {bundle.fingerprint!r}: "
            "it was edited or damaged"
        )
    if isinstance(bundle.projection, Concatenation):
        return bundle
    width = bundle.projection.inputs.width(bundle.encoder.image_dim, bundle.encoder.text_dim)
    try:
        return msgspec.structs.replace(bundle, network=read_network(bundle.projection, width, folder))
    except ValueError as error:
        raise BundleUnusable(str(error)) from None


def find_bundle(name: str) -> Path:
    """The folder that `name` means: a path, or the name of a bundle that comes with offermatch."""
    if "/" not in name:
        shipped = Path(str(files("bundles") / name))
        if (shipped / FILE).is_file():
            return shipped
    return Path(name)


class _Schema(Struct):
    schema: int = 0
