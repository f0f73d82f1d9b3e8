"""An ablation computes each row once, and nothing of what it says was learned from the offers it asks about."""

import msgspec
import numpy as np
import pytest

from matcher.ablation import kept as keeping
from matcher.ablation import lesson as lessons
from matcher.ablation.kept import Kept, data_digest, row_key
from matcher.ablation.lesson import Learner
from matcher.ablation.models import Projected, Raw, Verified
from matcher.ablation.rows import BASE, rows_for
from matcher.verifier.training import VerifierOptions
from tests.matcher.ablation.making import QUICK, a_row, a_shop, run
from tests.matcher.verifier.making import a_market

PAIR = "raw vectors side"


def a_row_of(model):
    return msgspec.structs.replace(a_row(), model=model)


@pytest.mark.slow
def test_a_second_run_computes_nothing_and_says_the_same(tmp_path) -> None:
    first, told = run(tmp_path, PAIR)
    assert told[-1].computed == 4
    again, told = run(tmp_path, PAIR)
    assert told[-1].computed == 0
    assert again == first
    _, told = run(tmp_path, PAIR, fresh=True)
    assert told[-1].computed == 4


def test_an_interrupted_run_goes_on_where_it_was(tmp_path) -> None:
    def stop(doing) -> None:
        if doing.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, PAIR, on_progress=stop)
    found, told = run(tmp_path, PAIR)
    assert told[-1].computed == 1
    assert found == run(tmp_path / "elsewhere", PAIR)[0]


def test_a_damaged_result_is_computed_again(tmp_path) -> None:
    first, _ = run(tmp_path, PAIR)
    damaged = sorted(tmp_path.iterdir())[0]
    damaged.write_bytes(damaged.read_bytes()[:100])
    again, told = run(tmp_path, PAIR)
    assert told[-1].computed == 1
    assert again == first


def test_other_offers_options_or_repetitions_have_results_of_their_own() -> None:
    market, row = a_market(products=4), a_row()
    digest = data_digest(market)
    other = msgspec.structs.replace(market, products=["q", *market.products[1:]])
    numbers = market.features.numbers.copy()
    numbers[0, 2] += 1
    features = msgspec.structs.replace(market.features, numbers=numbers)
    assert data_digest(a_market(products=4)) == digest
    assert len({digest, data_digest(other), data_digest(msgspec.structs.replace(market, features=features))}) == 3
    dearer = msgspec.structs.replace(row, price=False)
    other_options = a_row_of(Projected(projection=msgspec.structs.replace(QUICK, drop=0.2)))
    keys = [row_key(row, 0, digest), row_key(row, 1, digest), row_key(dearer, 0, digest), row_key(row, 0, "x")]
    assert len({*keys, row_key(other_options, 0, digest)}) == 5
    assert row_key(msgspec.structs.replace(row, name="called otherwise"), 0, digest) == keys[0]


def test_results_of_other_code_are_not_taken_for_those_of_this_one(monkeypatch) -> None:
    projected = a_row()
    verified = a_row_of(Verified(embedding=projected.model, verifier=VerifierOptions()))
    keys = [row_key(row, 0, "") for row in (projected, verified)]
    code = keeping.code_digest
    monkeypatch.setattr(
        keeping, "code_digest", lambda packages: code(packages) + "x" * ("matcher.verifier" in packages)
    )
    assert row_key(projected, 0, "") == keys[0]
    assert row_key(verified, 0, "") != keys[1]
    assert code(keeping.LEARNING) != code(keeping.JUDGING)


@pytest.mark.parametrize("judge", [None, "trees", "logistic"])
def test_scores_do_not_depend_on_what_the_products_asked_about_are_called(judge) -> None:
    learn, asked = a_shop(seed=1), a_shop(seed=2)
    shuffled = list(np.random.default_rng(0).permutation(asked.products))
    model = Projected(projection=QUICK)
    if judge:
        model = Verified(embedding=model, verifier=VerifierOptions(), judge=judge)
    one, other = (
        Learner([learn], msgspec.structs.replace(asked, products=products), 0).answers(a_row_of(model))
        for products in (asked.products, shuffled)
    )
    np.testing.assert_array_equal(one.candidates.rows, other.candidates.rows)
    np.testing.assert_array_equal(one.candidates.scores, other.candidates.scores)


def test_verifiers_learn_each_projection_once_and_read_only_what_they_may(monkeypatch) -> None:
    fitted, grown = [], []

    def fit(datasets, options):
        fitted.append(sum(len(dataset) for dataset in datasets))
        return lessons_fit(datasets, options)

    def grow(evidence, same, names, options):
        grown.append(set(names))
        return lessons_grow(evidence, same, names, options)

    lessons_fit, lessons_grow = lessons.fit_projection, lessons.grow
    monkeypatch.setattr(lessons, "fit_projection", fit)
    monkeypatch.setattr(lessons, "grow", grow)
    learn, asked = a_shop(seed=1), a_shop(seed=2)
    learner = Learner([learn], asked, 0)
    for groups in (None, ("words", "cosines"), ("words",)):
        verifier = VerifierOptions(groups=groups)
        learner.answers(a_row_of(Verified(embedding=Projected(projection=QUICK), verifier=verifier)))
    learner.answers(a_row())
    # One for each of three folds, which leaves that fold out, and one for what is asked.
    assert len(fitted) == 4
    assert sorted(fitted)[-1] == len(learn)
    assert all(size < len(learn) for size in sorted(fitted)[:3])
    assert "price_gap" in grown[0]
    assert "embedding_cosine" in grown[1]
    assert "price_gap" not in grown[1] | grown[2]
    assert "embedding_cosine" not in grown[2]


def test_raw_vectors_of_one_modality_are_its_cosines() -> None:
    market = a_market(products=6)
    found = Learner([market], market, 0).answers(a_row_of(Raw(modalities=("text",)))).candidates
    text = market.features.text.astype(np.float32)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    expected = (text[found.queries][:, None] * text[found.rows]).sum(axis=2)[found.rows >= 0]
    np.testing.assert_allclose(found.scores[found.rows >= 0], expected, atol=1e-6)


def test_without_the_price_it_can_be_anything(tmp_path) -> None:
    market = a_shop()
    numbers = market.features.numbers.copy()
    numbers[:, 2] *= np.random.default_rng(0).uniform(0.5, 2.0, len(numbers)).astype(np.float32)
    features = msgspec.structs.replace(market.features, numbers=numbers)
    other = msgspec.structs.replace(market, features=features)
    figures = []
    for name, table in (("one", market), ("other", other)):
        found, _ = run(tmp_path / name, "without the price", table=table)
        figures.append({line.name: line.figures for line in found.shops[0].lines})
    assert figures[0]["without the price"][0].aucpr == figures[1]["without the price"][0].aucpr
    assert figures[0][BASE][0].aucpr != figures[1][BASE][0].aucpr


def test_a_row_that_cannot_be_learned_is_left_out_with_the_reason_and_stops_no_other(tmp_path) -> None:
    found, _ = run(tmp_path, "on the projection$", table=a_shop(products=8))
    shop = found.shops[0]
    names = {line.name for line in shop.lines}
    assert BASE in names
    failed = {row.name: row.reason for row in shop.left_out}
    assert "expected" in failed["on the projection"]
    assert "on the projection" not in names


def test_what_is_kept_is_what_was_decided(tmp_path) -> None:
    market = a_market(products=6)
    answers = Learner([market], market, 0).answers(a_row())
    put, got = Kept(tmp_path).put("key", answers), Kept(tmp_path).get("key")
    for field in ("query", "candidate", "score", "right", "has_match", "place", "confidence"):
        for one, other in ((put.top, got.top), (put.hidden, got.hidden)):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    assert Kept(tmp_path).get("another") is None


def test_every_row_of_the_table_can_be_told_apart_by_its_content() -> None:
    rows, _ = rows_for(("image", "text", "numbers"), ("image", "text", "numbers"))
    keys = {}
    for row in rows:
        content = (row_key(row, 0, ""), row.text)
        assert content not in keys, f"{row.label} is {keys[content]} once more"
        keys[content] = row.label
