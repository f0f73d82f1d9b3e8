"""The figures are those of the evaluation; the report says what they are worth and shows nothing unescaped."""

import msgspec
import numpy as np
import pytest
from rich.console import Console

from matcher.ablation.kept import Decided
from matcher.ablation.logistic import fit_logistic
from matcher.ablation.notes import equal_titles, notes_on
from matcher.ablation.questions import Question
from matcher.ablation.report import ablation_markdown, ablation_page, ablation_view
from matcher.ablation.result import Ablation, Asked, shop_of
from matcher.ablation.rows import LeftOut
from matcher.evaluation import figures as fig
from matcher.evaluation.intervals import estimate
from tests.matcher.ablation.making import a_row, run
from tests.matcher.evaluation.making import a_dataset, tops

GROUPS = np.array([0, 0, 1, 1, 2, 2])
GOOD = tops([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [1, 1, 1, 1, 0, 1])
POOR = tops([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [1, 0, 1, 0, 0, 1])
HIDDEN = tops([0.3, 0.85, 0.2, 0.1, 0.4, 0.1], [0] * 6, [0] * 6)


def a_shop(name="made", left_out=()):
    rows = [a_row(), a_row(name="worse", against="base"), a_row(name="odd", section="Other", against="worse")]
    decided = {"base": GOOD, "worse": POOR, "odd": POOR}
    asked = Asked(
        question=Question(name="halves", lessons=()),
        decided={key: Decided(top=top, hidden=HIDDEN) for key, top in decided.items()},
        groups=GROUPS,
    )
    return shop_of(name, a_dataset(["p"] * 6), rows, [asked], left_out)


def test_figures_and_their_intervals_are_those_of_the_evaluation() -> None:
    base, worse, _ = (line.figures[0] for line in a_shop().lines)
    expected = estimate(fig.aucpr(GOOD), GROUPS)
    assert (base.aucpr, base.aucpr_low, base.aucpr_high) == (expected.value, expected.low, expected.high)
    assert worse.recall_at_1 == pytest.approx(3 / 6)
    assert base.aucpr_tenth < base.aucpr
    gain = estimate(fig.difference(fig.aucpr(POOR), fig.aucpr(GOOD)), GROUPS)
    assert (worse.aucpr_gain, worse.aucpr_gain_low, worse.aucpr_gain_high) == (gain.value, gain.low, gain.high)


def test_a_gain_over_the_same_decisions_is_exactly_none_and_the_base_has_no_gain() -> None:
    base, _, odd = (line.figures[0] for line in a_shop().lines)
    assert (odd.aucpr_gain, odd.aucpr_gain_low, odd.aucpr_gain_high) == (0, 0, 0)
    assert base.aucpr_gain is None


@pytest.mark.slow
def test_queries_of_all_lessons_are_counted_with_the_groups_of_their_table(tmp_path) -> None:
    found, _ = run(tmp_path, "raw vectors side", splits=("group", "product"), seeds=2)
    one, other = found.shops[0].questions
    assert one.queries == other.queries == 2 * found.shops[0].offers
    assert one.lessons == 4
    assert one.groups == other.groups < one.queries / 4


def test_sellers_that_carry_the_same_titles_are_called_what_they_are() -> None:
    sellers, titles = ["a", "b", "a", "b", "a"], ["Tee", "tee ", "Shoe", "Boot", "Hat"]
    table = a_dataset(["p", "p", "q", "q", "r"], sellers=sellers, titles=titles)
    assert equal_titles(table) == pytest.approx(1 / 2)
    (note,) = notes_on(table, [a_row()])
    assert "50 % of the products" in note
    assert "gives the answer away" in note
    assert equal_titles(a_dataset(["p", "p"])) is None
    apart = a_dataset(["p", "p"], sellers=["a", "b"], titles=["Tee", "Shirt"])
    assert notes_on(apart, [a_row()]) == ()


def test_the_report_shows_every_row_and_why_others_are_missing_and_escapes_what_came_from_outside() -> None:
    shop = a_shop(name="<b>|shop", left_out=[LeftOut("image", "the tables have no image")])
    shop = msgspec.structs.replace(shop, notes=("mind <i>this</i>",))
    ablation = Ablation(shops=(shop,))
    page, text = ablation_page(ablation), ablation_markdown(ablation)
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(ablation_view(ablation))
    for shown in (page, text, console.export_text()):
        for words in ("worse", "the tables have no image", "0.500", "-0."):
            assert words in shown
    assert "<b>" not in page
    assert "&lt;i&gt;" in page
    assert "\\<b>\\|shop" in text
    assert "(gain over: worse)" in page


def test_only_a_gain_whose_interval_leaves_out_zero_is_marked() -> None:
    shop = a_shop()
    figures = shop.lines[1].figures[0]
    page = ablation_page(Ablation(shops=(shop,)))
    assert figures.aucpr_gain_high >= 0
    assert 'class="worse"' not in page
    sure = msgspec.structs.replace(figures, aucpr_gain_high=-0.01)
    line = msgspec.structs.replace(shop.lines[1], figures=(sure,))
    assert 'class="worse"' in ablation_page(
        Ablation(shops=(msgspec.structs.replace(shop, lines=(shop.lines[0], line)),))
    )


def test_where_nothing_changed_the_report_says_so_instead_of_an_interval() -> None:
    page = ablation_page(Ablation(shops=(a_shop(),)))
    assert page.count(">none<") == 2
    assert "+0.000 [" not in page


def test_a_logistic_regression_learns_from_what_is_missing_too() -> None:
    random = np.random.default_rng(0)
    same = random.random(400) < 0.5
    evidence = random.standard_normal((400, 2)).astype(np.float32)
    evidence[same, 0] += 2
    evidence[~same & (random.random(400) < 0.5), 1] = np.nan
    score = fit_logistic(evidence, same)
    assert ((score(evidence) > 0) == same).mean() > 0.85
    known, unknown = score(np.array([[1, 0], [1, np.nan]], np.float32))
    assert unknown < known
    with pytest.raises(ValueError, match="expected pairs"):
        fit_logistic(evidence, np.ones(400, bool))
