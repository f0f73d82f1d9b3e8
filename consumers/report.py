"""The report on a run: its topics, read once each, against the truth."""

from consumers.tail import tail
from matcher.evaluation import Report, Truth, compare
from matcher.evaluation.run.reading import read_history
from matcher.model.bundle import load_bundle
from matcher.settings import Settings


def collect(*, settings: Settings, truth: Truth, exclude_own_seller: bool | None = None) -> Report:
    """Compares what the topics hold now with `truth`; the processes may go on meanwhile.

    `exclude_own_seller` None takes it from the matcher's bundle. Raises what `tail` and `load_bundle` raise, and
    `Unreadable` for a decision that another offermatch wrote.
    """
    if exclude_own_seller is None:
        exclude_own_seller = load_bundle(settings.matcher.bundle).search.exclude_own_seller
    kafka, topics = settings.kafka, settings.topics
    # What came in is read before what became of it, so that nothing looks undecided that was decided meanwhile.
    history = read_history(
        topics,
        offers=tail(kafka, topics.offers),
        dead_letters=tail(kafka, topics.dead_letters),
        matches=tail(kafka, topics.matches),
        needs_review=tail(kafka, topics.needs_review),
        features=lambda: tail(kafka, topics.features),
        with_sellers=exclude_own_seller and not truth.sellers,
    )
    return compare(history, truth, exclude_own_seller=exclude_own_seller)
