"""The matcher's memory: what it keeps at hand is what the state holds, and no more than it may."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

import matcher.memory
from index_store.errors import StateMismatch
from index_store.state import State
from matcher.deciding.batch import decide_batch
from matcher.deciding.content import Content, read_content
from matcher.deciding.known import Known
from matcher.events.envelope import Record
from matcher.events.offer import Offer
from matcher.events.place import Version
from matcher.memory import Memory, Published
from matcher.model.bundle import Bundle
from matcher.recent import Recent
from tests.matcher.making import a_bundle, features_of, features_record_of, withdrawal_record_of
from tests.matcher.test_batch import METRICS, decisions
from tests.matcher.verified import a_verifier, learned, with_verifier

LOOK, OTHER = [1.0, 0.5, 0.0, 0.0], [0.0, 0.0, 1.0, 0.5]


def opened(folder: Path, bundle: Bundle) -> Memory:
    return Memory(folder, bundle, 0, ("offer-features", "matches"), 1)


def record(name: str, version: int, offset: int, look=LOOK, title: str = "Acme lamp 128") -> Record:
    return features_record_of(features_of(Offer(offer_id=name, title=title), Version(0, version), look, look), offset)


def take(memory: Memory, bundle: Bundle, *records: Record):
    steps = decide_batch(records, memory, bundle, METRICS)
    memory.apply_steps(steps, {("offer-features", 0): records[-1].offset + 1})
    return steps


def content_of(memory: Memory, look=LOOK) -> dict[str, Content]:
    known = [hit.known for hit in memory.nearest(np.array([[*look, *look]], np.float32), 10, None)[0]]
    return {one.offer_id: content for one, content in zip(known, memory.contents(known), strict=True)}


def same(one: Content, other: Content) -> bool:
    """Contents hold arrays, which compare element by element."""

    def plain(content: Content) -> bytes:
        raw = [None if part is None else part.tobytes() for part in (content.image, content.text)]
        return repr((msgspec.structs.asdict(content.traits) if content.traits else None, content.offer, raw)).encode()

    return plain(one) == plain(other)


@pytest.fixture
def bundle() -> Bundle:
    return with_verifier(a_bundle(exclude_own_seller=False), a_verifier())


def test_what_is_at_hand_is_what_the_state_holds(tmp_path: Path, bundle: Bundle) -> None:
    memory = opened(tmp_path, bundle)
    take(memory, bundle, record("a", 1, 0), record("b", 2, 1, OTHER))
    at_hand = content_of(memory)
    memory.close()
    memory = opened(tmp_path, bundle)
    stored = content_of(memory)
    memory.close()
    assert stored.keys() == {"a", "b"}
    assert all(same(at_hand[name], stored[name]) for name in stored)


def test_a_candidate_that_comes_again_is_not_read_again(
    tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = opened(tmp_path, bundle)
    take(memory, bundle, record("a", 1, 0), record("b", 2, 1))
    memory.close()
    read: list[str] = []

    def counted(offer: Offer, *more) -> Content:
        read.append(offer.offer_id)
        return read_content(offer, *more)

    monkeypatch.setattr(matcher.memory, "read_content", counted)
    memory = opened(tmp_path, bundle)
    for offset in range(2, 5):
        take(memory, bundle, record(f"n{offset}", offset + 1, offset))
    memory.close()
    assert sorted(read) == ["a", "b"]


def test_the_same_version_with_other_features_replaces_what_was_at_hand(tmp_path: Path, bundle: Bundle) -> None:
    memory = opened(tmp_path, bundle)
    take(memory, bundle, record("a", 1, 0))
    assert content_of(memory)["a"].image.tolist() == LOOK
    take(memory, bundle, record("a", 1, 1, OTHER))
    assert content_of(memory)["a"].image.tolist() == OTHER
    arrival = decide_batch([record("a", 1, 2)], memory, bundle, METRICS)[0].arrival
    memory.follow([arrival], [], {("offer-features", 0): 3})
    assert content_of(memory)["a"].image.tolist() == LOOK
    memory.close()


def test_following_the_log_gives_the_memory_of_the_one_who_decided(tmp_path: Path, bundle: Bundle) -> None:
    records = [record("a", 1, 0), record("b", 2, 1, OTHER), withdrawal_record_of("b", Version(0, 3), 2)]
    decider, follower = opened(tmp_path / "one", bundle), opened(tmp_path / "two", bundle)
    steps = take(decider, bundle, *records)
    published = [Published(offer_id=d.offer_id, version=d.version, decision=d, time_ms=0) for d in decisions(steps)] + [
        Published(offer_id="b", version=Version(0, 3), decision=None, time_ms=0)
    ]
    arrivals = [step.arrival for step in steps[:2]]
    follower.follow(arrivals[:1], [], {("offer-features", 0): 1})
    follower.follow(arrivals[1:], published, {("offer-features", 0): 3})
    assert content_of(follower).keys() == {"a"}
    assert same(content_of(follower)["a"], content_of(decider)["a"])
    following = [record("c", 9, 3)]
    mine, theirs = (decide_batch(following, memory, bundle, METRICS)[0] for memory in (decider, follower))
    assert mine.decision == theirs.decision
    decider.close()
    follower.close()


def test_a_state_that_is_outdated_is_discarded_with_a_word_why(
    tmp_path: Path, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    memory = opened(tmp_path, bundle)
    take(memory, bundle, record("a", 1, 0))
    memory.close()
    asked: list[dict] = []

    def outdated(state: State) -> str | None:
        asked.append(state.positions())
        return "it was away"

    memory = Memory(tmp_path, bundle, 0, ("offer-features", "matches"), 1, outdated=outdated)
    assert asked == [{("offer-features", 0): 1}]
    assert (len(memory), memory.positions(), memory.versions(["a"])) == (0, {}, {})
    assert "discarded and built anew from the log: it was away" in caplog.text
    take(memory, bundle, record("a", 1, 0))
    memory.close()
    memory = Memory(tmp_path, bundle, 0, ("offer-features", "matches"), 1, outdated=lambda _: None)
    assert len(memory) == 1
    memory.close()


@pytest.mark.parametrize(
    ("made", "kept"),
    [
        (a_bundle(), False),
        (with_verifier(a_bundle(), a_verifier(("embedding_cosine",))), False),
        (with_verifier(a_bundle(), a_verifier(("embedding_cosine", "image_cosine"))), True),
        (learned(a_bundle()), True),
    ],
    ids=["untrained", "verifier of embeddings", "verifier of images", "learned"],
)
def test_raw_features_are_kept_where_something_reads_them(tmp_path: Path, made: Bundle, kept: bool) -> None:
    memory = opened(tmp_path, made)
    take(memory, made, record("a", 1, 0))
    state, _ = memory.stores()
    (stored,) = state.contents([1]).values()
    assert (stored.image is not None, stored.text is not None) == (kept, kept)
    take(memory, made, withdrawal_record_of("a", Version(0, 2), 1))
    assert state.contents([1]) == {}
    assert state.audit() == ()
    memory.close()


def test_a_state_without_the_raw_features_that_are_needed_is_refused(tmp_path: Path) -> None:
    bundle = a_bundle()
    opened(tmp_path, bundle).close()
    # The same fingerprint cannot mean another bundle; this one only claims it.
    claims = msgspec.structs.replace(learned(bundle, dim=bundle.dim), fingerprint=bundle.fingerprint)
    with pytest.raises(StateMismatch, match="raw_features False, not True"):
        opened(tmp_path, claims)


def a_known(name: str, version: int = 1) -> tuple[str, Version, Content]:
    return name, Version(0, version), Content(offer=Offer(offer_id=name))


def test_only_so_many_offers_are_held_and_those_used_last_stay() -> None:
    recent = Recent(most=2)
    for name in "ab":
        recent.put(*a_known(name))
    assert recent.get("a", Version(0, 1)) is not None
    recent.put(*a_known("c"))
    assert len(recent) == 2
    assert [recent.get(name, Version(0, 1)) is not None for name in "abc"] == [True, False, True]


def test_another_version_is_not_what_is_held() -> None:
    recent = Recent()
    recent.put(*a_known("a", 1))
    assert recent.get("a", Version(0, 2)) is None
    recent.put(*a_known("a", 2))
    assert recent.get("a", Version(0, 1)) is None
    recent.forget("a")
    recent.forget("never seen")
    assert recent.get("a", Version(0, 2)) is None


def test_a_memory_without_offers_finds_nothing(tmp_path: Path) -> None:
    bundle = a_bundle()
    memory = opened(tmp_path, bundle)
    assert [list(hits) for hits in memory.nearest(np.zeros((2, bundle.dim), np.float32), 3, None)] == [[], []]
    assert list(memory.contents(list[Known]())) == []
    memory.close()
