"""The pictures of the report, each from the decisions behind it."""

import numpy as np
from markupsafe import Markup
from msgspec import Struct

from matcher.arrays import AnyArray, F64Array
from matcher.evaluation.decisions import Answers
from matcher.evaluation.figures import Curve, accepted, curve
from matcher.evaluation.html.svg import Plot
from matcher.evaluation.match_rates import mixture
from matcher.evaluation.reliability import Reliability, reliability

#: The most points of a line: more cannot be seen.
_POINTS = 600
_BINS = 40
#: Curves are cut where so few decisions are accepted that their precision jumps about.
_LEAST_ACCEPTED = 3


class Key(Struct, frozen=True):
    """A line of a legend."""

    css: str
    text: str


class Chart(Struct, frozen=True):
    """A picture, its legend, and a sentence on how to read it."""

    svg: Markup
    keys: tuple[Key, ...]
    note: str


def percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def precision_recall(answers: Answers, rates: tuple[float, ...], accept: float | None) -> Chart:
    """One curve for each share of queries with a match, and the accept threshold on each of them."""
    plot = Plot((0, 1), (0, 1), x_label="recall", y_label="precision", title="precision over recall")
    keys = []
    everyone = len(answers.top)
    for place, rate in enumerate(rates):
        mixed = mixture(answers, rate)
        weights = mixed.weights(np.ones((1, everyone)))[0]
        css, text = f"rate{place}", f"{_share(rate)} have a match"
        drawn = curve(mixed.top, weights)
        plot.line(_thinned(drawn, everyone), css, text)
        keys.append(Key(css, text))
        if accept is not None:
            taken = accepted(mixed.top, accept)
            weight = float(weights[taken].sum())
            if weight > 0:
                right = float(weights[taken & mixed.top.right].sum())
                recall = right / float(weights[mixed.top.has_match].sum())
                name = f"accept threshold, {text}: precision {right / weight:.3f}, recall {recall:.3f}"
                plot.dot(recall, right / weight, 5, css, name)
    note = "The dots are the accept threshold. " if accept is not None else ""
    note += (
        "Fewer queries with a match mean more chances to be wrong: the same threshold, another precision. "
        "Partners were hidden to make each share."
    )
    return Chart(plot.svg(percent, percent), tuple(keys), note)


def score_histogram(answers: Answers, accept: float | None, review: float | None, *, probabilities: bool) -> Chart:
    """Three panels over one axis: right, wrong, and no match."""
    top = answers.top
    matchless = top.take(~top.has_match)
    hidden = not len(matchless)
    kinds = (
        ("right", "right", top.take(top.right)),
        ("wrong", "wrong, though there is a match", top.take(top.has_match & ~top.right)),
        ("nomatch", "no match (partners hidden)" if hidden else "no match", answers.hidden if hidden else matchless),
    )
    values = [part.confidence[part.candidate >= 0] for _, _, part in kinds]
    low, high = (0.0, 1.0) if probabilities else _range(np.concatenate(values))
    panels = Markup("")
    for (css, text, _), confidence in zip(kinds, values, strict=True):
        counts, edges = np.histogram(confidence, bins=_BINS, range=(low, high))
        peak = max(1, int(counts.max()))
        plot = Plot(
            (low, high), (0, peak), x_label="probability" if probabilities else "score", y_label="queries",
            title=f"scores of decisions that are {text}", height=190, ticks=4,
        )  # fmt: skip
        for count, start, end in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if count:
                name = f"{start:.3f} to {end:.3f}: {count:,} {text}"
                plot.bar(start, end, height=count, css=css, name=name)
        for threshold, name in ((review, "review"), (accept, "accept")):
            if threshold is not None:
                plot.rule(threshold, name if css == "right" else "", left=name == "review")
        panels += Markup("<h4>{} · {:,}</h4>").format(text, len(confidence))
        panels += plot.svg(lambda value: f"{value:.2f}", lambda value: f"{value:,.0f}" if value == int(value) else "")
    return Chart(panels, (), "The top candidate of each query. Panels have scales of their own.")


def calibration(answers: Answers, rate: float | None) -> Chart:
    """Reliability at the match rate of the data and at the one that the thresholds hold for."""
    plot = Plot((0, 1), (0, 1), x_label="probability said", y_label="share right", title="calibration")
    plot.line([(0, 0), (1, 1)], "even", "a perfect calibration")
    seen = [("found", "these queries", reliability(answers.top))]
    if rate is not None and answers.top.has_match.any():
        mixed = mixture(answers, rate)
        weights = mixed.weights(np.ones((1, len(answers.top))))[0]
        seen.append(("promised", f"if {_share(rate)} had a match", reliability(mixed.top, weights)))
    for css, text, found in seen:
        _draw_bins(plot, css, text, found)
    keys = tuple(
        Key(css, f"{text}: off by {found.error:.3f} on average") for css, text, found in seen if found.error is not None
    )
    note = "On the line a probability means what it says; below it, it promises too much. Bars: 95 % intervals."
    return Chart(plot.svg(percent, percent), keys, note)


def _draw_bins(plot: Plot, css: str, text: str, found: Reliability) -> None:
    most = max((each.count for each in found.bins), default=1)
    plot.line([(each.confidence, each.right) for each in found.bins], f"{css} thin", text)
    for each in found.bins:
        plot.whisker(each.confidence, each.low, each.high, css)
        name = f"{text}: said {each.confidence:.3f}, right {each.right:.3f}, about {each.count:,.0f} queries"
        plot.dot(each.confidence, each.right, 3 + 6 * (each.count / most) ** 0.5, css, name)


def _thinned(drawn: Curve, queries: int) -> list[tuple[float, float]]:
    """The curve as points, without the first few decisions and with no more points than can be seen."""
    enough = drawn.coverage * queries >= min(_LEAST_ACCEPTED, queries)
    recall, precision = drawn.recall[enough], drawn.precision[enough]
    chosen: AnyArray = np.unique(np.linspace(0, len(recall) - 1, min(_POINTS, len(recall))).astype(np.int64))
    return list(zip(recall[chosen].tolist(), precision[chosen].tolist(), strict=True))


def _range(values: F64Array) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _share(rate: float) -> str:
    return "all" if rate == 1 else f"{100 * rate:g} %"
