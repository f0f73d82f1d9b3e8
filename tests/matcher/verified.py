"""A small verifier, trained in a second on offers made up here, and bundles that have it."""

from collections.abc import Sequence
from functools import cache

import msgspec
import numpy as np

from matcher.events.offer import Offer, Price
from matcher.model.bundle import Bundle, EncoderFacts, Linear, Logistic, Thresholds, fingerprint_of
from matcher.model.kinds import Inputs
from matcher.model.network import Layer, Network
from matcher.money import numbers_of
from matcher.training.dataset import Dataset, Features
from matcher.verifier.boosting import BoostingOptions
from matcher.verifier.evidence import COSINES
from matcher.verifier.model import Verifier
from matcher.verifier.training import VerifierOptions, fit_verifier
from tests.matcher.making import ENCODER

DIM = 4
KINDS = ("shirt", "shoe", "jacket", "boot", "lamp", "phone", "chair", "drill")
WORDS = ("classic", "with a collar", "in another light", "long", "red")


def made_up(products: int = 32, offers: int = 3, seed: int = 0) -> Dataset:
    """Offers of products whose titles name kind, model (100, 107, ...) and size; prices in two currencies or none."""
    random = np.random.default_rng(seed)
    n = products * offers
    centres = random.standard_normal((products, 2 * DIM)).repeat(offers, axis=0)
    rows = (centres + 0.4 * random.standard_normal(centres.shape)).astype(np.float16)
    has_image = random.random(n) < 0.8
    told = []
    for row in range(n):
        product = row // offers
        kind, number = KINDS[product % len(KINDS)], 100 + 7 * product
        title = f"Acme {kind} {number} {WORDS[random.integers(len(WORDS))]}" + f" {product % 5 + 1} GB" * (row % 2)
        price = Price(amount=20.0 + 9 * product, currency=["EUR", "USD"][row % 2]) if row % 3 else None
        told.append(Offer(offer_id=f"o{row}", title=title, brand="Acme" if row % 4 else None, price=price))
    return Dataset(
        name="made up",
        encoder=EncoderFacts(model="dummy", fingerprint=ENCODER, image_dim=DIM, text_dim=DIM),
        offers=told,
        features=Features(
            image=rows[:, :DIM] * has_image[:, None].astype(np.float16),
            has_image=has_image,
            text=rows[:, DIM:],
            has_text=np.ones(n, np.bool_),
            numbers=np.stack([numbers_of(offer) for offer in told]),
        ),
        products=[f"p{row // offers}" for row in range(n)],
        styles=[None] * n,
    )


@cache
def a_verifier(cosines: Sequence[str] = tuple(kind.name for kind in COSINES)) -> Verifier:
    """Reads these cosines, and whatever else tells something in the made-up offers."""
    boosting = BoostingOptions(trees=12, depth=3, pairs_in_leaf=5, learning_rate=0.3, shrinkage=1.0)
    return fit_verifier([made_up()], VerifierOptions(cosines=tuple(cosines), candidates=8, folds=2, boosting=boosting))


def with_verifier(bundle: Bundle, verifier: Verifier | None = None) -> Bundle:
    """The bundle with a verifier, its log odds as probabilities."""
    verifier = verifier or a_verifier()
    bundle = msgspec.structs.replace(
        bundle,
        pair_verifier=verifier,
        verifier=verifier.facts,
        calibration=Logistic(slope=1.0, intercept=0.0),
        thresholds=Thresholds(accept=0.7, review=0.2, margin=bundle.thresholds.margin),
    )
    return msgspec.structs.replace(bundle, fingerprint=fingerprint_of(bundle))


def learned(bundle: Bundle, dim: int = 6) -> Bundle:
    """The bundle with a linear projection, of random weights: embeddings in which modalities are mixed."""
    inputs = Inputs(image_weight=0.8, text_weight=0.6, numbers=None)
    random = np.random.default_rng(0)
    width = inputs.width(bundle.encoder.image_dim, bundle.encoder.text_dim)
    network = Network([Layer(random.standard_normal((dim, width)).astype(np.float32), np.zeros(dim, np.float32))])
    projection = Linear(dim=dim, inputs=inputs, weights=network.digest)
    bundle = msgspec.structs.replace(bundle, projection=projection, network=network)
    return msgspec.structs.replace(bundle, fingerprint=fingerprint_of(bundle))
