"""From datasets to a bundle: what is promised, what was learned from what, and what is written down."""

import msgspec
import numpy as np
import pytest

from matcher.model import load_bundle, save_bundle
from matcher.model.bundle import Search
from matcher.training.certificate import divided, keep_apart
from matcher.training.drafts import draft, embedding_of, scorer_of
from matcher.training.facts import out_of_fold_figures
from matcher.training.labelled import Unlearnable
from matcher.training.options import ProjectionOptions
from matcher.training.recipe import Recipe, train
from matcher.training.splits import dataset_groups, product_labels
from matcher.training.thresholds import Aim
from matcher.verifier.boosting import BoostingOptions
from matcher.verifier.training import VerifierOptions
from tests.matcher.training.making import a_dataset

QUICK = ProjectionOptions(dim=8, least_steps=20, epochs=2)
TREES = VerifierOptions(boosting=BoostingOptions(trees=10))
EASY = Aim(target=0.8, confidence=0.9, match_rate=0.5)
RECIPE = Recipe(projection=QUICK, verifier=TREES, aim=EASY)


def styles(products: int) -> list[str]:
    """Two products a style: groups are what the table says, not what stands close together."""
    return [f"s{product // 2}" for product in range(products)]


def learning(seed=0, products=40):
    return a_dataset(products=products, offers=2, siblings=1, noise=0.3, seed=seed, styles=styles(products))


@pytest.fixture(scope="module")
def trained():
    return train([learning()], "made", RECIPE, [learning(seed=1, products=60)])


def test_a_threshold_is_certified_on_products_that_were_kept_for_it() -> None:
    recipe = msgspec.structs.replace(RECIPE, verifier=None)
    bundle = train([learning()], "made", recipe, [learning(seed=1, products=240)]).bundle
    promise = bundle.promise
    assert promise.accept is not None
    assert bundle.thresholds.accept == promise.accept
    assert bundle.thresholds.review <= promise.accept
    assert promise.accepted - promise.errors >= EASY.target * promise.accepted
    assert promise.precision_low >= EASY.target
    assert promise.index_size == 240  # half of the groups of the table that calibrates
    assert promise.units <= 60  # at most one decision for each of the groups kept for the test
    assert "share 0.8 is right, at 90% confidence" in bundle.note


def test_nothing_is_learned_from_a_table_that_calibrates(trained) -> None:
    other = train([learning()], "made", RECIPE, [learning(seed=2, products=60)])
    assert other.bundle.projection == trained.bundle.projection
    assert other.bundle.verifier == trained.bundle.verifier
    assert other.bundle.calibration != trained.bundle.calibration


def test_the_bundle_says_what_it_was_made_from(trained) -> None:
    facts = trained.bundle.training
    assert [(table.use, table.offers, table.products) for table in facts.tables] == [
        ("learning", 80, 40),
        ("calibration", 120, 60),
    ]
    assert len({table.digest for table in facts.tables}) == 2
    assert 0 < facts.metrics["out_of_fold_aucpr"] <= facts.metrics["out_of_fold_recall_at_1"] <= 1


def test_a_trained_bundle_scores_the_same_after_it_was_written_and_read(trained, tmp_path) -> None:
    written = save_bundle(trained.bundle, tmp_path / "bundle")
    read = load_bundle(str(tmp_path / "bundle"))
    unseen = learning(seed=3, products=6)
    left, right = np.array([0, 1, 2]), np.array([3, 4, 9])
    assert read.fingerprint == written.fingerprint
    assert np.array_equal(embedding_of(read)(unseen), embedding_of(written)(unseen))
    assert np.array_equal(scorer_of(read)(unseen, left, right), scorer_of(trained.bundle)(unseen, left, right))


def test_too_few_products_for_a_promise_are_all_learned_from_and_nothing_is_accepted() -> None:
    made = train([learning()], "made", msgspec.structs.replace(RECIPE, aim=Aim(match_rate=0.5), reviews=900))
    assert made.fitted.products == 40
    assert made.bundle.thresholds.accept is None
    assert made.bundle.promise.accept is None
    assert "needs 299 accepted decisions" in made.bundle.note
    assert 0 < made.bundle.thresholds.review < 1


def test_a_table_large_enough_keeps_groups_apart_by_itself() -> None:
    large, small = learning(products=400), learning(products=20)
    learned_from, parts = keep_apart([large, small], EASY, 0.4, 0)
    assert len(parts) == 1
    kept = [part for each in parts for part in (each.calibrate, each.test)]
    assert sum(map(len, [*learned_from, *kept])) == len(large) + len(small)
    names = [set(dataset.styles) for dataset in (learned_from[0], *kept)]
    assert len(set.union(*names)) == sum(map(len, names))


def test_halves_of_a_table_share_no_sibling_group() -> None:
    dataset = a_dataset(products=30)
    groups = dict(
        zip((offer.offer_id for offer in dataset.offers), dataset_groups(dataset, product_labels(dataset)), strict=True)
    )
    part = divided(dataset, 0)
    one, other = ({groups[offer.offer_id] for offer in half.offers} for half in (part.calibrate, part.test))
    assert one
    assert other
    assert not one & other


def test_a_table_with_a_single_group_cannot_be_halved() -> None:
    with pytest.raises(Unlearnable, match="made: expected at least two groups"):
        divided(a_dataset(products=2, styles=["s", "s"]), 0)


def test_out_of_fold_figures_do_not_flatter() -> None:
    """Vectors without any meaning can be learned by heart; what was held out must show that nothing was learned."""
    random = np.random.default_rng(0)
    dataset = a_dataset(products=60, siblings=1, styles=[f"s{n}" for n in range(60)])
    noise = random.standard_normal(dataset.features.text.shape).astype(np.float16)
    meaningless = msgspec.structs.replace(dataset, features=msgspec.structs.replace(dataset.features, text=noise))
    options = msgspec.structs.replace(QUICK, least_steps=200)
    made = draft(
        [meaningless], "made", projection=options, verifier=TREES, search=Search(), match_rate=0.5, folds=3, seed=0
    )
    answers = [held.answers(Search()) for fold in made.folds for held in fold]
    assert out_of_fold_figures(answers)["out_of_fold_recall_at_1"] < 0.15  # by chance 2 of 59


def test_with_brand_blocks_the_verifier_learns_from_what_is_searched_and_the_bundle_says_so(tmp_path) -> None:
    brands = ["Nike", "Puma", "Nike"] * 40
    dataset = a_dataset(products=40, offers=3, siblings=1, noise=0.3, styles=styles(40), brands=brands)
    made = {
        blocks: draft(
            [dataset],
            "made",
            projection=QUICK,
            verifier=TREES,
            search=Search(brand_blocks=blocks),
            match_rate=0.5,
            folds=3,
            seed=0,
        )
        for blocks in (True, False)
    }
    # Of three offers of a product only two have one brand, so that 40 of 120 pairs of one product may be searched.
    assert 0 < made[True].pairs.same.sum() <= 40 < made[False].pairs.same.sum()
    save_bundle(made[True].bundle, tmp_path)
    assert load_bundle(str(tmp_path)).search.brand_blocks


def test_the_verifier_can_be_left_out() -> None:
    made = train([learning()], "made", msgspec.structs.replace(RECIPE, verifier=None))
    assert made.bundle.verifier is None
    assert made.bundle.pair_threshold is None
    assert made.bundle.training.metrics["out_of_fold_recall_at_1"] > 0.2
