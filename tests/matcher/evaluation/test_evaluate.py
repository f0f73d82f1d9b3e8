"""A whole evaluation: its figures agree with each other, and its report is safe to open."""

import base64
import io
from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from matcher.evaluation.evaluate import MATCH_RATES, Evaluated, Model, evaluate
from matcher.evaluation.html import report_page
from matcher.evaluation.html.thumbnails import SIDE, thumbnail
from matcher.evaluation.render import evaluation_view
from matcher.evaluation.result import Evaluation
from matcher.events.decision import Evidence
from matcher.training.dataset import Pairs
from tests.matcher.evaluation.making import a_dataset, near_products

PRODUCTS, VECTORS = near_products(60, 3, spread=0.5, seed=7)
SELLERS = [f"s{row % 3}" for row in range(len(PRODUCTS))]
GROUPS = np.arange(len(PRODUCTS)) // 6
EVIL = '"><script>alert(1)</script>'


def a_photo(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(out, "JPEG")
    return out.getvalue()


def evaluated(mode="all", model=None, **made) -> Evaluated:
    model = model or Model(
        fingerprint="feed", accept=0.85, review=0.6, match_rate=0.1, pair_threshold=0.7, candidates=5,
        calibrate=lambda score: 1 / (1 + np.exp(-12 * (score - 0.75))),
    )  # fmt: skip
    pairs = Pairs(left=np.arange(0, 60), right=np.arange(1, 61), same=np.arange(60) % 3 < 2)
    dataset = a_dataset(PRODUCTS, sellers=SELLERS, pairs={"pairs_valid": pairs}, **made)
    return evaluate(dataset, VECTORS, model, groups=GROUPS, mode=mode, draws=60)


def test_the_figures_of_an_evaluation_agree_with_each_other() -> None:
    found = evaluated().evaluation
    assert found.queries == found.queries_with_match == found.index_size == 180
    assert found.aucpr == pytest.approx(found.average_precision * found.recall_at_1)
    assert found.aucpr <= found.recall_at_1 <= found.recall_at_3 <= found.candidate_recall
    assert found.accept_precision == pytest.approx(found.accepted_right / found.accepted)
    assert found.accept_coverage == pytest.approx(found.accepted / found.queries)
    assert found.accept_recall <= found.recall_with_review
    assert found.misses.missed == found.queries_with_match - found.accepted_right
    for name in ("aucpr", "recall_at_1", "accept_precision", "accept_recall", "b3_precision", "b3_recall"):
        low, value, high = (getattr(found, name + end) for end in ("_low", "", "_high"))
        assert low <= value <= high, name
    assert [point.match_rate for point in found.match_rates] == list(MATCH_RATES)
    assert found.match_rates[0].aucpr == pytest.approx(found.aucpr)
    assert found.pairs.pairs == 60
    assert msgspec.json.decode(msgspec.json.encode(found), type=Evaluation) == found


def test_the_first_offers_of_a_stream_have_no_match() -> None:
    found = evaluated("stream").evaluation
    assert found.queries == 180
    assert found.queries_with_match == 120


def test_without_thresholds_nothing_is_accepted_and_the_rest_is_there() -> None:
    found = evaluated(model=Model()).evaluation
    assert found.accept_threshold is None
    assert (found.accepted, found.accept_precision, found.b3_recall, found.review) == (None, None, None, None)
    assert found.aucpr is not None
    assert found.misses.below_threshold == 0


def test_groups_of_another_dataset_are_refused() -> None:
    with pytest.raises(ValueError, match="a group for each"):
        evaluate(a_dataset(PRODUCTS), VECTORS, Model(), groups=GROUPS[:-1])


def test_a_dataset_in_which_nothing_matches_is_evaluated() -> None:
    products = [f"p{row}" for row in range(len(PRODUCTS))]
    result = evaluate(a_dataset(products), VECTORS, Model(accept=0.9, review=0.5), groups=GROUPS, draws=20)
    assert (result.evaluation.queries_with_match, result.evaluation.aucpr) == (0, None)
    assert result.evaluation.match_rates == ()
    assert "<svg" in report_page(result)


@pytest.mark.parametrize("width", [60, 140])
def test_the_terminal_shows_the_figures(width) -> None:
    found = evaluated().evaluation
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(evaluation_view(found))
    text = console.export_text()
    assert f"{100 * found.aucpr:.1f} %" in text
    assert "recall at 99 %" in " ".join(text.split()) or width < 100


class Page(HTMLParser):
    """What a browser would load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "data", "action"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def test_what_comes_with_an_offer_cannot_become_markup() -> None:
    photo = "data:image/jpeg;base64," + base64.b64encode(a_photo(640, 480)).decode()
    result = evaluated(titles=[EVIL] * len(PRODUCTS), photos=dict.fromkeys(range(len(PRODUCTS)), (photo,)))
    text = report_page(result, explain=lambda _dataset, _query, _row: [Evidence(EVIL, 0.5, "match")])
    page = Page(text)
    assert "script" not in page.tags
    assert page.handlers == []
    assert "&lt;script&gt;" in text
    assert page.loads
    assert all(load.startswith("data:image/jpeg;base64,") for load in page.loads)
    assert "url(" not in text
    assert "@import" not in text


def test_the_galleries_show_the_false_and_the_missed() -> None:
    result = evaluated()
    found = result.evaluation
    text = report_page(result, cards=4)
    assert f"of {found.accepted - found.accepted_right}, surest first" in text
    assert f"of {found.misses.missed}, some of each kind" in text
    assert text.count("<article>") <= 8


def test_a_thumbnail_is_small_and_a_photo_that_cannot_be_had_is_left_out(tmp_path) -> None:
    path = tmp_path / "a photo.jpg"
    path.write_bytes(a_photo(1200, 800))
    for url in (str(path), path.as_uri()):
        small = thumbnail(url)
        assert small is not None
        with Image.open(io.BytesIO(base64.b64decode(small.partition(",")[2]))) as image:
            assert max(image.size) == SIDE
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    for url in (str(broken), str(tmp_path / "missing.jpg"), "https://127.0.0.1/a.jpg", "data:image/png;base64,??", ""):
        assert thumbnail(url) is None
