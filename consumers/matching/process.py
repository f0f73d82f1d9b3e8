"""The matcher process, wired: bundle, loop, the partitions that the group hands over and those that it follows."""

import gc
import logging
from pathlib import Path

import msgspec

from consumers.limit import DeadLetterLimitError, stay_visible
from consumers.loop import Loop
from consumers.matching.age import Ages
from consumers.matching.group_offsets import GroupOffsets
from consumers.matching.opening import Opener
from consumers.matching.partition import OwnedPartition
from consumers.matching.standby import Standby
from consumers.matching.standbys import Standbys
from consumers.matching.worker import MatchWorker
from consumers.status import Status, StatusServer
from consumers.stopping import Stopping
from index_store.cells.blas import one_thread
from matcher.clock import SystemClock
from matcher.expiry import Expiry
from matcher.memory import Memory
from matcher.metrics import Metrics
from matcher.model.bundle import load_bundle
from matcher.settings import Settings
from matcher.weaviate_settings import weaviate_settings
from producers.topic_plan import check_patiently
from producers.transaction import Transactions

log = logging.getLogger(__name__)

#: New objects after which Python looks for those that refer to each other in a circle: about what a full batch makes.
BATCH_OF_OBJECTS = 50_000


def run_matcher(
    settings: Settings,
    stopping: Stopping,
    *,
    make_loop: type[Loop] = Loop,
    make_transactions: type[Transactions] | None = None,
) -> None:
    """Runs until `stopping`. Raises before it takes any work when topics, bundle or state do not fit.

    `make_…`: others than these guarantee nothing; a benchmark compares with them.
    """
    clock, metrics, own = SystemClock(), Metrics(), settings.matcher
    bundle = load_bundle(own.bundle)
    weaviate = weaviate_settings(settings.weaviate)
    topics = msgspec.structs.replace(settings.topics, features=settings.topics.prefix + bundle.features_topic)
    settings = msgspec.structs.replace(settings, topics=topics)
    conditions = ["assigned", "index_loaded", "index_answers", "standby_warm"]
    status = Status(metrics, clock, settings.process.stall, conditions)
    status.set("index_answers", True)
    metrics.model.info({"encoder": bundle.encoder.fingerprint, "bundle": bundle.fingerprint, "name": bundle.name})
    with StatusServer(status, settings.process.http_host, own.http_port) as server:
        log.info("metrics, livez and readyz on http://%s:%d", settings.process.http_host, server.port)
        log.info("bundle %s (%s): %s", bundle.name, bundle.fingerprint, bundle.note)
        needed = {topics.features, topics.matches, topics.needs_review, topics.verdicts, topics.dead_letters}
        if not check_patiently(settings, needed, lambda: bool(stopping), clock):
            return
        loop = make_loop(
            settings.kafka,
            own.group,
            topics.features,
            status=status,
            metrics=metrics,
            clock=clock,
            batch=own.batch_size,
        )

        ages = Ages(settings.kafka, topics.matches, topics.tombstone_retention, clock)

        def index_waiting(what: str) -> None:
            """A matcher that waits for the cluster is alive, and not ready."""
            status.set("index_answers", not what)
            metrics.index_away.set(bool(what))
            status.heartbeat()

        def open_memory(number: int) -> Memory:
            return Memory(
                Path(own.state_folder) / own.group,
                bundle,
                number,
                (topics.features, topics.matches),
                topics.universes,
                weaviate=weaviate,
                on_waiting=index_waiting,
                expiry=Expiry.of(own.expire_after),
                outdated=ages.why_outdated,
            )

        def take(number: int, memory: Memory) -> OwnedPartition:
            return OwnedPartition(
                number,
                settings=settings,
                bundle=bundle,
                memory=memory,
                group=loop,
                metrics=metrics,
                clock=clock,
                beside=weaviate is not None and settings.weaviate.overlap == "on",
                make_transactions=make_transactions,
            )

        def follow(number: int, memory: Memory) -> Standby:
            return Standby(settings.kafka, own.group, topics, number, memory=memory, bundle=bundle)

        standbys = Standbys(
            Opener(open_memory),
            follow,
            GroupOffsets(settings.kafka, own.group, topics.features, clock),
            partitions=topics.universes,
            most=own.standby,
            metrics=metrics,
        )
        worker = MatchWorker(
            take,
            standbys,
            ages,
            batch_size=own.batch_size,
            patience=settings.kafka.session_timeout,
            status=status,
            clock=clock,
        )
        _spare_collecting()
        try:
            # Its products are small, and threads that wait for the next one take time from Kafka and a cluster.
            with one_thread():
                loop.run(worker, lambda: bool(stopping), settings.process.drain)
        except DeadLetterLimitError as error:
            linger = settings.dead_letters.linger
            stay_visible(error, linger, lambda: bool(stopping), status=status, metrics=metrics, clock=clock)
            raise
        log.info("stopped")


def _spare_collecting() -> None:
    """What there is at the start stays, and what a batch makes goes with it, nearly all of it without a collector.

    Python looks through all objects again and again otherwise: an eighth of this process's time
    (docs/decisions/0032-searches-as-messages.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(BATCH_OF_OBJECTS)
