"""The topics: which there are, with what partitions and clean-up; making them, and telling what is wrong with them.

Nothing here changes a topic that exists. A partition count is fixed for ever, because the version of an offer is a
place in a partition and a key must stay in its partition; and a clean-up policy changed in passing may delete data.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

ClientConfig = Mapping[str, str | int | float | bool]
"""librdkafka's settings, `bootstrap.servers` among them."""

MAKE_COMMAND = "offermatch topics create"
_DAY_MS = 24 * 60 * 60 * 1000
_POLL_SECONDS = 0.05


class TopicsUnusable(RuntimeError):
    """Topics are missing or wrong; the message has one line for each and says how to mend it."""


class KafkaUnreachable(ConnectionError):
    """No broker answered."""


@dataclass(frozen=True)
class TopicPlan:
    """Names, sizes and durability of all topics, as the settings give them.

    Attributes:
        offer_features: differs from bundle to bundle when encoders change.
        offers_partitions: the most encoders that can share the work.
        universes: matching universes (markets, categories) = partitions of every topic that a matcher reads or writes.
        replication: copies of each partition; None leaves it to the cluster (`default.replication.factor`).
        max_message_bytes: the largest record of any topic but dead-letters, whose limit is twice that. Producers have
            a limit of their own (`message.max.bytes`), which must be as high.
        tombstone_retention_ms: how long a reader of a compacted topic may be away and still see every deletion.
        work_retention_ms: how long work items and dead letters are kept.
    """

    offers: str = "offers"
    offer_features: str = "offer-features"
    matches: str = "matches"
    needs_review: str = "needs-review"
    verdicts: str = "verdicts"
    dead_letters: str = "dead-letters"
    offers_partitions: int = 12
    universes: int = 1
    replication: int | None = None
    max_message_bytes: int = 1_048_588  # Kafka's own default: 1 MiB and a batch header
    tombstone_retention_ms: int = 7 * _DAY_MS
    work_retention_ms: int = 30 * _DAY_MS


@dataclass(frozen=True)
class TopicSpec:
    """One topic as it should be. `replication` None: whatever the cluster's default is."""

    name: str
    partitions: int
    config: Mapping[str, str]
    replication: int | None = None


@dataclass(frozen=True)
class TopicOutcome:
    """What `create_topics` found or did for one topic; `problems` says what is wrong, in plain English."""

    name: str
    state: Literal["created", "right", "wrong"]
    problems: tuple[str, ...] = field(default=())


def topic_specs(plan: TopicPlan) -> list[TopicSpec]:
    """The table of topics. Raises ValueError for a plan that no cluster could carry out."""
    limit = {"max.message.bytes": str(plan.max_message_bytes)}
    if plan.replication is not None and plan.replication >= 3:
        limit["min.insync.replicas"] = "2"
    compact = limit | {"cleanup.policy": "compact", "delete.retention.ms": str(plan.tombstone_retention_ms)}
    work = limit | {"cleanup.policy": "delete", "retention.ms": str(plan.work_retention_ms)}
    kept = limit | {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    dead = work | {"max.message.bytes": str(2 * plan.max_message_bytes)}
    rows = [
        (plan.offers, plan.offers_partitions, compact),
        (plan.offer_features, plan.universes, compact),
        (plan.matches, plan.universes, compact),
        (plan.needs_review, plan.universes, work),
        (plan.verdicts, plan.universes, kept),
        (plan.dead_letters, 1, dead),
    ]
    if len({name for name, _, _ in rows}) < len(rows):
        raise ValueError(f"two topics have the same name: {', '.join(name for name, _, _ in rows)}")
    for name, partitions, _ in rows:
        if partitions < 1:
            raise ValueError(f"topic {name} needs at least one partition, not {partitions}")
    if plan.replication is not None and plan.replication < 1:
        raise ValueError(f"replication is the number of copies, at least 1, not {plan.replication}")
    return [TopicSpec(name, partitions, config, plan.replication) for name, partitions, config in rows]


def create_topics(client_config: ClientConfig, plan: TopicPlan, timeout: float = 30.0) -> list[TopicOutcome]:
    """Make the topics that are missing and look at those that are there, in the order of `topic_specs`.

    Returns when every topic made is known to the cluster with a leader for each partition. May be repeated, and may
    run in several processes at once. `timeout` in seconds, for the whole.

    Raises KafkaUnreachable; TopicsUnusable if a topic could not be made; ValueError for an impossible plan.
    """
    specs = topic_specs(plan)
    admin, where = _admin(client_config)
    deadline = time.monotonic() + timeout
    missing = [spec for spec in specs if spec.name not in _described(admin, where, specs, timeout)]
    made = {spec.name for spec in missing if _create(admin, spec, timeout)}
    while True:
        found = _described(admin, where, specs, timeout)
        if all(spec.name in found and found[spec.name].has_leaders for spec in missing):
            break
        if time.monotonic() > deadline:
            waiting = ", ".join(spec.name for spec in missing)
            raise TopicsUnusable(f"made {waiting}, but after {timeout:.0f} s not every partition has a leader")
        time.sleep(_POLL_SECONDS)
    outcomes = []
    for spec in specs:
        problems = found[spec.name].problems(spec)
        state: Literal["created", "right"] = "created" if spec.name in made else "right"
        outcomes.append(TopicOutcome(spec.name, "wrong" if problems else state, problems))
    return outcomes


def check_topics(client_config: ClientConfig, plan: TopicPlan, needed: Collection[str], timeout: float = 10.0) -> None:
    """Return if every topic in `needed` (names) is there and as planned.

    Raises TopicsUnusable with a line for each that is not; KafkaUnreachable; ValueError for a name that the plan does
    not have.
    """
    specs = {spec.name: spec for spec in topic_specs(plan)}
    if unknown := sorted(set(needed) - specs.keys()):
        raise ValueError(f"not topics of the plan: {', '.join(unknown)}; there are {', '.join(specs)}")
    wanted = [spec for name, spec in specs.items() if name in needed]
    found = _described(*_admin(client_config), wanted, timeout)
    lines = []
    for spec in wanted:
        if spec.name not in found:
            lines.append(f"topic {spec.name} is missing: run `{MAKE_COMMAND}`")
        elif problems := found[spec.name].problems(spec):
            lines.append(
                f"topic {spec.name} is not as planned: {'; '.join(problems)}. Mend it, or change the settings, "
                f"or give it another name and run `{MAKE_COMMAND}`"
            )
    if lines:
        raise TopicsUnusable("\n".join(lines))


def can_produce(bootstrap: str, brokers: int = 1, timeout: float = 5.0) -> bool:
    """Whether `brokers` brokers are up at `bootstrap` and a record can be written there durably.

    Asks for a transactional id: that creates Kafka's own transaction log if need be, elects its coordinator and writes
    one replicated record, which is all that producing needs and the first thing that every process of ours does. A
    probe topic would have to be made and deleted again, and be seen by whoever lists topics meanwhile.

    Returns False, and prints nothing, while the brokers are starting. `timeout` in seconds.
    """
    quiet: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "transactional.id": "offermatch-probe",
        "reconnect.backoff.max.ms": 200,
        "log_level": 0,
        "error_cb": lambda _error: None,
    }
    deadline = time.monotonic() + timeout
    try:
        producer = Producer(quiet)
        if len(producer.list_topics(timeout=timeout).brokers) < brokers:
            return False
        producer.init_transactions(max(0.1, deadline - time.monotonic()))
    except KafkaException:
        return False
    return True


@dataclass(frozen=True)
class _Found:
    """A topic as the cluster describes it."""

    partitions: int
    replication: int
    has_leaders: bool
    config: Mapping[str, str]

    def problems(self, spec: TopicSpec) -> tuple[str, ...]:
        problems = []
        if self.partitions != spec.partitions:
            problems.append(
                f"it has {self.partitions} partition(s), expected {spec.partitions} (the count is fixed for ever: "
                "the versions of an offer are compared by their place in a partition)"
            )
        if spec.replication is not None and self.replication < spec.replication:
            problems.append(f"it has {self.replication} replica(s), expected {spec.replication}")
        for key, expected in spec.config.items():
            value = self.config.get(key, "not set")
            # A list, such as "compact,delete", in any order.
            if sorted(value.split(",")) != sorted(expected.split(",")):
                problems.append(f"{key} is {value}, expected {expected}")
        return tuple(problems)


def _admin(client_config: ClientConfig) -> tuple[AdminClient, object]:
    complaints: list[str] = []
    config = {"log_level": 0, "error_cb": lambda error: complaints.append(error.str()), **client_config}
    return AdminClient(config), _Where(
        client_config.get("bootstrap.servers", "(no bootstrap.servers given)"), complaints
    )


@dataclass(frozen=True)
class _Where:
    """An address, and what librdkafka complained about it: a password that is wrong looks like silence otherwise."""

    bootstrap: object
    complaints: list[str]

    def __str__(self) -> str:
        said = [text for text in self.complaints if "brokers are down" not in text]
        return f"{self.bootstrap}" + (f" ({said[-1]})" if said else "")


def _create(admin: AdminClient, spec: TopicSpec, timeout: float) -> bool:
    replication = -1 if spec.replication is None else spec.replication
    topic = NewTopic(spec.name, spec.partitions, replication, config=dict(spec.config))
    try:
        admin.create_topics([topic], request_timeout=timeout)[spec.name].result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise TopicsUnusable(f"topic {spec.name} cannot be made: {error.args[0].str()}") from error
    return True


def _described(admin: AdminClient, where: object, specs: Collection[TopicSpec], timeout: float) -> dict[str, _Found]:
    try:
        listed = admin.list_topics(timeout=timeout).topics
        present = {
            spec.name: listed[spec.name] for spec in specs if spec.name in listed and not listed[spec.name].error
        }
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in present]
        answers = admin.describe_configs(resources, request_timeout=timeout) if resources else {}
        configs = {resource.name: future.result() for resource, future in answers.items()}
    except KafkaException as error:
        admin.poll(0)  # lets it complain
        raise KafkaUnreachable(f"Kafka at {where} gives no answer: {error.args[0].str()}") from error
    return {
        name: _Found(
            partitions=len(topic.partitions),
            replication=min((len(one.replicas) for one in topic.partitions.values()), default=0),
            has_leaders=all(one.leader >= 0 and not one.error for one in topic.partitions.values()),
            config={key: entry.value for key, entry in configs[name].items()},
        )
        for name, topic in present.items()
    }
