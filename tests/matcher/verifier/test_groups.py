"""What each group of evidence says of pairs made by hand."""

import math

import pytest

from matcher.events.offer import Price
from tests.matcher.verifier.making import NAMES, an_idf, an_offer, compare, missing

approx = pytest.approx


def test_equal_titles_agree_in_every_word() -> None:
    said = compare("Jabra Evolve 75 UC", "jabra  EVOLVE-75 uc!")
    for name in ("word_cosine", "word_overlap", "phrase_overlap", "stem_overlap", "gram_cosine", "spelling"):
        assert said[name] == approx(1), name
    for name in ("missing_words_more", "swapped_words", "numbers_missing_more", "length_gap"):
        assert said[name] == 0, name


def test_titles_without_a_common_word_share_nothing() -> None:
    said = compare("alpha beta", "gamma delta")
    assert said["word_cosine"] == said["word_overlap"] == said["rarest_shared_word"] == 0
    assert said["missing_words_less"] == 2


def test_the_shorter_title_in_the_longer_is_contained_and_misses_on_one_side_only() -> None:
    said = compare("Evolve 75", "Evolve 75 headset stand")
    assert said["word_containment"] == 1
    assert said["word_overlap"] == approx(0.5)
    assert (said["missing_words_less"], said["missing_words_more"]) == (0, 2)
    assert said["told_more"] == 1


def test_rare_words_weigh_more_than_common_ones() -> None:
    idf = an_idf(["common"] * 40 + ["a", "b", "c", "d", "e"])
    common, rare = (compare(f"{word} one", f"{word} two", idf=idf) for word in ("common", "zyx"))
    assert 0 < common["rarest_shared_word"] < 0.1 < rare["rarest_shared_word"] == 1
    assert common["word_cosine"] < rare["word_cosine"]


@pytest.mark.parametrize(
    ("one", "other", "agree", "conflict"),
    [
        ("phone 256GB", "phone 256 gb", 1, 0),
        ("phone 256GB", "phone 512GB", 0, 1),
        ("disk 1TB", "disk 1000 GB", 1, 0),
        ("band 42mm", "band 4,2 cm", 1, 0),
        ('tv 55"', "tv 55 inch 4 kg", 1, 0),
        ("pack of 6 pens", "pens 6 pcs", 1, 0),
        ("phone 256GB 6 inch", "phone 512GB 6 zoll", 1, 1),
        ("phone 256GB", "phone 42mm", 0, 0),
    ],
)
def test_measures_are_compared_in_one_unit_per_dimension(one, other, agree, conflict) -> None:
    said = compare(one, other)
    assert (said["quantities_agree"], said["quantities_conflict"]) == (agree, conflict)


def test_a_measure_may_be_told_or_contradicted_by_the_other_description() -> None:
    told = compare(an_offer(title="phone 256GB"), an_offer(title="phone", description="has 256 GB"))
    other = compare(an_offer(title="phone 256GB"), an_offer(title="phone", description="has 64 GB"))
    assert (told["told_quantities_agree"], told["told_quantities_conflict"]) == (1, 0)
    assert (other["told_quantities_agree"], other["told_quantities_conflict"]) == (0, 1)
    assert told["quantities_agree"] == other["quantities_conflict"] == 0


def test_numbers_that_differ_are_missing_on_both_sides() -> None:
    said = compare("evolve 75 uc", "evolve 65 uc")
    assert (said["numbers_shared"], said["numbers_missing_less"], said["numbers_missing_more"]) == (0, 1, 1)
    told = compare(an_offer(title="evolve 75"), an_offer(title="evolve", description="the 75"))
    assert (told["numbers_missing_more"], told["untold_numbers_more"]) == (1, 0)
    assert missing(compare("evolve", "evolve")["numbers_overlap"])


def test_colours_agree_across_languages_and_conflict_otherwise() -> None:
    same, differ, one = (compare("case black", f"case {word}") for word in ("schwarz", "weiß blue", "slim"))
    assert (same["colour_shared"], same["colour_conflict"], same["colour_one_sided"]) == (1, 0, 0)
    assert (differ["colour_shared"], differ["colour_conflict"]) == (0, 1)
    assert (one["colour_one_sided"], one["colour_conflict"]) == (1, 0)
    assert same["alternatives_agree"] == differ["alternatives_conflict"] == 1
    told = compare(an_offer(title="case black"), an_offer(title="case", description="white"))
    assert (told["alternatives_conflict"], told["told_alternatives_conflict"]) == (0, 1)


def test_variant_words_count_where_the_other_title_lacks_them() -> None:
    said = compare("note 8 pro", "note 8 pro kit")
    assert (said["marks_shared"], said["marks_less"], said["marks_more"]) == (1, 0, 1)


def test_a_word_exchanged_for_another_at_its_place_is_seen_beside_the_shared_word() -> None:
    assert compare("note 8 pro", "note 8 lite")["swapped_words"] == 1
    assert compare("note 8 pro", "note 8")["swapped_words"] == 0
    assert compare("pro note 8", "lite note 8")["swapped_words"] == 1
    behind = compare("note 8t", "note 8")
    assert (behind["marks_missing_less"], behind["marks_missing_more"]) == (0, 1)


def test_codes_agree_conflict_or_are_told() -> None:
    same = compare("headphones WH-1000XM3", "sony wh1000xm3 black")
    assert (same["code_shared"], same["code_conflict"], same["code_nearness"]) == (9, 0, 1)
    differ = compare("headphones WH-1000XM3", "headphones WH-1000XM4")
    assert (differ["code_shared"], differ["code_conflict"]) == (0, 1)
    assert 0.9 < differ["code_nearness"] < 1
    told = compare(an_offer(title="WH-1000XM3"), an_offer(title="headphones", description="type wh 1000 xm3."))
    assert told["code_told"] == 9
    assert missing(told["code_conflict"])
    assert missing(compare("headphones", "headphones")["code_told"])
    assert missing(compare("memory 1600mhz", "memory 1600mhz")["code_shared"])


def test_short_model_names_are_shared_or_lacking() -> None:
    same, differ = compare("canon 570x zoom", "570 x canon"), compare("canon 570x", "canon 580x")
    assert (same["model_shared"], same["model_missing_more"]) == (1, 0)
    assert (differ["model_shared"], differ["model_missing_less"], differ["model_missing_more"]) == (0, 1, 1)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("4006381333931", "04006381333931", 1),
        ("4006381333931", "96385074", 0),
        ("4006381333931", "4006381333932", math.nan),  # wrong check digit
        ("4006381333931", None, math.nan),
    ],
)
def test_gtins_are_compared_where_both_are_valid(one, other, expected) -> None:
    said = compare(an_offer(title="a", gtin=one), an_offer(title="b", gtin=other))
    assert said["gtin_equal"] == approx(expected, nan_ok=True)


def test_part_numbers_are_compared_without_punctuation() -> None:
    def equal(one, other) -> float:
        return compare(an_offer(title="a", mpn=one), an_offer(title="b", mpn=other))["mpn_equal"]

    assert (equal("AB-123", "ab 123"), equal("AB-123", "AB-124")) == (1, 0)
    assert missing(equal("AB-123", "--"))


def test_copied_descriptions_share_runs_of_words() -> None:
    text = "lose yourself in silence and escape the sounds of the city"
    copied = compare(an_offer(title="a", description=text), an_offer(title="b", description=f"Now: {text.upper()}"))
    same_words = compare(
        an_offer(title="a", description=text),
        an_offer(title="b", description=" ".join(reversed(text.split()))),
    )
    assert copied["copied_text"] > 0.8
    assert same_words["copied_text"] == 0
    assert missing(compare(an_offer(title="a", description=text), an_offer(title="b"))["copied_text"])


def money(one, other) -> tuple[float, float]:
    said = compare(an_offer(title="a", price=one), an_offer(title="b", price=other))
    return said["price_gap"], said["same_currency"]


def test_prices_in_one_currency_are_compared_as_they_are_and_others_in_euros() -> None:
    usd, eur = Price(amount=117.1, currency="USD"), Price(amount=100.0, currency="EUR")
    assert money(eur, Price(amount=200.0, currency="EUR")) == (approx(math.log(2)), 1)
    assert money(usd, eur) == (approx(0, abs=1e-6), 0)
    # No rate is known, but it is the same money.
    assert money(Price(amount=5.0, currency="XXX"), Price(amount=10.0, currency="XXX")) == (approx(math.log(2)), 1)


@pytest.mark.parametrize(
    "other",
    [None, Price(amount=0.0, currency="EUR"), Price(amount=5.0), Price(amount=5.0, currency="XXX")],
    ids=["none", "nothing", "no currency", "no rate"],
)
def test_prices_that_cannot_be_compared_are_missing(other) -> None:
    gap, _ = money(Price(amount=5.0, currency="EUR"), other)
    assert missing(gap)


def test_two_amounts_without_currency_are_not_taken_for_one_currency() -> None:
    gap, same = money(Price(amount=5.0), Price(amount=5.0))
    assert missing(gap)
    assert missing(same)


def test_brands_are_compared_by_spelling_and_looked_for_in_the_other_offer() -> None:
    near = compare(an_offer(title="x", brand="Hewlett Packard"), an_offer(title="x", brand="Hewlett-Packard"))
    far = compare(an_offer(title="x", brand="Sony"), an_offer(title="x", brand="Jabra"))
    told = compare(an_offer(title="x", brand="Sony"), an_offer(title="the sony x"))
    untold = compare(an_offer(title="x", brand="Sony"), an_offer(title="the x"))
    assert near["brand_similarity"] == 1 > far["brand_similarity"]
    assert (near["brand_told"], far["brand_told"], told["brand_told"], untold["brand_told"]) == (1, 0, 1, 0)
    assert missing(told["brand_similarity"])
    assert missing(compare("x", "x")["brand_told"])


def test_form_puts_lengths_scripts_and_sizes_side_by_side() -> None:
    said = compare(an_offer(title="abcd", n_sizes=2), an_offer(title="abcd 耳机耳", n_sizes=4))
    assert said["shorter_title"] == 4
    assert said["length_gap"] == approx(math.log(9 / 5))
    assert said["script_gap"] == approx(3 / 8)
    assert said["sizes_gap"] == approx(math.log(2))


def test_without_a_title_only_what_is_no_title_speaks() -> None:
    fields = {"gtin": "4006381333931", "mpn": "AB-1", "n_sizes": 3, "price": Price(amount=3.0, currency="EUR")}
    said = compare(an_offer(title="phone 256GB black", **fields), an_offer(**fields))
    assert {name for name in NAMES if not missing(said[name])} == {
        "gtin_equal",
        "mpn_equal",
        "price_gap",
        "same_currency",
        "sizes_gap",
    }
