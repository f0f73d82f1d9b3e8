"""The report: from the topics of a real Kafka, and as people see it."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from rich.console import Console

from consumers.render import report_view
from consumers.report import collect
from consumers.tail import tail
from consumers.truth import read_truth
from matcher.clock import SystemClock
from matcher.evaluation import History, Report, Truth, compare
from matcher.events import Decision, Place, Version
from matcher.events.dead_letter import Failure, dead_letter
from matcher.events.envelope import Envelope
from matcher.settings import Kafka, Matcher, Settings, Topics
from producers.plain import Publisher
from producers.replay import replay
from producers.tables import TableUnusable, open_table
from producers.topics import TopicPlan

RELIED_ON = {
    "offers", "decided", "matched", "needs_review", "new_products", "dead_letters", "precision", "recall",
    "recall_with_review", "latency_p50", "latency_p99",
}  # fmt: skip

TABLE = """\
offer_id,seller_id,product_id,title
a1,s,a,Bag
a2,t,a,Bag
b1,s,b,Shoe
b2,s,b,Shoe
c1,t,c,Hat
,t,c,no id
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "offers.csv"
    path.write_text(TABLE)
    return path


def test_any_offer_table_with_products_is_a_truth(table: Path, tmp_path: Path) -> None:
    truth = read_truth(table)
    assert truth.products == {"a1": "a", "a2": "a", "b1": "b", "b2": "b", "c1": "c"}
    assert truth.sellers == {"a1": "s", "a2": "t", "b1": "s", "b2": "s", "c1": "t"}
    assert truth.skipped == 1
    assert read_truth(tmp_path) == truth


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("offer_id,title\na,b\n", "product_id"),
        ("offer_id,product_id\na,\n,p\n", "none of 2"),
        ("offer_id,product_id\na,p\nb,p\na,q\n", "line 4: expected one product of offer 'a', got 'q' after 'p'"),
    ],
)
def test_a_truth_that_is_none_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(content)
    with pytest.raises(TableUnusable, match=said):
        read_truth(path)


@pytest.mark.kafka
def test_a_run_is_compared_with_the_truth(
    kafka: str, topics: TopicPlan, table: Path, unique_name: Callable[[str], str]
) -> None:
    names = Topics(
        offers=topics.offers,
        features=topics.offer_features,
        matches=topics.matches,
        needs_review=topics.needs_review,
        verdicts=topics.verdicts,
        dead_letters=topics.dead_letters,
    )
    settings = Settings(kafka=Kafka(bootstrap=kafka), topics=names, matcher=Matcher(bundle="untrained-dummy"))
    clock = SystemClock()
    with Publisher(settings.kafka, clock) as publisher:
        summary = replay(
            open_table(table).offers(), publisher, lambda _: None, name="t", topic=names.offers, clock=clock
        )
    assert (summary.sent, summary.malformed_rows[0].line) == (5, 7)
    truth = read_truth(table)
    before = collect(settings=settings, truth=truth)
    assert (before.offers, before.decided, before.undecided, before.truth_not_decided) == (5, 0, 5, 5)

    # As if the encoder had turned the order round: b2 b1 a2 a1; c1 is refused.
    records = {(r.key or b"").decode(): r for r in tail(settings.kafka, names.offers)}
    writer = Producer({"bootstrap.servers": kafka, "transactional.id": unique_name("matcher")})
    writer.init_transactions(30)
    writer.begin_transaction()
    matched = {"a1": "a2", "a2": "b1", "b1": None, "b2": None}
    causes = {"b2": 0, "b1": 1, "a2": 2, "a1": 3}
    for offer_id, other in matched.items():
        record = records[offer_id]
        version, cause = Version(record.partition, record.offset), Place(names.features, 0, causes[offer_id])
        decision = Decision(
            offer_id=offer_id,
            outcome="matched" if other else "new_product",
            product_id="p",
            version=version,
            cause=cause,
            model="m",
            matched_offer_id=other,
        )
        now = clock.now_ms()
        envelope = Envelope(id="i", source="s", type="t", time_ms=now - 2_000, version=version, cause=cause)
        writer.produce(
            names.matches,
            msgspec.json.encode(decision),
            key=offer_id.encode(),
            partition=0,
            headers=list(envelope.headers()),
            timestamp=now,
        )
    refused = dead_letter(
        records["c1"],
        Failure(stage="encoder", reason="no_content", message="nothing"),
        topic=names.dead_letters,
        now_ms=clock.now_ms(),
    )
    writer.produce(refused.topic, refused.value, key=refused.key, headers=list(refused.headers))
    writer.commit_transaction(30)

    after = collect(settings=settings, truth=truth)
    assert (after.offers, after.decided, after.dead_letters, after.undecided) == (5, 4, 1, 0)
    assert (after.matched, after.new_products, after.needs_review) == (2, 2, 0)
    assert after.excludes_own_seller
    # a1 sees a2; b1 and b2 are of one seller; a2 is matched with the wrong offer.
    assert (after.queries_with_match, after.accepted, after.right) == (1, 2, 1)
    assert (after.precision, after.recall) == (0.5, 1.0)
    assert after.latency_p50 == pytest.approx(2.0)
    assert collect(settings=settings, truth=truth, exclude_own_seller=False).queries_with_match == 2
    assert msgspec.json.decode(msgspec.json.encode(after)).keys() >= RELIED_ON


def shown(report: Report) -> str:
    console = Console(width=100, no_color=True)
    with console.capture() as capture:
        console.print(report_view(report))
    return capture.get()


def test_people_see_every_figure_and_what_it_leaves_out() -> None:
    empty = compare(History(events=[], table={}), Truth(products={"a": "p"}), exclude_own_seller=True)
    text = shown(empty)
    assert "–" in text
    assert "1 offers of the truth have no decision" in text
    full = msgspec.structs.replace(
        empty, offers=1_234, matched=617, precision=0.875, recall=None, latency_p99=1.234, superseded=17, undecided=5
    )
    text = shown(full)
    for expected in ("1,234", "50.0 %", "87.5 %", "p99 1.23 s", "17 or more earlier versions", "undecided"):
        assert expected in text
