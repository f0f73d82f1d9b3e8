"""`verify` tells an index that agrees with the state from every way in which it can fail to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index_store.contents import Content
from index_store.flat import FlatStore
from index_store.rows import Changes, DecisionRow, FeatureRow, Identity, Version
from index_store.state import State
from index_store.verify import verify

DIM = 2


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State(tmp_path / "state.sqlite", Identity("first", DIM, 0, ("offer-features", "matches"), blocks=1)) as opened:
        opened.apply(
            Changes(
                [
                    FeatureRow(f"o{n}", Version(0, n), "s", b"", np.array([n, 1], np.float32), block="nike")
                    for n in range(10)
                ],
                [DecisionRow(f"o{n}", Version(0, n), f"p{n // 3}", "offer.matched", 0) for n in range(12)],
            )
        )
        yield opened


@pytest.fixture
def index(state: State) -> FlatStore:
    store = FlatStore(DIM)
    for rows in state.live_vectors():
        store.upsert(*rows)
    return store


def one(value: int) -> np.ndarray:
    return np.array([value], dtype=np.int64)


def label(value: int) -> np.ndarray:
    return np.array([value], dtype=np.int32)


def test_an_index_loaded_from_the_state_agrees(state: State, index: FlatStore) -> None:
    result = verify(state, index)
    assert (result.ok, result.offers, result.indexed, result.problems) == (True, 10, 10, ())


def test_missing_differing_and_foreign_entries_are_each_named(state: State, index: FlatStore) -> None:
    keys = {offer_id: row.key for offer_id, row in state.ledger(["o1", "o2", "o11"]).items()}
    index.remove(one(keys["o1"]))
    index.upsert(one(keys["o2"]), np.array([[2, 2]], np.float32), label(0), label(0))
    index.upsert(one(keys["o11"]), np.array([[2, 2]], np.float32), label(0), label(0))
    result = verify(state, index)
    assert (result.ok, result.offers, result.indexed) == (False, 10, 10)
    assert result.problems == (
        f"1 live offers are missing from the index (keys {keys['o1']})",
        f"1 live offers have another vector in the index (keys {keys['o2']})",
        "1 entries of the index are no live offers",
    )


def test_an_entry_with_another_seller_or_in_another_block_is_named(state: State, index: FlatStore) -> None:
    keys = {offer_id: row.key for offer_id, row in state.ledger(["o1", "o2"]).items()}
    index.upsert(one(keys["o1"]), np.array([[1, 1]], np.float32), label(7), label(0))
    index.upsert(one(keys["o2"]), np.array([[2, 1]], np.float32), label(0), label(-1))
    assert verify(state, index).problems == (
        f"1 live offers have another seller in the index (keys {keys['o1']})",
        f"1 live offers are in another block in the index (keys {keys['o2']})",
    )


@pytest.mark.parametrize(
    ("tamper", "text"),
    [
        ("UPDATE offers SET product_id = NULL WHERE offer_id = 'o3'", "vectors belong to no offer that is alive"),
        ("UPDATE vectors SET key = 2 WHERE place = 1", "vectors belong to no offer that is alive"),
        ("DELETE FROM vectors WHERE place = 1", "offers have no vector at their place"),
        ("UPDATE vectors SET seller_code = 77 WHERE key = 1", "unknown seller"),
        ("UPDATE vectors SET block = 77 WHERE key = 1", "unknown block"),
        ("UPDATE blocks SET number = -5", "negative number"),
        ("UPDATE products SET members = members + 1 WHERE product_id = 'p0'", "another number of members"),
        ("DELETE FROM products WHERE product_id = 'p0'", "are not in the table of products"),
        (
            "INSERT INTO pending VALUES ('o3', 0, 3, NULL, x'', x'', NULL, NULL, 0, NULL)",
            "held although their version is decided",
        ),
        ("UPDATE totals SET live = live + 1", "running totals differ"),
        ("UPDATE totals SET stale = stale + 1", "running totals differ"),
    ],
)
def test_a_state_that_contradicts_itself_is_reported(state: State, index: FlatStore, tamper: str, text: str) -> None:
    state._file.connection.execute(tamper)
    problems = verify(state, index).problems
    assert any(text in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("tamper", "text"),
    [
        ("DELETE FROM contents WHERE place = 1", "a vector without a payload"),
        ("INSERT INTO contents VALUES (0, NULL, x'', NULL, NULL)", "payload without a vector"),
        ("UPDATE contents SET text = x'00' WHERE place = 1", "raw features in a state that keeps none"),
    ],
)
def test_contents_that_contradict_the_state_are_reported(
    state: State, index: FlatStore, tamper: str, text: str
) -> None:
    state._file.contents._connection.execute(tamper)
    problems = verify(state, index).problems
    assert any(text in problem for problem in problems), problems


def test_contents_of_a_version_that_was_never_applied_are_no_problem(state: State, index: FlatStore) -> None:
    state._file.contents.write([(99, Content(None, b"", None, None))], ())
    assert verify(state, index).ok


def test_an_index_of_another_dimension_is_refused(state: State) -> None:
    with pytest.raises(ValueError, match="the state has 2 dimensions, the index 3"):
        verify(state, FlatStore(3))
