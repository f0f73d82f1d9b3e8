"""Brands: one name for many spellings, and what can be one brand; the table finds exactly what the rule says."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.brands import BRANDLESS, READING, BrandTable, compatible, read_brand
from matcher.brands.names import names_in
from matcher.brands.words import ALIASES, ARTICLES, JOINING, LEGAL, NO_BRAND
from tests.examples import examples

SPELLINGS = [
    ["H&M", "H & M", "h &amp; m", "Hennes & Mauritz", "HENNES and MAURITZ AB", "H and M", "H＆M"],
    ["Hewlett-Packard Company", "HP Inc.", "hp"],
    ["Hermès", "HERMES", "Hermes\u0301".replace("s\u0301", "s"), "Hermès International"],
    ["Levi's®", "Levi’s", "LEVIS", "Levi Strauss & Co."],
    ["Bose Corporation", "bose", "BOSE™"],
    ["adidas AG", "by Adidas", "the adidas Group"],
]


@pytest.mark.parametrize("spellings", SPELLINGS, ids=lambda some: some[0])
def test_spellings_of_one_brand_have_one_name(spellings: list[str]) -> None:
    assert len({read_brand(text) for text in spellings}) == 1


@pytest.mark.parametrize(
    "text", [None, "", " - ", "N/A", "unbranded", "No Brand", "Does not apply", "nicht angegeben", "The Unknown",
             "https://shop.example/images/1.jpg", "www.shop.example", "bags.com"],
)  # fmt: skip
def test_what_is_no_brand_is_none(text: str | None) -> None:
    assert read_brand(text) is None
    table = BrandTable()
    assert table.block(text) == BRANDLESS
    assert table.seen_by(text, "Nike shoe") is None
    assert len(table) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Fuji", "Fujifilm"), ("Cooler Master", "CoolerMaster Europe B.V."), ("Park", "Park Tool"),
        ("Ralph Lauren", "Polo Ralph Lauren"), ("WD", "Western Digital"), ("DW", "Daniel Wellington"),
        ("Westerm Digital", "Western Digital"), ("Samsnug", "Samsung"), ("D'Addario", "DAddario"),
        ("TP-Link", "TPLINK"),
        ("Michael Kors", "MICHAEL Michael Kors"), ("Adidas", "Adidas Originals"), ("Zara", "ZARA"),
    ],
)  # fmt: skip
def test_brands_that_can_be_one(one: str, other: str) -> None:
    assert compatible(read_brand(one), read_brand(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Nike", "Puma"), ("Nike", "Mike"), ("Boss", "Bose"), ("Canon", "Nikon"), ("Lee Jeans", "Guess Jeans"),
        ("Jeans", "Pepe Jeans"), ("Sony", "Soni"), ("Sandisk", "Kingston"), ("LG", "LK"), ("Seagate", "Segway"),
    ],
)  # fmt: skip
def test_brands_that_cannot_be_one(one: str, other: str) -> None:
    assert not compatible(read_brand(one), read_brand(other))


def test_an_offer_sees_compatible_brands_and_those_that_its_title_names() -> None:
    table = BrandTable()
    park, qbp, nike, ours = (table.block(text) for text in ("Park Tool", "QBP", "Nike", "Parktool GmbH"))
    assert table.seen_by("QBP", "Park Tool PW-3 pedal wrench") == {qbp, park, ours}
    assert table.seen_by("QBP", "pedal wrench") == {qbp}
    assert table.seen_by("Park Tools", None) == {park, ours}
    assert table.seen_by("Nike", "air max by NIKE") == {nike}
    assert table.seen_by("Puma", "running shoe") == frozenset()
    assert table.seen_by(None, "Nike air max") is None
    assert len(table) == 4, "asking teaches the table nothing"


def test_a_title_names_an_alias_too() -> None:
    table = BrandTable()
    block = table.block("H&M")
    assert block in (table.seen_by("Some Shop", "Kleid von Hennes & Mauritz, blau") or ())


def test_a_brand_seen_for_the_first_time_is_seen_by_those_that_were_asked_for_before() -> None:
    table = BrandTable()
    first = table.block("Ubiquiti")
    assert table.compatible("Ubiquiti") == {first}
    second = table.block("Ubiquiti Networks (UBNT)")
    assert table.compatible("Ubiquiti") == {first, second}
    assert table.block("UBIQUITI") == first


def test_a_table_goes_on_from_its_names() -> None:
    table = BrandTable()
    texts = [text for spellings in SPELLINGS for text in spellings] + ["Fuji", "Fujifilm"]
    blocks = [table.block(text) for text in texts]
    again = BrandTable(table.names)
    assert [again.block(text) for text in texts] == blocks
    assert [again.compatible(text) for text in texts] == [table.compatible(text) for text in texts]


def test_a_table_of_which_names_were_dropped_leaves_their_numbers_out() -> None:
    table = BrandTable({"nike": 3, "puma": 7})
    assert len(table) == 2
    assert [table.block("Nike"), table.block("Puma"), table.block("Asics")] == [3, 7, 8]
    assert table.compatible("Nikee") == {3}
    assert table.names == {"nike": 3, "puma": 7, "asics": 8}


@pytest.mark.parametrize("names", [{"": 0}, {"nike": -1}, {"nike": 1, "puma": 1}, {"nike": 1, "puma": 0}])
def test_names_that_cannot_be_of_a_table_are_refused(names: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected names of brands, each once and with rising numbers"):
        BrandTable(names)


def test_a_name_is_learned_once() -> None:
    table = BrandTable({"nike": 0})
    with pytest.raises(ValueError, match="each once"):
        table.learn({"nike": 1})


@given(st.text(max_size=60) | st.text(st.characters(max_codepoint=0x2FF), max_size=60))
def test_a_canonical_name_is_its_own_canonical_name(text: str) -> None:
    brand = read_brand(text)
    if brand is not None:
        assert read_brand(brand.name) == brand
        assert brand.key in brand.parts


#: Names that are near each other in every way the rule knows, and some that just are not.
words = st.sampled_from(["park", "tool", "tools", "h", "m", "hm", "of", "jeans", "pt", "nike", "digital"])
NEAR = (
    "park,parker,parkertool,parktool,parktools,parktols,parktol,praktool,parktoools,par,nikon,nikno,niko,nikonn,mikon,"
    "hm,h m,p t,park tool,tool park,westerndigital,western digital,westernn digitall,westerndgtal,wd,western"
)
near = st.sampled_from(NEAR.split(","))
names = near | st.lists(words, min_size=1, max_size=4).map(" ".join)


@settings(deadline=None, max_examples=examples(200))
@given(st.lists(names, max_size=12), names, st.lists(words, max_size=6).map(" ".join), st.randoms())
def test_the_table_finds_what_the_rule_says_in_whatever_order_brands_come(brands, asked, title, random) -> None:
    expected = {
        brand.name
        for text in brands
        if (brand := read_brand(text)) and (compatible(read_brand(asked), brand) or brand.key in names_in(title))
    }
    shuffled = random.sample(brands, len(brands))
    early, late = BrandTable(), BrandTable()
    for text in brands:
        early.compatible(asked)
        early.block(text)
        early.seen_by(text, title)
    for text in shuffled:
        late.block(text)
    for table in (early, late):
        seen = table.seen_by(asked, title)
        assert {name for name, block in table.names.items() if block in seen} == expected


@given(names, names)
def test_compatible_is_symmetric_and_a_brand_is_compatible_with_itself(one, other) -> None:
    left, right = read_brand(one), read_brand(other)
    assert compatible(left, right) == compatible(right, left)
    assert compatible(left, left)


def test_names_are_read_as_ever_or_the_reading_has_another_number() -> None:
    """States hold names: who changes what `read_brand` gives raises `READING` and sets these down anew."""
    texts = [text for spellings in SPELLINGS for text in spellings]
    texts += [
        "  Zoë's® B&B GmbH &amp; Co. KG",
        "The North Face, Inc.",
        "www.shop.de",
        "n/a",
        "ＮＩＫＥ",
        "Škoda Auto a.s.",
        "3M™",
    ]
    named = [brand.name if (brand := read_brand(text)) else None for text in texts]
    digest = hashlib.sha256(repr((named, ALIASES, *map(sorted, (LEGAL, ARTICLES, JOINING, NO_BRAND)))).encode())
    assert (READING, digest.hexdigest()[:16]) == (1, "b855ee8d49dbfd19")
