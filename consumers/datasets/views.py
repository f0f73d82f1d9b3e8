"""The same tables with text vectors made from other fields of their offers, through the same cache."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from consumers.datasets.account import Account
from consumers.datasets.cache import Memory, Vectors
from consumers.datasets.micro import MicroBatches
from consumers.datasets.on_demand import EncoderChangedError, EncoderOnDemand
from consumers.datasets.problems import DatasetUnusable
from consumers.datasets.texts import text_features
from matcher.encoders import EncoderSpec
from matcher.events.offer import Offer
from matcher.training.dataset import Dataset


def title_alone(offer: Offer) -> Offer:
    """The offer as an encoder reads its title, without the brand."""
    return msgspec.structs.replace(offer, brand=None)


def with_description(offer: Offer) -> Offer:
    """The offer as an encoder reads brand, title and as much of the description as a text may have."""
    return msgspec.structs.replace(offer, title=" ".join(filter(None, (offer.title, offer.description))) or None)


def with_texts(
    datasets: Sequence[Dataset],
    view: Callable[[Offer], Offer],
    encoder_spec: EncoderSpec,
    cache: Path,
    *,
    batch_size: int,
    on_done: Callable[[str, int], None] = lambda name, done: None,
) -> list[Dataset]:
    """The datasets with the text vectors of `view`; all else stays. `on_done`: offers done so far of a dataset.

    What was encoded is kept in `cache` at once. Raises `EncoderUnavailable`, and `DatasetUnusable` where the encoder is
    not the one that made the datasets.
    """
    with closing(Memory(cache)) as memory:
        encoder = EncoderOnDemand(encoder_spec, memory)
        made = {dataset.encoder.fingerprint for dataset in datasets}
        if made != {encoder.facts.fingerprint}:
            raise DatasetUnusable(f"expected datasets of encoder {encoder.facts.fingerprint}, got {', '.join(made)}")
        micro = MicroBatches(encoder, batch_size)
        try:
            with closing(Vectors(cache, encoder.facts.fingerprint)) as vectors:
                return [_viewed(dataset, view, vectors, micro, on_done) for dataset in datasets]
        except EncoderChangedError:
            raise DatasetUnusable(
                f"expected the encoder that made the datasets, got {encoder.facts.fingerprint}: run it once more"
            ) from None


def _viewed(
    dataset: Dataset,
    view: Callable[[Offer], Offer],
    vectors: Vectors,
    micro: MicroBatches,
    on_done: Callable[[str, int], None],
) -> Dataset:
    text, has_text = text_features(
        [view(offer) for offer in dataset.offers],
        dataset.encoder.text_dim,
        vectors,
        micro,
        account=Account(),
        on_done=lambda done: on_done(dataset.name, done),
    )
    features = msgspec.structs.replace(dataset.features, text=text, has_text=has_text)
    return msgspec.structs.replace(dataset, features=features)
