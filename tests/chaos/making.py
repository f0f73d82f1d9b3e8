"""A small, right history, as the pipeline would have written it: what planted faults are planted in."""

from collections.abc import Sequence

import msgspec
import numpy as np

from chaos.audit import Evidence, Names, StateCopy
from chaos.audit.decisions import table_of
from chaos.audit.evidence import Ends
from matcher.clock import SystemClock
from matcher.deciding.batch import decide_batch
from matcher.encoders.dummy import DummyEncoder
from matcher.encoding import RawFeatures
from matcher.events.dead_letter import Failure
from matcher.events.envelope import Outgoing, Record
from matcher.events.reading import Unreadable, read_offer
from matcher.metrics import Metrics
from matcher.model.bundle import load_bundle
from matcher.settings import Topics
from producers.dead_letters import dead_letter_record, put_back_record
from producers.decisions import decision_records
from producers.features import features_record, withdrawn_record
from tests.matcher.exact_memory import ExactMemory

TOPICS = Topics()
NAMES = Names(
    offers=TOPICS.offers,
    features=TOPICS.features,
    matches=TOPICS.matches,
    needs_review=TOPICS.needs_review,
    dead_letters=TOPICS.dead_letters,
)
BUNDLE = "untrained-dummy"


class Log:
    """One partition of a topic. Every few records a transaction ends, and its marker takes an offset."""

    def __init__(self, topic: str, *, markers: bool = True) -> None:
        self.topic = topic
        self.records: list[Record] = []
        self._markers = markers

    def append(self, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
        count = len(self.records)
        offset = count + (count // 3 if self._markers else 0)
        record = Record(topic=self.topic, partition=0, offset=offset, key=key, value=value, headers=headers)
        self.records.append(record)
        return record

    def take(self, outgoing: Sequence[Outgoing]) -> None:
        for one in outgoing:
            if one.topic == self.topic:
                self.append(one.key, one.value, one.headers)


def offered(name: str, title: str) -> tuple[bytes, bytes]:
    return name.encode(), msgspec.json.encode({"offer_id": name, "title": title})


def history() -> Evidence:
    """Offers that found products, match, ask a person, change, go, come again as they were, and rubbish."""
    offers, features = Log(NAMES.offers, markers=False), Log(NAMES.features)
    matches, review, dead = Log(NAMES.matches), Log(NAMES.needs_review), Log(NAMES.dead_letters)
    clock = SystemClock()
    first = offers.append(*offered("a", "a red summer dress for the beach"))
    for key, value in (
        offered("b", "a red summer dress for the beach"),
        offered("c", "hiking boots with laces, brown leather"),
        (b"bad", b"no JSON"),
        offered("a", "a blue winter coat made of wool"),
        offered("d", "hiking boots with laces, brown leathr"),
        (b"b", None),
        offered("e", "a blue winter coat made of wool"),
        offered("f", "hiking boots with laces, black leather"),
    ):
        offers.append(key, value)
    again = put_back_record(first)
    offers.append(again.key, again.value, again.headers)

    for record in offers.records:
        made = _encoded(record)
        features.take([made])
        dead.take([made])
    features.append(b"stranger", b"\x93\x01")

    bundle, memory, metrics = load_bundle(BUNDLE), ExactMemory(), Metrics()
    published: list[Outgoing] = []
    for start in range(0, len(features.records), 4):
        steps = decide_batch(features.records[start : start + 4], memory, bundle, metrics)
        published += decision_records(steps, partition=0, topics=TOPICS, clock=clock)
        memory.apply(steps)
    for log in (matches, review, dead):
        log.take(published)
    evidence = Evidence(
        names=NAMES,
        offers=offers.records,
        features=features.records,
        matches=matches.records,
        needs_review=review.records,
        dead_letters=dead.records,
        ends={(log.topic, 0): Ends(committed=99, written=99) for log in (offers, features, matches, review, dead)},
        encoder_offsets={0: offers.records[-1].offset + 1, 1: None},
        matcher_offsets={0: features.records[-1].offset + 1},
        states=(),
        accepted={NAMES.offers: len(offers.records), NAMES.features: 1},
        calm=[one for one in published if one.topic != NAMES.dead_letters],
    )
    live = {offer_id: known.vector.astype(np.float32).tobytes() for offer_id, known in memory.live.items()}
    state = StateCopy(
        name="matcher-0",
        problems=(),
        offers=table_of(evidence),
        live=live,
        applied={NAMES.features: features.records[-1].offset + 1},
    )
    return msgspec.structs.replace(evidence, states=(state,), calm_state=state)


def _encoded(record: Record) -> Outgoing:
    encoder = DummyEncoder()
    if record.value is None:
        return withdrawn_record(record, topic=NAMES.features)
    try:
        offer, repairs = read_offer(record.key, record.value)
    except Unreadable as error:
        failure = Failure(stage="encoder", reason=error.reason, message=str(error))
        return dead_letter_record(record, failure, topic=NAMES.dead_letters, now_ms=0)
    text = encoder.encode_texts([offer.title or ""])[0]
    raw = RawFeatures(image=None, text=text, image_count=0)
    return features_record(
        record, offer, raw, encoder=encoder.fingerprint, topic=NAMES.features, repairs=repairs, photo_failures=()
    )
