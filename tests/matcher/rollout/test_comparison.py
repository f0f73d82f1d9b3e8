"""How decisions would change: told apart by direction, and from what is the log's doing."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.events.decision import read_decision
from matcher.events.envelope import Record
from matcher.events.place import Place, Version
from matcher.expiry import Expiry
from matcher.rollout import ForeignFeatures
from matcher.rollout.result import Count, Flip, Rollout
from tests.examples import examples
from tests.matcher.making import withdrawal_record_of
from tests.matcher.rollout.making import (
    BY_IMAGE,
    BY_TEXT,
    COLLAR,
    CURRENT,
    JACKET,
    LOOSE,
    SHIRT,
    SHOE,
    STRICT,
    changed,
    publish,
    rehearsed,
    seen,
)

TWINS = [seen("a", 0, SHIRT), seen("b", 1, SHIRT), seen("c", 2, SHOE), seen("d", 3, SHOE), seen("e", 4, SHIRT)]


def flips(rollout: Rollout) -> dict[tuple[str, str], int]:
    return {(flip.before, flip.after): flip.count for flip in rollout.flips}


@settings(max_examples=examples(20), deadline=None)
@given(
    events=st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from([None, SHIRT, COLLAR, JACKET, SHOE])), max_size=14
    ),
    batch_size=st.integers(1, 5),
)
def test_the_same_bundle_on_the_same_log_changes_nothing(events, batch_size: int):
    log = [
        withdrawal_record_of(name, Version(0, n), n) if look is None else seen(name, n, look)
        for n, (name, look) in enumerate(events)
    ]
    found = rehearsed(log, publish(log), batch_size=batch_size)
    assert found.flips == found.examples == ()
    assert found.agreeing == found.compared == found.offers == len({name for name, _ in events}) - found.withdrawn
    assert found.before == found.after
    assert found.products.same_mates in (None, 1.0)
    assert found.unpublished == found.missing == found.by_people == found.since == 0


def test_offers_that_have_expired_are_in_neither_of_both():
    log = [seen("old", 0, SHIRT), *(seen("kept", n, SHOE) for n in range(1, 9))]
    log = [msgspec.structs.replace(r, timestamp_ms=r.timestamp_ms + 1_200_000 * r.offset) for r in log]
    gone = msgspec.structs.replace(publish(log[:1])[0], offset=99, value=None, headers=(("ce_offerversion", b"0-0"),))
    found = rehearsed(log, [*publish(log), gone], expiry=Expiry.of(3_600))
    assert (found.offers, found.compared, found.missing, found.unpublished) == (1, 1, 0, 0)


def test_a_stricter_bundle_turns_matches_into_questions():
    found = rehearsed(TWINS, publish(TWINS), STRICT)
    assert found.flips == (Flip(before="matched", after="needs_review", count=3, partner_absent=0),)
    assert (found.compared, found.agreeing, found.agreement) == (5, 2, 0.4)
    assert (found.before.matched, found.after.matched) == (3, 0)
    assert (found.before.automatic, found.after.automatic) == (5, 2)
    assert (found.before.reviews_per_1000, found.after.reviews_per_1000) == (0.0, 600.0)
    assert found.decided_by == (Count(CURRENT.fingerprint, 5),)
    assert found.bundle == STRICT.fingerprint


def test_products_are_compared_by_their_members_and_not_by_their_names():
    found = rehearsed(TWINS, publish(TWINS), STRICT).products
    assert (found.products_before, found.products_after) == (2, 5)
    assert (found.pairs_before, found.pairs_after, found.pairs_both) == (4, 0, 0)
    assert (found.b3_precision, found.same_mates) == (1.0, 0.0)
    assert found.b3_recall == pytest.approx((3 / 3 + 2 / 2) / 5)


def test_a_looser_bundle_joins_what_was_apart():
    log = [seen("a", 0, SHIRT), seen("b", 1, JACKET), seen("c", 2, SHOE)]
    found = rehearsed(log, publish(log), LOOSE)
    assert flips(found) == {("new_product", "matched"): 2}
    assert (found.products.products_before, found.products.products_after) == (3, 1)
    assert (found.products.b3_precision, found.products.b3_recall) == (pytest.approx(1 / 3), 1.0)


def test_a_match_with_another_product_is_a_change():
    log = [seen("shirt", 0, SHIRT), seen("shoe", 1, SHOE), seen("both", 2, SHIRT, SHOE)]
    found = rehearsed(log, publish(log, BY_IMAGE), BY_TEXT)
    assert flips(found) == {("matched", "matched_elsewhere"): 1}
    (example,) = found.examples
    assert (example.before.candidate.offer_id, example.after.candidate.offer_id) == ("shirt", "shoe")


def test_a_match_with_another_offer_of_the_same_product_is_none():
    log = [seen("a", 0, SHIRT, SHIRT), seen("b", 1, COLLAR, COLLAR), seen("x", 2, COLLAR, SHIRT)]
    matches = publish(log, BY_IMAGE)
    assert read_decision(matches[2].value).matched_offer_id == "b"
    found = rehearsed(log, matches, BY_TEXT)
    assert found.after.matched == 2
    assert found.agreement == 1.0


def test_a_change_that_the_log_explains_is_marked():
    """`a` was updated after `b` had matched it: compaction leaves `a` behind `b`, where `b` cannot see it."""
    log = [seen("a", 0, SHIRT), seen("b", 1, SHIRT), seen("a", 2, SHIRT)]
    found = rehearsed(log[1:], publish(log))
    assert found.flips == (Flip(before="matched", after="new_product", count=1, partner_absent=1),)
    assert (found.compared, found.agreeing) == (2, 1), "the update of `a` matches `b`, then and now"


def test_a_change_whose_partner_is_still_there_is_the_bundles():
    log = [seen("a", 0, SHIRT), seen("b", 1, SHIRT), seen("c", 2, SHOE)]
    apart = changed(CURRENT, projection=BY_TEXT.projection)
    mixed = [log[0], seen("b", 1, SHIRT, SHOE), log[2]]
    found = rehearsed(mixed, publish(mixed, BY_IMAGE), apart)
    assert [(flip.before, flip.after, flip.partner_absent) for flip in found.flips] == [
        ("matched", "new_product", 0),
        ("new_product", "matched", 0),
    ]


def test_a_new_product_does_not_rest_on_the_candidate_that_it_rejected():
    log = [seen("a", 0, SHIRT), seen("b", 1, JACKET), seen("a", 2, SHOE)]
    found = rehearsed(log, publish(log), LOOSE)
    assert found.flips == (Flip(before="new_product", after="matched", count=2, partner_absent=0),)


def reassigned(record: Record) -> Record:
    decision = msgspec.structs.replace(
        read_decision(record.value), outcome="reassigned", cause=Place("verdicts", 0, 0), product_id="by people"
    )
    return msgspec.structs.replace(record, value=msgspec.json.encode(decision))


def test_what_people_decided_is_left_out():
    matches = publish(TWINS)
    found = rehearsed(TWINS, [*matches, reassigned(matches[1])], STRICT)
    assert (found.offers, found.compared, found.by_people) == (5, 4, 1)
    assert flips(found) == {("matched", "needs_review"): 2}


def test_what_cannot_be_compared_is_counted():
    log = [*TWINS, withdrawal_record_of("c", Version(0, 5), 5)]
    later = [seen("a", 6, SHOE), seen("f", 7, SHOE)]
    matches = publish([*log, *later])
    # `b` lags; the features of `e` are gone; `a` and `f` were decided behind the end of the rehearsal.
    kept = [record for record in matches if record.key != b"b"]
    found = rehearsed([record for record in log if record.key != b"e"], kept)
    assert (found.offers, found.compared, found.unpublished) == (3, 2, 1)
    assert (found.missing, found.since, found.withdrawn) == (1, 2, 1)


def test_a_withdrawal_that_is_not_published_yet_is_nothing_that_is_missing():
    log = [*TWINS, withdrawal_record_of("c", Version(0, 5), 5)]
    found = rehearsed(log, publish(TWINS))
    assert (found.offers, found.compared, found.withdrawn, found.missing) == (4, 4, 1, 0)


def test_an_offer_that_both_topics_have_forgotten_is_nothing_that_is_missing():
    log = [*TWINS, withdrawal_record_of("c", Version(0, 5), 5), seen("f", 6, SHOE)]
    found = rehearsed([record for record in log if record.key != b"c"], publish(log))
    assert (found.offers, found.compared, found.missing) == (5, 5, 0)


def test_a_withdrawal_behind_the_end_takes_nothing_away():
    found = rehearsed(TWINS, publish([*TWINS, withdrawal_record_of("c", Version(0, 5), 5)]))
    assert (found.compared, found.since, found.agreement) == (5, 1, 1.0)


def test_a_decision_on_another_version_is_not_compared():
    log = [seen("a", 0, SHIRT), seen("a", 1, SHOE)]
    found = rehearsed(log, publish(log[:1]))
    assert (found.offers, found.compared, found.unpublished, found.agreement) == (1, 0, 1, None)


def test_features_of_another_encoder_are_refused_with_both_names():
    other = changed(CURRENT, encoder=msgspec.structs.replace(CURRENT.encoder, fingerprint="f" * 16))
    with pytest.raises(ForeignFeatures, match=r"offer-features: expected features of encoder ffff.*0123456789abcdef"):
        rehearsed(TWINS, [], other)
    with pytest.raises(ForeignFeatures):
        rehearsed(TWINS, [], other, batch_size=100)


def test_a_stray_record_of_another_encoder_is_a_dead_letter_among_others():
    stray = msgspec.msgpack.decode(TWINS[0].value)
    stray["encoder"] = "another"
    log = [TWINS[0], msgspec.structs.replace(TWINS[1], value=msgspec.msgpack.encode(stray), key=b"a"), *TWINS[2:]]
    found = rehearsed(log, publish(log))
    assert found.refused == (Count("foreign_encoder", 1),)
    assert found.agreement == 1.0
