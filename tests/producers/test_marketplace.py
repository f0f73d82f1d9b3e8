"""The simulated marketplace: whatever is asked for in whatever order, the same market answers."""

import csv
import gc
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.events.reading import read_offer
from producers.marketplace import MarketOffer, Marketplace, RawOffer, RawPrice, write_truth
from producers.marketplace.catalogue import product_of, style_of
from producers.marketplace.drawing.scenery import backdrop
from producers.marketplace.drawing.sprite import sprite_of
from producers.marketplace.draws import Draws
from producers.marketplace.layout import BLOCK, Layout, _permuted
from producers.marketplace.listing import write_price
from producers.marketplace.sellers import MARKETS, seller_of
from tests.examples import examples

ROOT = Path(__file__).parents[2]
# Everything that a market says, and three of its photos, as one digest.
DIGEST = """
import hashlib, sys
from producers.marketplace import Marketplace
market = Marketplace(seed=int(sys.argv[1]), offers=400, sellers=20)
digest = hashlib.sha256()
for entry, (key, value) in zip(market, market.records()):
    digest.update(key + b"=" + value + entry.product_id.encode() + b";")
for arrival in (399, 0, 77):
    digest.update(market.photo(f"/photos/{arrival}/1.jpg"))
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def market() -> Marketplace:
    return Marketplace(seed=3, offers=6000, sellers=33)


@pytest.fixture(scope="module")
def entries(market: Marketplace) -> list[MarketOffer]:
    return list(market)


def _market_offers_alive() -> int:
    gc.collect()
    return sum(type(thing) is MarketOffer for thing in gc.get_objects())


def _digest(seed: int, hash_seed: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", DIGEST, str(seed)], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.slow
def test_two_processes_make_the_same_bytes_from_one_seed_and_others_from_another() -> None:
    first = _digest(5, "0")
    assert first == _digest(5, "4242")
    assert first != _digest(6, "0")


def test_an_offer_does_not_depend_on_what_was_asked_before(market: Marketplace) -> None:
    in_order = list(islice(market, 300))
    fresh = Marketplace(seed=3, offers=6000, sellers=33)
    for arrival in Draws("any order").shuffled(range(300)):
        assert fresh[arrival] == in_order[arrival]
    for arrival in (299, 150, 7):
        style_of.cache_clear()
        product_of.cache_clear()
        seller_of.cache_clear()
        assert Marketplace(seed=3, offers=6000, sellers=33)[arrival] == in_order[arrival]


@pytest.mark.parametrize("shorter", [1, 63, 257, 2000])
def test_a_longer_market_begins_with_the_shorter_one(market: Marketplace, shorter: int) -> None:
    assert list(Marketplace(seed=3, offers=shorter, sellers=33)) == list(islice(market, shorter))


def test_offers_have_their_own_ids_and_photo_urls_under_the_base_url() -> None:
    market = Marketplace(seed=3, offers=500, sellers=33, base_url="http://127.0.0.1:4000/")
    entries = list(market)
    assert len({entry.offer.offer_id for entry in entries}) == 500
    urls = [url for entry in entries for url in entry.offer.image_urls]
    assert len(urls) == len(set(urls))
    assert all(re.fullmatch(r"http://127\.0\.0\.1:4000/photos/\d+/[1-5]\.jpg", url) for url in urls)


def test_sellers_show_one_to_five_photos(entries: list[MarketOffer]) -> None:
    counts = Counter(len(entry.offer.image_urls) for entry in entries)
    assert set(counts) == {1, 2, 3, 4, 5}


@settings(deadline=None, max_examples=examples(30))
@given(seed=st.integers(0, 2**32), sellers=st.integers(1, 40), offers=st.integers(0, 600))
def test_a_seller_lists_a_product_at_most_once(seed: int, sellers: int, offers: int) -> None:
    layout = Layout(seed, sellers)
    places = [layout.place(arrival) for arrival in range(offers)]
    assert len(set(places)) == offers
    assert all(0 <= place.seller < sellers for place in places)


@given(size=st.integers(1, 3000), key=st.integers())
def test_arrivals_are_permuted_without_collision(size: int, key: int) -> None:
    assert sorted(_permuted(value, size, Draws(key)) for value in range(size)) == list(range(size))


def test_most_products_have_one_offer_and_a_few_have_many(entries: list[MarketOffer]) -> None:
    offers = Counter(entry.product_id for entry in entries)
    alone = sum(count == 1 for count in offers.values())
    assert alone > 0.5 * len(offers)
    assert max(offers.values()) >= 10
    assert 0.1 * len(entries) < alone < 0.6 * len(entries)


def test_offers_of_one_product_come_from_far_apart(entries: list[MarketOffer]) -> None:
    seen: dict[str, int] = {}
    gaps = []
    for arrival, entry in enumerate(entries):
        if entry.product_id in seen:
            gaps.append(arrival - seen[entry.product_id])
        seen[entry.product_id] = arrival
    assert max(gaps) > 20 * BLOCK
    assert min(gaps) < BLOCK


def test_new_products_keep_coming_through_the_whole_stream(entries: list[MarketOffer]) -> None:
    known: set[str] = set()
    new_in = Counter[int]()
    for arrival, entry in enumerate(entries):
        new_in[arrival // 1000] += entry.product_id not in known
        known.add(entry.product_id)
    assert all(150 < new_in[part] < 900 for part in range(6))


def test_siblings_share_brand_and_model_and_differ_in_one_visible_thing(market: Marketplace) -> None:
    variants: dict[str, set[int]] = defaultdict(set)
    for arrival in range(2000):
        place = market._layout.place(arrival)
        variants[place.style].add(place.variant)
    families = [
        [product_of(3, style, number) for number in numbers] for style, numbers in variants.items() if len(numbers) > 1
    ]
    assert len(families) > 100
    for family in families:
        assert len({(product.style.brand, product.style.model, product.style.shape) for product in family}) == 1
        looks = {(product.colour, product.pattern, product.logo) for product in family}
        assert len(looks) == len({product.product_id for product in family}) == len(family)


def test_siblings_often_carry_the_very_same_title(entries: list[MarketOffer]) -> None:
    products_titled: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for entry in entries:
        products_titled[entry.style_id, entry.offer.seller_id, entry.offer.title].add(entry.product_id)
    assert sum(len(products) > 1 for products in products_titled.values()) > 20


def test_all_languages_currencies_and_price_forms_occur(entries: list[MarketOffer]) -> None:
    sellers = [seller_of(3, number) for number in range(33)]
    assert {seller.market.language for seller in sellers} == {"en", "de", "fr", "es", "it", "nl", "pl", "sv"}
    assert {seller.market.currency for seller in sellers} == {market.currency for market in MARKETS}
    prices = [entry.offer.price for entry in entries]
    text = [price for price in prices if isinstance(price, str)]
    assert any(re.fullmatch(r"[$£][\d,]+\.\d\d", price) for price in text)
    assert any(re.fullmatch(r"[\d.]+,\d\d €", price) for price in text)
    assert any(re.fullmatch(r"\d+ PHP", price) for price in text)
    amounts = [price.amount for price in prices if isinstance(price, RawPrice)]
    assert any(isinstance(amount, float) for amount in amounts)
    assert any(isinstance(amount, str) and re.fullmatch(r"\d\.\d+E\d", amount) for amount in amounts)


def test_brands_go_missing_or_are_misspelt_and_sizes_come_in_three_ways(entries: list[MarketOffer]) -> None:
    brands = Counter(entry.offer.brand for entry in entries)
    assert 0.1 < brands[None] / len(entries) < 0.8
    assert len(brands) > 60, "forty brands and their misspellings"
    offers = [entry.offer for entry in entries]
    assert {(offer.sizes is not None, offer.n_sizes is not None) for offer in offers} == {
        (True, False), (False, True), (False, False),
    }  # fmt: skip
    assert 0 < sum(offer.gtin is not None for offer in offers) < 0.4 * len(offers)


def test_gtins_carry_a_valid_check_digit(entries: list[MarketOffer]) -> None:
    gtins = [entry.offer.gtin for entry in entries if entry.offer.gtin]
    assert gtins
    for gtin in gtins:
        assert len(gtin) == 13
        assert sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(gtin)) % 10 == 0


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("object", RawPrice(1299.5, "EUR")),
        ("text", RawPrice("1299.50", "EUR")),
        ("comma-text", RawPrice("1.299,50", "EUR")),
        ("scientific", RawPrice("1.2995E3", "EUR")),
        ("symbol", "€1,299.50"),
        ("comma-symbol", "1.299,50 €"),
        ("code", "1299.50 EUR"),
        ("comma-code", "1.299,50 EUR"),
        ("whole-code", "1300 EUR"),
    ],
)
def test_prices_are_written_as_feeds_write_them(form: str, expected: RawPrice | str) -> None:
    assert write_price(1299.5, MARKETS[1], form) == expected


def test_an_unknown_price_form_is_refused() -> None:
    with pytest.raises(ValueError, match="roman"):
        write_price(1.0, MARKETS[0], "roman")


def test_the_event_reader_understands_what_the_sellers_meant(market: Marketplace) -> None:
    currencies = {number: seller_of(3, number).market.currency for number in range(33)}
    for entry, (key, value) in islice(zip(market, market.records(), strict=True), 600):
        offer, _ = read_offer(key, value)
        assert offer.offer_id == entry.offer.offer_id
        assert offer.image_urls == entry.offer.image_urls
        assert offer.price is not None
        assert offer.price.currency == currencies[int(entry.offer.seller_id.rpartition("s")[2])]
        assert 5 < offer.price.amount / {m.currency: m.per_euro for m in MARKETS}[offer.price.currency] < 3000


def test_records_are_the_offers_as_json_under_their_ids(market: Marketplace) -> None:
    for entry, (key, value) in islice(zip(market, market.records(), strict=True), 50):
        assert key == entry.offer.offer_id.encode()
        assert msgspec.json.decode(value, type=RawOffer) == entry.offer
        assert entry.product_id.encode() not in value, "the truth must not travel with the offer"


def test_the_truth_names_the_product_of_every_offer_in_order(tmp_path: Path, market: Marketplace) -> None:
    rows = write_truth(tmp_path / "truth.csv", market)
    with (tmp_path / "truth.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert rows == len(written) == len(market)
    for row, entry in zip(written, market, strict=True):
        assert row["offer_id"] == entry.offer.offer_id
        assert row["product_id"] == entry.product_id
        assert row["seller_id"] == entry.offer.seller_id


@pytest.mark.slow
@pytest.mark.parametrize("offers", [5000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_iterating_holds_no_offer_and_fills_only_bounded_caches(offers: int) -> None:
    held_before = _market_offers_alive()
    seen = 0
    for entry in islice(Marketplace(seed=1, offers=10**6, sellers=300), offers):
        seen += 1
        if seen % (offers // 4) == 0:
            assert _market_offers_alive() - held_before <= 2, entry
    assert seen == offers
    for cache in (style_of, product_of, seller_of, sprite_of, backdrop):
        limit = cache.cache_info().maxsize
        assert limit is not None
        assert limit <= 4096


def test_offers_outside_the_market_are_refused(market: Marketplace) -> None:
    for arrival in (-1, 6000, 10**9):
        with pytest.raises(IndexError):
            market[arrival]
    with pytest.raises(ValueError, match="sellers"):
        Marketplace(seed=1, offers=1, sellers=0)
    with pytest.raises(ValueError, match="offers"):
        Marketplace(seed=1, offers=-1, sellers=1)
