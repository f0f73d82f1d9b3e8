"""The demo says what the bundle promises, and whether what happened agrees with it."""

import msgspec
import pytest

from demo.promise import kept, promised
from matcher.evaluation import History, Report, Truth, compare
from matcher.model import Bundle
from matcher.model.promise import Promise
from tests.matcher.making import a_bundle


def report(accepted: int, right: int) -> Report:
    nothing = compare(History(events=(), table={}), Truth(products={}), exclude_own_seller=False)
    return msgspec.structs.replace(nothing, accepted=accepted, right=right)


def promising(target: float) -> Bundle:
    promise = Promise(
        target=target, confidence=0.95, match_rate=0.5, index_size=100, accept=0.9, units=900, accepted=400, errors=0
    )
    return msgspec.structs.replace(a_bundle(), promise=promise)


def test_it_begins_with_the_bundles_name_fingerprint_and_note() -> None:
    bundle = a_bundle()
    assert promised(bundle) == f"Bundle test ({bundle.fingerprint}): made by a test"


def test_a_promise_that_was_kept_is_not_spoken_against() -> None:
    said = kept(promising(0.99), report(accepted=400, right=397))
    assert "400 automatic matches 397 are right: 99.2 %" in said
    assert "(95 % interval 97.8 % to 99.8 %)" in said
    assert "promised were 99.0 %, and this does not speak against that" in said


def test_a_promise_that_was_broken_is_called_so() -> None:
    assert "and this speaks against that" in kept(promising(0.99), report(accepted=400, right=380))


@pytest.mark.parametrize("bundle", [a_bundle(), promising(0.99)], ids=["none", "some"])
def test_without_automatic_matches_there_is_nothing_to_keep(bundle: Bundle) -> None:
    assert kept(bundle, report(accepted=0, right=0)) == "Nothing was accepted automatically."


def test_a_bundle_without_a_promise_is_measured_all_the_same() -> None:
    said = kept(a_bundle(), report(accepted=10, right=9))
    assert "10 automatic matches 9 are right: 90.0 %" in said
    assert said.endswith("nothing was promised.")
