"""A state depends on how much of each log was read, not on how the logs were interleaved or cut into batches."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index_store.errors import VersionsNotComparable
from index_store.flat import FlatStore
from index_store.rows import Applied, Changes, DecisionRow, FeatureRow, Identity, Version
from index_store.state import State
from index_store.store import NO_SELLER
from index_store.verify import verify
from tests.examples import examples

DIM = 3
IDENTITY = Identity(
    bundle="first", dim=DIM, partition=0, topics=("offer-features", "matches"), raw_features=True, blocks=1
)


def feature(
    offer_id: str, offset: int, number: int = 0, seller: str | None = "s", block: str | None = None
) -> FeatureRow:
    vector = np.array([number, offset, 1], dtype=np.float32)
    image = f"image {number}".encode() if number % 3 else None
    text = f"text {number}".encode() if number % 2 else None
    payload = f"payload {number}".encode()
    return FeatureRow(offer_id, Version(0, offset), seller, payload, vector, image, text, 10 * number, block)


def decision(offer_id: str, offset: int, product: str | None, number: int = 0) -> DecisionRow:
    return DecisionRow(offer_id, Version(0, offset), product, "gone" if product is None else "offer.matched", number)


@dataclass(frozen=True)
class Expected:
    ledger: dict[str, tuple[int, str | None, int]]
    live: dict[str, tuple[bytes, str | None, str | None, bytes, bytes | None, bytes | None, int]]
    members: dict[str, int]
    founded: dict[str, int]
    pending: int
    blocks: list[str]


def fold_by_definition(features: list[FeatureRow], decisions: list[DecisionRow]) -> Expected:
    """Each fact straight from the two logs, by searching them, without going through any intermediate state."""
    ledger: dict[str, DecisionRow] = {}
    founded: dict[str, int] = {}
    for row in decisions:
        last = ledger.get(row.offer_id)
        if last and (row.version < last.version or (row.version == last.version and last.product_id is None)):
            continue
        ledger[row.offer_id] = row
        if row.product_id is not None:
            founded.setdefault(row.product_id, row.version.offset)
    latest = {(row.offer_id, row.version): row for row in features}
    live = {}
    for offer_id, row in ledger.items():
        found = latest.get((offer_id, row.version))
        if row.product_id is not None and found is not None:
            raw = found.image, found.text
            labels = found.seller_id, found.block
            live[offer_id] = (found.vector.tobytes(), *labels, found.payload, *raw, found.seen_at)
    members = Counter(row.product_id for row in ledger.values() if row.product_id is not None)
    return Expected(
        ledger={o: (row.version.offset, row.product_id, row.updated_at) for o, row in ledger.items()},
        live=live,
        members=dict(members),
        founded=founded,
        pending=sum(o not in ledger or version > ledger[o].version for o, version in latest),
        blocks=list(dict.fromkeys(row.block for row in features if row.block)),
    )


def observe(state: State, ids: list[str]) -> Expected:
    """The same facts as an open state tells them."""
    ledger = state.ledger(ids)
    stored = state.by_keys([row.key for row in ledger.values()])
    contents = state.contents([row.key for row in ledger.values()])
    rows = state.rows([row.key for row in ledger.values()])
    live = {}
    connection = state._file.connection
    seen_at = dict(connection.execute("SELECT key, seen_at FROM live_vectors"))
    names = [*state.block_names(), None]  # NO_BLOCK names the last
    for keys, vectors, codes, blocks in state.live_vectors(chunk=2):
        for key, vector, code, block in zip(keys.tolist(), vectors, codes, blocks.tolist(), strict=True):
            offer = stored[key]
            assert offer.payload is not None
            assert [code] == state.seller_codes([offer.seller_id]).tolist()
            said = contents.pop(key)
            assert said.payload == offer.payload
            raw = said.image, said.text
            labels = offer.seller_id, names[block]
            live[offer.offer_id] = (vector.tobytes(), *labels, offer.payload, *raw, seen_at.pop(key))
    assert not contents
    assert not seen_at
    assert {key: (row.offer_id, row.product_id, row.version) for key, row in rows.items()} == {
        key: (offer.offer_id, offer.product_id, offer.version) for key, offer in stored.items()
    }
    updated = dict(connection.execute("SELECT offer_id, updated_at FROM offers"))
    products = connection.execute("SELECT product_id, members, founded_offset FROM products").fetchall()
    counts = state.counts()
    expected_live = {offer_id for offer_id in ledger if stored[ledger[offer_id].key].payload is not None}
    assert set(live) == expected_live
    assert (counts.offers, counts.live) == (len(ledger), len(live))
    assert counts.gone == sum(row.product_id is None for row in ledger.values())
    return Expected(
        ledger={o: (row.version.offset, row.product_id, updated[o]) for o, row in ledger.items()},
        live=live,
        members={name: members for name, members, _ in products if members},
        founded={name: offset for name, _, offset in products},
        pending=counts.pending,
        blocks=list(state.block_names()),
    )


ids = st.sampled_from(["a", "b", "c"])
offsets = st.integers(0, 4)
feature_logs = st.lists(
    st.tuples(ids, offsets, st.sampled_from([None, "s", "t"]), st.sampled_from([None, "nike", "puma", "asics"])),
    max_size=12,
).map(lambda rows: [feature(o, offset, number, *more) for number, (o, offset, *more) in enumerate(rows)])
decision_logs = st.lists(st.tuples(ids, offsets, st.sampled_from([None, "p", "q", "r"])), max_size=12).map(
    lambda rows: [decision(o, offset, product, number) for number, (o, offset, product) in enumerate(rows)]
)


def apply_to_index(index: FlatStore, applied: Applied) -> None:
    index.remove(applied.removed)
    index.upsert(applied.keys, applied.vectors, applied.sellers, applied.blocks)


@settings(max_examples=examples(30), deadline=None)
@given(features=feature_logs, decisions=decision_logs, data=st.data())
def test_any_interleaving_in_any_batches_with_restarts_ends_in_the_same_state(
    features: list[FeatureRow], decisions: list[DecisionRow], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.sqlite"
        state, index = State(path, IDENTITY), FlatStore(DIM)
        done = [0, 0]
        while done != [len(features), len(decisions)]:
            left = len(features) - done[0], len(decisions) - done[1]
            steps = st.tuples(st.integers(0, left[0]), st.integers(0, left[1])).filter(any)
            step = data.draw(steps, label="features and decisions of the next batch")
            upto = [done[0] + step[0], done[1] + step[1]]
            applied = state.apply(
                Changes(
                    features[done[0] : upto[0]],
                    decisions[done[1] : upto[1]],
                    {("offer-features", 0): upto[0], ("matches", 0): upto[1]},
                )
            )
            apply_to_index(index, applied)
            done = upto
            if data.draw(st.integers(0, 4), label="restart if 0") == 0:
                state.close()
                state, index = State(path, IDENTITY), FlatStore(DIM)
                for rows in state.live_vectors():
                    index.upsert(*rows)
            # At every point, not only at the end: what the prefixes say is what the state and the index hold.
            expected = fold_by_definition(features[: done[0]], decisions[: done[1]])
            assert observe(state, ["a", "b", "c"]) == expected
            result = verify(state, index)
            assert result.ok, result.problems
            assert result.indexed == len(expected.live)
            assert state.positions() == {("offer-features", 0): done[0], ("matches", 0): done[1]}
        state.close()


@pytest.fixture
def state(tmp_path: Path) -> Any:
    with State(tmp_path / "state.sqlite", IDENTITY) as opened:
        yield opened


def test_a_reassignment_moves_the_offer_and_leaves_the_index_alone(state: State) -> None:
    first = state.apply(Changes([feature("a", 1)], [decision("a", 1, "p")]))
    assert first.keys.tolist() == [state.ledger(["a"])["a"].key]
    moved = state.apply(Changes(decisions=[decision("a", 1, "q")]))
    assert (moved.keys.size, moved.removed.size, moved.ignored_decisions) == (0, 0, 0)
    assert state.ledger(["a"])["a"].product_id == "q"
    assert state.counts().products == 1


def test_an_update_keeps_the_key_and_leaves_the_index_until_its_features_come(state: State) -> None:
    key = state.apply(Changes([feature("a", 1)], [decision("a", 1, "p")])).keys.tolist()
    decided = state.apply(Changes(decisions=[decision("a", 2, "p")]))
    assert (decided.removed.tolist(), decided.keys.tolist()) == (key, [])
    assert state.by_keys(key)[key[0]].payload is None
    assert state.counts().waiting == 1
    indexed = state.apply(Changes([feature("a", 2, number=5)]))
    assert (indexed.removed.tolist(), indexed.keys.tolist()) == ([], key)
    assert indexed.vectors.tolist() == [[5, 2, 1]]


def test_features_ahead_of_their_decision_are_held_and_then_indexed(state: State) -> None:
    held = state.apply(Changes([feature("a", 1), feature("a", 2, 9), feature("a", 1, 4)]))
    assert (held.held_features, held.keys.size, state.counts().pending) == (2, 0, 2)
    indexed = state.apply(Changes(decisions=[decision("a", 1, "p")]))
    assert indexed.vectors.tolist() == [[4, 1, 1]]
    assert state.counts().pending == 1
    newer = state.apply(Changes(decisions=[decision("a", 3, "p")]))
    assert newer.removed.tolist() == indexed.keys.tolist()
    assert state.counts().pending == 0


def test_a_gone_offer_is_remembered_and_its_late_features_and_decisions_are_ignored(state: State) -> None:
    state.apply(Changes([feature("a", 1)], [decision("a", 1, "p")]))
    gone = state.apply(Changes(decisions=[decision("a", 2, None)]))
    assert gone.removed.size == 1
    late = state.apply(Changes([feature("a", 1), feature("a", 2)], [decision("a", 1, "p"), decision("a", 2, "p")]))
    assert (late.ignored_features, late.ignored_decisions, late.keys.size) == (2, 2, 0)
    assert state.ledger(["a"])["a"].product_id is None
    assert state.counts().gone == 1
    back = state.apply(Changes([feature("a", 3)], [decision("a", 3, "q")]))
    assert back.keys.tolist() == gone.removed.tolist()
    assert state.counts().gone == 0


def test_gone_at_the_version_that_is_live_takes_it_out_for_good(state: State) -> None:
    live = state.apply(Changes([feature("a", 1)], [decision("a", 1, "p")]))
    gone = state.apply(Changes(decisions=[decision("a", 1, None)]))
    assert gone.removed.tolist() == live.keys.tolist()
    again = state.apply(Changes([feature("a", 1)], [decision("a", 1, "p")]))
    assert (again.keys.size, again.ignored_features, again.ignored_decisions) == (0, 1, 1)
    assert (state.counts().live, state.counts().gone, state.counts().products) == (0, 1, 0)


def test_keys_are_never_given_twice(state: State) -> None:
    seen: set[int] = set()
    for number in range(5):
        offer_id = f"offer {number}"
        state.apply(Changes(decisions=[decision(offer_id, 2 * number, "p")]))
        state.apply(Changes(decisions=[decision(offer_id, 2 * number + 1, None)]))
        seen.add(state.ledger([offer_id])[offer_id].key)
    assert len(seen) == 5
    assert min(seen) >= 0


@pytest.mark.parametrize("second", [decision("a", 9, "q"), feature("a", 9)])
@pytest.mark.parametrize("first", [decision("a", 1, "p"), feature("a", 1)])
def test_versions_of_one_offer_in_two_partitions_are_refused_and_nothing_is_applied(
    state: State, first: DecisionRow | FeatureRow, second: DecisionRow | FeatureRow
) -> None:
    def changes(row: DecisionRow | FeatureRow, partition: int, end: int) -> Changes:
        version = Version(partition, row.version.offset)
        positions = {("matches", 0): end}
        if isinstance(row, DecisionRow):
            moved = DecisionRow(row.offer_id, version, row.product_id, row.outcome, row.updated_at)
            return Changes(decisions=[decision("other", end, "p"), moved], positions=positions)
        return Changes(
            [FeatureRow(row.offer_id, version, row.seller_id, row.payload, row.vector)],
            [decision("other", end, "p")],
            positions,
        )

    state.apply(changes(first, 0, 1))
    before = (state.counts(), state.ledger(["a", "other"]))
    with pytest.raises(VersionsNotComparable, match="offer 'a' has versions in partitions 0 and 3"):
        state.apply(changes(second, 3, 2))
    assert (state.counts(), state.ledger(["a", "other"])) == before
    assert state.positions() == {("matches", 0): 1}


def test_sellers_keep_their_codes_and_a_missing_one_equals_no_one(state: State) -> None:
    rows = [feature("a", 1, seller="s"), feature("b", 2, seller=None), feature("c", 3, seller="")]
    applied = state.apply(Changes(rows, [decision(row.offer_id, row.version.offset, "p") for row in rows]))
    code = applied.sellers[0]
    assert code != NO_SELLER
    assert applied.sellers[1:].tolist() == [NO_SELLER, NO_SELLER]
    assert state.seller_codes(["new", "s", None, ""]).tolist() == [NO_SELLER, code, NO_SELLER, NO_SELLER]
    created = state.seller_codes(["new", "s", "new", None], create=True)
    assert created.dtype == np.int32
    assert created.tolist() == [created[0], code, created[0], NO_SELLER]
    assert created[0] not in (code, NO_SELLER)
    assert state.seller_codes(["new"]).tolist() == [created[0]]


def test_blocks_are_numbered_as_the_log_has_them_wherever_features_are_left_out(state: State) -> None:
    first = state.apply(Changes([feature("a", 1, block="nike")], [decision("a", 1, "p")], blocks=["puma", "nike"]))
    assert (first.new_blocks, first.blocks.tolist()) == ({"puma": 0, "nike": 1}, [1])
    second = state.apply(Changes([feature("b", 2, block="puma"), feature("c", 3)], [decision("b", 2, "q")]))
    assert (second.new_blocks, second.blocks.tolist()) == ({}, [0])
    assert state.block_names() == {"puma": 0, "nike": 1}
    state.apply(Changes(decisions=[decision("c", 3, "r")]))
    assert state.block_sizes() == {"nike": 1, "puma": 1, None: 1}


def test_blocks_that_nothing_is_in_are_dropped_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with State(path, IDENTITY) as state:
        old = [feature("a", n, block=f"old {n}") for n in range(4)]
        new = [feature("a", 4, block="kept"), feature("held", 5, block="held"), feature("b", 6, block="gone")]
        state.apply(Changes([*old, *new], [decision("a", n, "p") for n in range(5)]))
        state.apply(Changes(decisions=[decision("b", 6, None)]))
        assert state.drop_unused_blocks(7) == 0, "few names are no reason to read all offers"
        assert state.drop_unused_blocks(5) == 0, "no more than may stay"
        assert len(state.block_names()) == 7
        assert state.drop_unused_blocks(4) == 5
        assert state.block_names() == {"kept": 4, "held": 5}
    with State(path, IDENTITY) as state:
        assert state.block_names() == {"kept": 4, "held": 5}
        applied = state.apply(Changes([feature("c", 7, block="old 0")], [decision("held", 5, "q")]))
        assert (applied.blocks.tolist(), applied.new_blocks) == ([5], {"old 0": 6})
        assert state.block_sizes() == {"kept": 1, "held": 1}
        state.apply(Changes(decisions=[decision("held", 5, None)]))
        assert state.drop_unused_blocks(0) == 0, "fewer than those in use"
        assert state.block_names() == {"kept": 4, "held": 5, "old 0": 6}
        assert state.audit() == ()


def test_a_block_that_a_failed_batch_brought_is_not_known(state: State) -> None:
    with pytest.raises(VersionsNotComparable):
        state.apply(Changes([feature("a", 1, block="nike"), replace(feature("a", 2), version=Version(1, 2))]))
    assert state.block_names() == {}
    applied = state.apply(Changes([feature("a", 1, block="puma")], [decision("a", 1, "p")]))
    assert applied.blocks.tolist() == [0]
