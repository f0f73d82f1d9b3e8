"""Reads everything that the auditor is given: topics, offsets, and the states that the matchers left on disk."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from chaos.audit import Evidence, Names, StateCopy
from chaos.audit.evidence import Ends
from consumers.positions import committed_offsets
from consumers.tail import ends, tail
from index_store.verify import verify
from matcher.clock import SystemClock
from matcher.deciding.batch import decide_batch
from matcher.events.envelope import Outgoing, Record, Seen
from matcher.events.place import Version
from matcher.memory import Memory
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle, load_bundle
from matcher.settings import Settings
from producers.decisions import decision_records

#: Offers up to which the index compares with every one, so that decisions do not depend on how it grew.
EXACT = 8_192
CALM_BATCH = 256


def finished(settings: Settings) -> bool:
    """Whether both groups are through with all that is on their input. Raises as `consumers.tail.tail`."""
    topics = settings.topics
    encoder = committed_offsets(settings.kafka, settings.encoder.group, topics.offers)
    if any((encoder.get(p) or 0) < end for p, end in ends(settings.kafka, topics.offers).items()):
        return False
    (decided,) = committed_offsets(settings.kafka, settings.matcher.group, topics.features).values()
    # Behind the last record there may be markers of transactions, which nobody commits.
    return next(tail(settings.kafka, topics.features, starts={0: decided or 0}), None) is None


def evidence(
    settings: Settings, folder: Path, states: Mapping[str, Path], accepted: Mapping[str, int], unsure: Mapping[str, int]
) -> Evidence:
    """Everything, once no process is left. `states`: name → state folder. Works in `folder`."""
    kafka, topics = settings.kafka, settings.topics
    names = Names(
        offers=topics.offers,
        features=topics.features,
        matches=topics.matches,
        needs_review=topics.needs_review,
        dead_letters=topics.dead_letters,
    )
    read = {name: list(tail(kafka, name)) for name in names.__struct_fields__ for name in (getattr(names, name),)}
    bounds: dict[tuple[str, int], Ends] = {}
    for topic in read:
        committed, written = ends(kafka, topic), ends(kafka, topic, committed=False)
        bounds |= {(topic, p): Ends(committed=committed[p], written=written[p]) for p in written}
    bundle = load_bundle(settings.matcher.bundle)
    held = {
        (record.key or b"").decode(errors="replace")
        for topic in (topics.matches, topics.features)
        for record in read[topic]
    }
    copies = [_copy(name, path / settings.matcher.group, bundle, settings, held) for name, path in states.items()]
    calm: list[Outgoing] | None = None
    calm_state = None
    if _most_live(read[topics.matches]) <= EXACT:
        calm = redecide(read[topics.features], folder / "calm", bundle, settings)
        calm_state = _copy("calm", folder / "calm", bundle, settings, held)
    return Evidence(
        names=names,
        offers=read[topics.offers],
        features=read[topics.features],
        matches=read[topics.matches],
        needs_review=read[topics.needs_review],
        dead_letters=read[topics.dead_letters],
        ends=bounds,
        encoder_offsets=committed_offsets(kafka, settings.encoder.group, topics.offers),
        matcher_offsets=committed_offsets(kafka, settings.matcher.group, topics.features),
        states=copies,
        accepted=accepted,
        unsure=unsure,
        supersedes=True,
        calm=calm,
        calm_state=calm_state,
    )


def redecide(features: Sequence[Record], folder: Path, bundle: Bundle, settings: Settings) -> list[Outgoing]:
    """What one matcher publishes that nothing ever happens to; its state is left in `folder`."""
    if folder.exists():
        shutil.rmtree(folder)
    published: list[Outgoing] = []
    metrics, clock, topics = Metrics(), SystemClock(), settings.topics
    with _memory(folder, bundle, settings) as memory:
        for start in range(0, len(features), CALM_BATCH):
            batch = features[start : start + CALM_BATCH]
            steps = decide_batch(batch, memory, bundle, metrics)
            published += decision_records(steps, partition=0, topics=topics, clock=clock)
            memory.apply_steps(steps, {(topics.features, 0): batch[-1].offset + 1})
    return [record for record in published if record.topic != topics.dead_letters]


def _copy(name: str, folder: Path, bundle: Bundle, settings: Settings, offer_ids: set[str]) -> StateCopy:
    with _memory(folder, bundle, settings) as memory:
        state, index = memory.stores()
        ledger = state.ledger(sorted(offer_ids))
        problems = list(verify(state, index).problems)
        if state.counts().offers != len(ledger):
            problems.append(f"{state.counts().offers} offers, but only {len(ledger)} are on the topics")
        live: dict[str, bytes] = {}
        for keys, vectors, *_ in state.live_vectors():
            rows = state.rows(keys)
            live |= {rows[key].offer_id: vector.tobytes() for key, vector in zip(keys.tolist(), vectors, strict=True)}
        return StateCopy(
            name=name,
            problems=tuple(problems),
            offers={offer_id: (Version(*row.version), row.product_id) for offer_id, row in ledger.items()},
            live=live,
            applied={topic: offset for (topic, _), offset in state.positions().items()},
        )


@contextmanager
def _memory(folder: Path, bundle: Bundle, settings: Settings) -> Iterator[Memory]:
    topics = settings.topics
    with closing(Memory(folder, bundle, 0, (topics.features, topics.matches), topics.universes)) as memory:
        yield memory


def _most_live(matches: Sequence[Record]) -> int:
    """How many offers were live at once at most."""
    live: set[bytes | None] = set()
    most = 0
    for record in matches:
        if Seen.of(record.headers).version is None or record.value is None:
            live.discard(record.key)
        else:
            live.add(record.key)
        most = max(most, len(live))
    return most
