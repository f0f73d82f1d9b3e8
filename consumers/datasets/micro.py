"""Encoding what the cache does not have: micro-batches as in the encoder process, each kept as soon as it is done."""

import logging
from collections.abc import Sequence

from consumers.datasets.on_demand import EncoderOnDemand
from matcher.encoding import Encodable, RawFeatures, encode_offers
from matcher.events.dead_letter import Failure
from matcher.metrics import Metrics

log = logging.getLogger(__name__)


class MicroBatches:
    """Encodes a batch; when the device refuses it, each offer is tried alone, so that one does not fail the others."""

    def __init__(self, encoder: EncoderOnDemand, batch_size: int) -> None:
        self.encoder = encoder
        self.batch_size = batch_size
        self._metrics = Metrics()

    def encode(self, batch: Sequence[Encodable]) -> list[RawFeatures | None]:
        """One result an offer, in order; None where the encoder refuses it. Raises what the encoder raises when it
        refuses all of several: then it is not the offers' fault."""
        encoder = self.encoder.get()
        try:
            return [_given(result) for result in encode_offers(encoder, batch, self._metrics)]
        except Exception as error:  # whatever a model raises
            if len(batch) == 1:
                log.warning("offer %s cannot be encoded: %r", batch[0].offer.offer_id, error)
                return [None]
            results = [self.encode([one])[0] for one in batch]
            if all(result is None for result in results):
                raise
            return results


def _given(result: RawFeatures | Failure) -> RawFeatures | None:
    return None if isinstance(result, Failure) else result
