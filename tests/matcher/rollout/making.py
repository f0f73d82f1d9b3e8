"""A log of features, what a matcher published about it, and another bundle's rehearsal on it; all without Kafka."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from matcher.clock import SystemClock
from matcher.deciding.batch import decide_batch
from matcher.events.envelope import Record
from matcher.events.offer import Offer
from matcher.events.place import Version
from matcher.expiry import NEVER, Expiry
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle, Concatenation, Thresholds, fingerprint_of
from matcher.rollout import Published, Rollout, Shadow, compare
from matcher.settings import Topics
from producers.decisions import decision_records
from tests.matcher.exact_memory import ExactMemory
from tests.matcher.making import a_bundle, features_of, features_record_of

TOPICS = Topics()
FEATURES = TOPICS.features

SHIRT, COLLAR, JACKET, SHOE = (
    [1.0, 0.0, 0.0, 0.0],
    [0.95, 0.31, 0.0, 0.0],
    [0.7, 0.7, 0.0, 0.0],
    [0.0, 0.0, 1.0, 0.0],
)


def changed(bundle: Bundle, **fields: object) -> Bundle:
    """The bundle with other parts, signed anew."""
    other = msgspec.structs.replace(bundle, **fields)
    return msgspec.structs.replace(other, fingerprint=fingerprint_of(other))


CURRENT = a_bundle()
STRICT = changed(CURRENT, thresholds=Thresholds(accept=1.0, review=0.3, margin=0.05))
LOOSE = changed(CURRENT, thresholds=Thresholds(accept=0.0, review=0.0, margin=0.0))
BY_IMAGE = changed(CURRENT, projection=Concatenation(image_weight=1.0, text_weight=0.0))
BY_TEXT = changed(CURRENT, projection=Concatenation(image_weight=0.0, text_weight=1.0))


def seen(
    offer_id: str,
    offset: int,
    image: Sequence[float],
    text: Sequence[float] | None = None,
    *,
    version: int | None = None,
) -> Record:
    """The features of an offer whose version is `version`, or the same number as its offset."""
    offer = Offer(offer_id=offer_id, seller_id=f"seller of {offer_id}", title=f"title of {offer_id}")
    place = Version(0, offset if version is None else version)
    return features_record_of(features_of(offer, place, image, image if text is None else text), offset)


def publish(features: Sequence[Record], bundle: Bundle = CURRENT) -> list[Record]:
    """What a matcher with `bundle` writes to `matches`."""
    memory = ExactMemory()
    published = []
    for record in features:
        steps = decide_batch([record], memory, bundle, Metrics())
        memory.apply(steps)
        published += decision_records(steps, partition=0, topics=TOPICS, clock=SystemClock())
    ours = [record for record in published if record.topic == TOPICS.matches]
    return [
        Record(topic=r.topic, partition=0, offset=n, key=r.key, value=r.value, headers=r.headers)
        for n, r in enumerate(ours)
    ]


def rehearsed(
    features: Sequence[Record],
    matches: Sequence[Record],
    bundle: Bundle = CURRENT,
    *,
    examples: int = 3,
    batch_size: int = 4,
    expiry: Expiry = NEVER,
) -> Rollout:
    with (
        tempfile.TemporaryDirectory() as folder,
        Shadow(bundle, Path(folder), (FEATURES, TOPICS.matches), 1, batch_size, expiry=expiry) as shadow,
    ):
        for record in features:
            shadow.take(record)
        shadow.finish()
        published = Published(FEATURES, shadow.ends)
        for record in matches:
            published.take(record)
        return compare(published, shadow, bundle, features_topic=FEATURES, examples=examples)
