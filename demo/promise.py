"""What the matcher's bundle promises, and whether the demo's decisions bear it out, each in a sentence."""

from scipy.stats import binomtest

from matcher.evaluation import Report
from matcher.model import Bundle

#: Decisions so rare under the promise speak against it.
DOUBT = 0.05


def promised(bundle: Bundle) -> str:
    """What to expect of the bundle, in its own words."""
    return f"Bundle {bundle.name} ({bundle.fingerprint}): {bundle.note}"


def kept(bundle: Bundle, report: Report) -> str:
    """How its automatic matches turned out, with the exact 95 % interval of Clopper and Pearson.

    The offers of one style are right or wrong together, which the interval does not know: it is somewhat too narrow.
    """
    if not report.accepted:
        return "Nothing was accepted automatically."
    low, high = binomtest(report.right, report.accepted).proportion_ci(0.95, "exact")
    said = (
        f"Of {report.accepted:,} automatic matches {report.right:,} are right: "
        f"{_percent(report.right / report.accepted)} (95 % interval {_percent(low)} to {_percent(high)})"
    )
    if bundle.promise is None or bundle.promise.accept is None:
        return f"{said}; nothing was promised."
    chance = binomtest(report.right, report.accepted, bundle.promise.target, "less").pvalue
    verdict = "speaks against that" if chance < DOUBT else "does not speak against that"
    return f"{said}; promised were {_percent(bundle.promise.target)}, and this {verdict}."


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
