"""The page: figures, charts and galleries put into the template. Everything that came with an offer is escaped."""

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from matcher.evaluation.evaluate import MATCH_RATES, Evaluated
from matcher.evaluation.html.charts import calibration, precision_recall, score_histogram
from matcher.evaluation.html.gallery import Explain, false_matches, missed_matches

#: Cards in each gallery.
CARDS = 24


def report_page(evaluated: Evaluated, *, explain: Explain | None = None, cards: int = CARDS) -> str:
    """One HTML document without scripts and without anything from outside. `explain`: evidence for a pair of rows."""
    model, answers = evaluated.model, evaluated.answers
    probabilities = model.calibrate is not None
    rates = MATCH_RATES if answers.top.has_match.any() else ()
    false_count, false_cards = false_matches(evaluated, cards, explain)
    missed_count, missed_cards = missed_matches(evaluated, cards, explain)
    environment = Environment(
        loader=PackageLoader("matcher.evaluation.html", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "bounds": bounds, "count": count, "share": share}
    style = (files("matcher.evaluation.html") / "style.css").read_text("utf-8")
    return environment.get_template("report.html").render(
        e=evaluated.evaluation,
        style=Markup(style),
        pr=precision_recall(answers, rates, model.accept),
        scores=score_histogram(answers, model.accept, model.review, probabilities=probabilities),
        reliability=calibration(answers, model.match_rate) if probabilities else None,
        probabilities=probabilities,
        false_count=false_count,
        false_cards=false_cards,
        missed_count=missed_count,
        missed_cards=missed_cards,
    )


def percent(value: float | None) -> str:
    """`12.3 %`, or a dash for nothing."""
    return "–" if value is None else f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def bounds(record: object, name: str) -> str:
    """`10.1–14.0`, the interval of a figure in per cent; empty where it has none."""
    low, high = getattr(record, f"{name}_low"), getattr(record, f"{name}_high")
    return "" if low is None or high is None else f"{100 * low:.1f}–{100 * high:.1f}"


def share(value: float) -> str:
    """`1 %` or `all`."""
    return "all" if value == 1 else f"{100 * value:g} %"


def count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"
