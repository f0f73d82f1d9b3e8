"""A model bundle on disk: `bundle.json`, whose fingerprint covers everything that changes a score.

A learned projection has its weights beside it in `projection.safetensors`; `bundle.json` holds their digest.
"""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from matcher.model.calibration import Calibration, Logistic, Piecewise
from matcher.model.kinds import Concatenation, Inputs, Linear, NumberScaling, Perceptron, Projection, Share
from matcher.model.network import Network
from matcher.model.promise import Promise, TrainingFacts
from matcher.model.weights import WEIGHTS_FILE, read_network, write_network
from matcher.verifier.facts import VerifierFacts
from matcher.verifier.model import VERIFIER_FILE, Verifier, read_verifier, write_verifier

__all__ = [
    "SCHEMA", "Bundle", "BundleUnusable", "Concatenation", "EncoderFacts", "Inputs", "Linear", "Logistic",
    "NumberScaling", "Perceptron", "Piecewise", "Projection", "Search", "Share", "Thresholds", "described",
    "find_bundle", "fingerprint_of", "load_bundle", "save_bundle",
]  # fmt: skip

SCHEMA = 2
FILE = "bundle.json"


class BundleUnusable(ValueError):
    """A bundle that cannot be used; the message says what was expected."""


class EncoderFacts(Struct, frozen=True, kw_only=True):
    """The encoder that the bundle's features come from. Dimensions as in `offer-features`."""

    model: str
    fingerprint: str
    image_dim: Annotated[int, Meta(ge=1, le=65_536)]
    text_dim: Annotated[int, Meta(ge=1, le=65_536)]


class Thresholds(Struct, frozen=True, kw_only=True):
    """Where the three outcomes part, as probabilities of the best candidate.

    From `accept` on it is a match (None: nothing is accepted automatically), from `review` on a person is asked. A
    match is ambiguous when a candidate of another product would be accepted too and is less than `margin` behind.
    """

    accept: Share | None
    review: Share
    margin: Share


class Search(Struct, frozen=True, kw_only=True):
    """`candidates`: how many nearest offers are looked at. `exclude_own_seller`: a seller lists a product once.

    `brand_blocks`: an offer with a brand is compared with compatible brands and the brandless alone.
    """

    candidates: Annotated[int, Meta(ge=3, le=1_000)] = 10
    exclude_own_seller: bool = True
    brand_blocks: bool = False


class Bundle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a matcher needs to decide. `match_rate`: the share of offers with a match that thresholds hold for.

    `trained` is False where nothing was learned and the thresholds promise nothing; `note` says so to people.
    `promise`: what the accept threshold was tested for, None where it was not tested. `pair_threshold`: the score from
    which a pair is called the same product where pairs are labelled; it decides nothing in the stream.

    `network` and `pair_verifier` are no part of `bundle.json`: what the files beside it hold, None where there is none.
    """

    schema: int = SCHEMA
    name: str
    trained: bool
    note: str
    encoder: EncoderFacts
    features_topic: str = "offer-features"
    projection: Projection
    verifier: VerifierFacts | None = None
    calibration: Calibration
    thresholds: Thresholds
    pair_threshold: float | None = None
    search: Search
    match_rate: Share
    promise: Promise | None = None
    training: TrainingFacts | None = None
    fingerprint: str = ""
    network: Network | None = None
    pair_verifier: Verifier | None = None

    @property
    def dim(self) -> int:
        """The length of an embedding."""
        if isinstance(self.projection, Concatenation):
            return self.encoder.image_dim + self.encoder.text_dim
        return self.projection.dim


def fingerprint_of(bundle: Bundle) -> str:
    """16 hex digits over all that changes a score or a decision; the name and the note do not.

    The weights of a learned projection and the verifier are covered by digests in `projection` and `verifier`.
    """
    parts = (
        bundle.schema, bundle.encoder, bundle.projection, bundle.verifier, bundle.calibration, bundle.thresholds,
        bundle.search,
    )  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]


def save_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """Writes the bundle with its fingerprint into `folder` (made if needed) and returns it so.

    ValueError when a learned projection comes without its weights, or with others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(bundle.projection, Concatenation):
        (folder / WEIGHTS_FILE).unlink(missing_ok=True)
    elif bundle.network is None:
        raise ValueError(f"expected the weights of the {type(bundle.projection).__name__} projection, got none")
    else:
        write_network(bundle.network, bundle.projection, folder)
    if bundle.pair_verifier is None:
        (folder / VERIFIER_FILE).unlink(missing_ok=True)
    else:
        write_verifier(bundle.pair_verifier, folder)
    facts = bundle.pair_verifier.facts if bundle.pair_verifier else None
    bundle = msgspec.structs.replace(bundle, verifier=facts)
    signed = msgspec.structs.replace(bundle, fingerprint=fingerprint_of(bundle))
    text = msgspec.json.format(msgspec.json.encode(described(signed)), indent=2)
    (folder / FILE).write_bytes(text + b"\n")
    return signed


def described(bundle: Bundle) -> Mapping[str, object]:
    """What stands in `bundle.json`: everything but the contents of the other files."""
    content: dict[str, object] = msgspec.to_builtins(msgspec.structs.replace(bundle, network=None, pair_verifier=None))
    del content["network"], content["pair_verifier"]
    return content


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
    try:
        return _with_files(bundle, folder)
    except ValueError as error:
        raise BundleUnusable(str(error)) from None


def _with_files(bundle: Bundle, folder: Path) -> Bundle:
    """With what lies in the files beside `bundle.json`."""
    network, verifier = None, None
    if not isinstance(bundle.projection, Concatenation):
        width = bundle.projection.inputs.width(bundle.encoder.image_dim, bundle.encoder.text_dim)
        network = read_network(bundle.projection, width, folder)
    if bundle.verifier is not None:
        verifier = read_verifier(bundle.verifier, folder)
    return msgspec.structs.replace(bundle, network=network, pair_verifier=verifier)


def find_bundle(name: str) -> Path:
    """The folder that `name` means: a path, or the name of a bundle that comes with offermatch."""
    if "/" not in name:
        shipped = Path(str(files("bundles") / name))
        if (shipped / FILE).is_file():
            return shipped
    return Path(name)


class _Schema(Struct):
    schema: int = 0
