"""What a verifier learns from rests on nothing that has seen its products."""

import numpy as np
import pytest
from msgspec.structs import replace

from matcher.events.offer import Offer
from matcher.training.dataset import Dataset, Pairs
from matcher.training.splits import dataset_groups, product_labels
from matcher.verifier import training
from matcher.verifier.boosting import BoostingOptions
from matcher.verifier.scoring import VerifierScorer, traits_of
from matcher.verifier.training import (
    VerifierOptions,
    fit_verifier,
    learn_idf,
    out_of_fold,
    pairs_within,
    raw_embedding,
    training_pairs,
)
from matcher.verifier.words import word_hash
from tests.matcher.verifier.making import a_market

OPTIONS = VerifierOptions(candidates=5, boosting=BoostingOptions(trees=10, pairs_in_leaf=5))


def ids(datasets) -> set[str]:
    return {offer.offer_id for dataset in datasets for offer in dataset.offers}


def products(datasets) -> set[str]:
    return {product for dataset in datasets for product in dataset.products}


class Spy:
    """Learns nothing, and notes what it could have learned from and what it was asked for afterwards."""

    def __init__(self) -> None:
        self.fits: list[tuple[set[str], set[str]]] = []
        self.asked: list[tuple[int, set[str], set[str]]] = []

    def __call__(self, datasets):
        fit = len(self.fits)
        self.fits.append((ids(datasets), products(datasets)))
        raw = raw_embedding(datasets)

        def embed(dataset: Dataset):
            self.asked.append((fit, ids([dataset]), products([dataset])))
            return raw(dataset)

        return embed


def test_an_embedding_is_never_asked_for_offers_or_products_it_learned_from() -> None:
    spy = Spy()
    pairs = training_pairs([a_market()], OPTIONS, spy)
    assert len(spy.fits) == OPTIONS.folds
    assert {fit for fit, _, _ in spy.asked} == set(range(OPTIONS.folds))
    for fit, offers, named in spy.asked:
        assert not spy.fits[fit][0] & offers
        assert not spy.fits[fit][1] & named
    assert set().union(*(offers for _, offers, _ in spy.asked)) == ids([a_market()])
    assert set(pairs.fold.tolist()) == set(range(OPTIONS.folds))


def test_an_idf_table_never_knows_the_offers_that_it_weights(monkeypatch) -> None:
    learned, weighted = [], []
    learn, table_of = training.learn_idf, training.trait_table

    def learning(datasets):
        learned.append((learn(datasets), ids(datasets)))
        return learned[-1][0]

    def weighting(traits, idf):
        weighted.append((idf, {one.title for one in traits}))
        return table_of(traits, idf)

    monkeypatch.setattr(training, "learn_idf", learning)
    monkeypatch.setattr(training, "trait_table", weighting)
    market = a_market()
    training_pairs([market], OPTIONS)
    titles = dict(
        zip([offer.offer_id for offer in market.offers], [one.title for one in traits_of(market)], strict=True)
    )
    assert len(weighted) == OPTIONS.folds
    for idf, shown in weighted:
        seen = next(offers for one, offers in learned if one is idf)
        assert not {titles[offer] for offer in seen} & shown
        assert len(seen) < len(market)


def test_the_words_of_a_product_weigh_out_of_fold_what_new_words_weigh() -> None:
    """Every product has a name in its three offers. A table that has seen them holds it as less rare; evidence for
    training takes it as unseen. Were it not so, it would be what the planted leak below gives."""
    market = a_market()
    names = ("rarest_shared_word",)
    pairs = training_pairs([market], replace(OPTIONS, cosines=()))
    shared = pairs.evidence[pairs.same, pairs.names.index("rarest_shared_word")]
    assert (shared == 1).all()
    leaking = training.Learned(learn_idf([market]), raw_embedding([market]))
    left, right, same = pairs_within(market, raw_embedding([market])(market), OPTIONS)
    assert (training.read_evidence(market, leaking, left, right, names)[same] < 1).all()


def test_the_verifier_that_ships_knows_the_words_of_all_offers() -> None:
    market = a_market()
    verifier = fit_verifier([market], OPTIONS)
    assert verifier.idf.documents == len(market)
    assert word_hash("shop") in verifier.idf.words
    assert verifier.facts.digest == fit_verifier([market], OPTIONS).facts.digest
    assert "gtin_equal" not in verifier.names, "no offer has one"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sibling_groups_are_never_divided_between_folds(seed) -> None:
    market = a_market()
    groups = dict(
        zip(
            [offer.offer_id for offer in market.offers],
            dataset_groups(market, product_labels(market)).tolist(),
            strict=True,
        )
    )
    held_out = []
    for others, held in out_of_fold([market], 3, seed):
        learned_from = {groups[offer] for offer in ids(others)}
        assert not learned_from & {groups[offer] for offer in ids(held)}
        held_out += sorted(ids(held))
    assert sorted(held_out) == sorted(ids([market]))


def test_siblings_are_there_to_be_divided() -> None:
    """Both sizes of a model are one group in the made-up market, else the test above would show nothing."""
    market = a_market()
    groups = dataset_groups(market, product_labels(market))
    assert all(groups[row] == groups[row + 3] for row in range(0, len(market), 6))


def test_pairs_join_offers_of_one_fold() -> None:
    market = a_market()
    of = {}
    for fold, (_, held) in enumerate(out_of_fold([market], OPTIONS.folds, OPTIONS.seed)):
        of.update(dict.fromkeys(ids(held), fold))
    sizes = np.bincount(list(of.values()))
    pairs = training_pairs([market], OPTIONS)
    for fold, size in enumerate(sizes):
        assert 0 < (pairs.fold == fold).sum() <= size * OPTIONS.candidates


def test_each_pair_is_drawn_once_and_told_by_the_product_ids() -> None:
    market = a_market()
    left, right, same = pairs_within(market, raw_embedding([market])(market), OPTIONS)
    keys = [(min(a, b), max(a, b)) for a, b in zip(left.tolist(), right.tolist(), strict=True)]
    assert len(keys) == len(set(keys)) > 0
    assert same.tolist() == [market.products[a] == market.products[b] for a, b in keys]
    assert 0 < same.sum() < len(same)
    sellers = market.sellers
    assert all(sellers[a] != sellers[b] for a, b in keys)
    free = pairs_within(market, raw_embedding([market])(market), replace(OPTIONS, exclude_own_seller=False))
    assert any(sellers[a] == sellers[b] for a, b in zip(free[0].tolist(), free[1].tolist(), strict=True))


def some_pairs(market_products=24, offers=3) -> dict[str, Pairs]:
    """All pairs within a product, and as many with its sibling."""
    same = [(p * offers + a, p * offers + b) for p in range(market_products) for a in range(3) for b in range(a)]
    other = [
        (p * offers + a, (p + 1) * offers + b) for p in range(0, market_products, 2) for a in range(3) for b in (0, 1)
    ]
    rows = np.array(same + other, np.int64)
    return {"train": Pairs(left=rows[:, 0], right=rows[:, 1], same=np.arange(len(rows)) < len(same))}


def test_without_product_ids_the_labelled_pairs_are_all_there_is() -> None:
    market = a_market(known=False, pairs=some_pairs())
    left, right, same = pairs_within(market, raw_embedding([market])(market), OPTIONS)
    pairs = market.pairs["train"]
    wanted = {(min(a, b), max(a, b)): t for a, b, t in zip(pairs.left, pairs.right, pairs.same, strict=True)}
    found = {(min(a, b), max(a, b)): t for a, b, t in zip(left, right, same, strict=True)}
    assert found == wanted
    spy = Spy()
    trained = training_pairs([market], OPTIONS, spy)
    assert len(trained.same) <= len(wanted)
    assert trained.same.sum() == pairs.same.sum(), "pairs of one product stay in one fold"
    for fit, offers, _ in spy.asked:
        assert not spy.fits[fit][0] & offers
    assert fit_verifier([market], OPTIONS).forest.trees == OPTIONS.boosting.trees


def test_where_a_labelled_pair_contradicts_the_table_the_product_ids_stand() -> None:
    wrong = {"train": Pairs(left=np.array([1]), right=np.array([0]), same=np.array([False]))}
    market = a_market(pairs=wrong)
    left, right, same = pairs_within(market, raw_embedding([market])(market), replace(OPTIONS, candidates=70))
    place = [{a, b} for a, b in zip(left.tolist(), right.tolist(), strict=True)].index({0, 1})
    assert same[place]


def test_labelled_pairs_can_be_left_out() -> None:
    market = a_market(known=False, pairs=some_pairs())
    with pytest.raises(ValueError, match="pairs of the same and of different products, got 0 of 0"):
        fit_verifier([market], replace(OPTIONS, labelled=False))


def test_what_a_verifier_may_read_is_chosen_by_group_and_cosine() -> None:
    chosen = replace(OPTIONS, groups=("numbers", "cosines"), cosines=("text_cosine",))
    verifier = fit_verifier([a_market()], chosen)
    assert verifier.cosines == ("text_cosine",)
    assert "quantities_conflict" in verifier.names
    assert not {"word_cosine", "embedding_cosine", "price_gap"} & set(verifier.names)


def test_the_same_seed_gives_the_same_bits_and_another_one_other_folds() -> None:
    one, again = (training_pairs([a_market()], OPTIONS) for _ in range(2))
    assert one.evidence.tobytes() == again.evidence.tobytes()
    other = training_pairs([a_market()], replace(OPTIONS, seed=5))
    assert one.fold.tolist() != other.fold.tolist()


def test_it_learns_to_tell_siblings_apart_in_a_market_it_has_not_seen() -> None:
    verifier = fit_verifier([a_market(products=60)], OPTIONS)
    unseen = a_market(products=24, seed=7)
    scorer = VerifierScorer(verifier, raw_embedding([]))
    left, right, same = pairs_within(unseen, raw_embedding([])(unseen), OPTIONS)
    scores = scorer(unseen, left, right)
    assert scores[same].min() > scores[~same].max()
    alone = np.array([scorer(unseen, left[n : n + 1], right[n : n + 1])[0] for n in range(20)], np.float32)
    assert alone.tobytes() == scores[:20].tobytes()


def test_progress_is_told_after_each_fold() -> None:
    told = []
    training_pairs([a_market()], OPTIONS, on_progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_too_few_products_for_the_folds_are_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one dataset"):
        fit_verifier([], OPTIONS)
    with pytest.raises(ValueError, match=r"market: expected at least 3 groups of sibling products .*, got 1"):
        fit_verifier([a_market(products=1)], OPTIONS)
    with pytest.raises(ValueError, match=r"market: expected at least 3 groups of sibling products .*, got 1"):
        fit_verifier([a_market(products=4)], OPTIONS)


def test_products_that_no_two_sellers_show_teach_nothing() -> None:
    with pytest.raises(ValueError, match="pairs of the same and of different products, got 0 of"):
        fit_verifier([a_market(offers=1, products=40)], OPTIONS)


def test_offers_without_text_or_price_are_learned_from_as_they_are() -> None:
    market = a_market()
    bare = [Offer(offer_id=offer.offer_id) if row % 5 == 0 else offer for row, offer in enumerate(market.offers)]
    verifier = fit_verifier([replace(market, offers=bare)], OPTIONS)
    assert verifier.forest.trees == OPTIONS.boosting.trees
