"""One run: a Kafka of its own, the processes, the sellers, the faults; then calm, and the audit."""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import msgspec
from msgspec import Struct

from broker.cluster import KafkaCluster
from chaos.audit import Audit, audit
from chaos.brokers import Brokers
from chaos.collect import EXACT, evidence
from chaos.conduct import Conductor
from chaos.crew import Crew, crew, environment
from chaos.errors import PATIENCE, ChaosFailedError
from chaos.faults import Fault, Kind, schedule
from chaos.feeding import Feeder
from chaos.photos import photo_host
from chaos.processes import Member, wait_for
from chaos.progress import Progress
from chaos.result import Result, nothing_audited, seconds_of
from chaos.settling import await_sent, end, settle
from chaos.stream import stream
from matcher.model.bundle import load_bundle
from matcher.settings import Settings, load_settings
from producers.topic_plan import create
from producers.topics import can_produce

log = logging.getLogger(__name__)

#: Seconds; short, so that a frozen process is thrown out soon. Kafka's own defaults are 45 and 60.
SESSION = 3.0
TRANSACTION = 4.0
#: So many fewer different offers than an exact index compares, by default.
SPARE_IDS = 192


class Options(Struct, frozen=True, kw_only=True):
    """A run. `offers`: events at least, fewer if time is up. `kinds`: see
    `chaos.faults.schedule`.

    `ids`: how many different offers they are about; 0: a third, not more than an exact index compares. `minutes`: no
    fault strikes later than that. `out`: the run's folder is made in there. `keep`: Kafka's data, also when all went
    well.
    """

    seed: int
    kills: int
    offers: int
    nodes: int
    minutes: float
    out: Path
    matchers: int = 2
    ids: int = 0
    kinds: tuple[Kind, ...] = ()
    keep: bool = False


def run_chaos(options: Options) -> Result:
    """Runs, audits, and returns what was found; the folder keeps logs, and after a failure Kafka's data too.

    Raises what starting Kafka raises at the beginning; everything that the run itself meets is in the result.
    """
    name = f"chaos-{options.seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder = (options.out / name).absolute()
    folder.mkdir(parents=True)
    begun = time.monotonic()
    faults = schedule(
        options.seed, kills=options.kills, offers=options.offers, nodes=options.nodes, kinds=options.kinds
    )
    (folder / "schedule.json").write_bytes(msgspec.json.format(msgspec.json.encode(faults)))
    with ExitStack() as stack:
        cluster = stack.enter_context(KafkaCluster(folder / "kafka", nodes=options.nodes))
        cluster.start(lambda bootstrap: can_produce(bootstrap, brokers=options.nodes))
        environ = environment(cluster.bootstrap, name, folder, SESSION, TRANSACTION)
        settings = _settings(environ)
        create(settings, wait=30.0)
        photos = stack.enter_context(photo_host(options.seed, slowest=settings.photos.timeout * 1.5))
        members = stack.enter_context(crew(environ, settings, folder, options.matchers))
        progress = stack.enter_context(Progress(settings))
        conductor = Conductor(members, Brokers(cluster, settings.kafka, PATIENCE), photos, progress, SESSION)
        ids = options.ids or max(20, min(options.offers // 3, EXACT - SPARE_IDS))
        events = stream(options.seed, ids, photos.url)
        feeder = Feeder(settings, events, lambda: progress.endings)
        struck, error = 0, ""
        try:
            struck = _reign(options, faults, members, conductor, feeder, begun)
            photos.mood = "good"
            settle(settings, members, feeder, progress, options.offers if struck == len(faults) else feeder.sent)
            last = end(settings, members)
        except Exception as failure:  # whatever ends a run early is told in its result
            error = f"{type(failure).__name__}: {failure}"
            log.exception("the run ended early")
            feeder.finish(0)
            for member in members.members:
                member.end()
            last = None
        found = _audit(settings, folder, members, feeder, last)
        result = _result(options, settings, folder, faults, struck, members, conductor, found, begun, error)
    _write(folder, result, found)
    if result.ok and not options.keep:
        shutil.rmtree(folder / "kafka")
    return result


def _settings(environ: Mapping[str, str]) -> Settings:
    settings = load_settings(environ={key: value for key, value in environ.items() if key.startswith("OFFERMATCH_")})
    features = settings.topics.prefix + load_bundle(settings.matcher.bundle).features_topic
    return msgspec.structs.replace(settings, topics=msgspec.structs.replace(settings.topics, features=features))


def _reign(  # noqa: PLR0917
    options: Options, faults: Sequence[Fault], members: Crew, conductor: Conductor, feeder: Feeder, begun: float
) -> int:
    """All faults, as long as there is time; returns how many."""
    for member in chain([members.encoder], members.matchers):
        member.start()
    if not wait_for(lambda: members.encoder.ready() and members.active() is not None, PATIENCE):
        raise ChaosFailedError("encoder and matcher did not become ready")
    feeder.start()
    deadline = begun + 60 * options.minutes
    for number, fault in enumerate(faults):
        feeder.allow(fault.at)
        await_sent(feeder, fault.at, members)
        if time.monotonic() > deadline:
            return number
        conductor.strike(fault)
    return len(faults)


def _audit(settings: Settings, folder: Path, members: Crew, feeder: Feeder, active: Member | None) -> Audit:
    """After a run that failed only the topics are looked at: the states are somewhere on their way."""
    states = {one.name: one.state for one in members.matchers if one.state is not None} if active else {}
    try:
        return audit(evidence(settings, folder, states, feeder.accepted if active else {}, feeder.unsure))
    except Exception:
        log.exception("no audit was possible")
        return nothing_audited()


def _result(  # noqa: PLR0917 - everything there is to tell
    options: Options,
    settings: Settings,
    folder: Path,
    faults: Sequence[Fault],
    struck: int,
    members: Crew,
    conductor: Conductor,
    found: Audit,
    begun: float,
    error: str,
) -> Result:
    p50, longest = seconds_of(conductor.takeovers)
    return Result(
        ok=found.ok and not error and found.versions > 0,
        kills=sum(conductor.kills.values()),
        offers=found.versions,
        lost=found.lost,
        repeated=found.repeated,
        takeover_p50=p50,
        takeover_max=longest,
        takeovers=len(conductor.takeovers),
        frozen_takeover_max=seconds_of(conductor.frozen_takeovers)[1],
        session_timeout=settings.kafka.session_timeout,
        seed=options.seed,
        nodes=options.nodes,
        faults=struck,
        faults_planned=len(faults),
        killed=conductor.kills,
        struck=conductor.struck,
        missed=conductor.missed,
        decided=found.decided,
        gone=found.gone,
        dead_letters=found.dead_letters,
        superseded=found.superseded,
        again=found.again,
        compared_with_calm=found.compared_with_calm,
        breaches=found.counts,
        exits=[ended for member in members.members for ended in member.exits],
        seconds=round(time.monotonic() - begun, 1),
        folder=str(folder),
        error=error,
    )


def _write(folder: Path, result: Result, found: Audit) -> None:
    (folder / "result.json").write_bytes(msgspec.json.format(msgspec.json.encode(result)))
    (folder / "findings.txt").write_text("".join(f"{finding}\n" for finding in found.findings))
