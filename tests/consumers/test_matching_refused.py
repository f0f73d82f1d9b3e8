"""A decision that Kafka refuses, in the matcher: a dead letter in its place, and all else as if it had not come."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from matcher.events.dead_letter import read_dead_letter
from matcher.events.envelope import Outgoing
from producers.refusal import RefusedError, UnpublishableError
from producers.transaction import Partition
from tests.consumers.test_matching_overlap import BATCH, TOPICS, FakeKafka, a_log, a_process
from tests.matcher.making import a_bundle
from tests.matcher.test_batch import Event

EVENTS = [Event(name, 100 + number, "shirt", "x") for number, name in enumerate("abcdefgh")]


class Choosy(FakeKafka):
    """Refuses, as Kafka does, all decisions of a transaction when one of them is too large."""

    too_large: bytes = b"c"
    letters_too = False
    refusals = 0

    def publish(
        self,
        records: Sequence[Outgoing],
        offsets: Mapping[Partition, int],
        group: Any,
        *,
        notes: Mapping[Partition, str],
        until: float,
    ) -> dict[Partition, int]:
        if any(self.refuses(record) for record in records):
            self.asked += 1
            self.refusals += 1
            assert self.refusals < 10, "it would go on for ever"
            refused = {n for n, record in enumerate(records) if record.topic == TOPICS.matches or self.letters_too}
            raise RefusedError("id: too large", refused, "too large")
        self.endings.put("committed")
        return super().publish(records, offsets, group, notes=notes, until=until)

    def refuses(self, record: Outgoing) -> bool:
        return record.key == self.too_large and (record.topic == TOPICS.matches or self.letters_too)


@pytest.fixture
def choosy(monkeypatch: pytest.MonkeyPatch) -> type[Choosy]:
    monkeypatch.setattr("tests.consumers.test_matching_overlap.FakeKafka", Choosy)
    monkeypatch.setattr(Choosy, "letters_too", False)
    return Choosy


def test_it_is_found_out_and_ends_as_a_dead_letter(choosy: type[Choosy], tmp_path: Path):
    with a_process(a_log(EVENTS, []), tmp_path, a_bundle()) as process:
        process.finish()
        published = process.kafka.published
        assert [r.key.decode() for r in published if r.topic == TOPICS.matches and r.key] == list("abdefgh")
        (letter,) = [read_dead_letter(r.headers) for r in published if r.topic == TOPICS.dead_letters]
        assert letter is not None
        assert (letter.stage, letter.reason, letter.place.offset) == ("matcher", "refused", 2)
        assert isinstance(process.kafka, Choosy)
        assert process.kafka.refusals == 2, "with others, and alone"
        assert len(process.memory) == len(EVENTS) - 1
        assert process.opened[-1].room == BATCH, "then batches are large again"


def test_where_its_dead_letter_is_refused_too_the_process_ends(
    choosy: type[Choosy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(choosy, "letters_too", True)
    with (
        a_process(a_log(EVENTS, []), tmp_path, a_bundle()) as process,
        pytest.raises(UnpublishableError, match="dead letter of offer-features/0/2"),
    ):
        process.finish()
