"""The report for people: the same figures as the JSON, as tables for a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from matcher.evaluation import Report


def report_view(report: Report) -> RenderableType:
    """What `rich.console.Console.print` shows of a report. Says in words what the figures leave out."""
    return Group(_outcomes(report), Text(), _quality(report), *_notes(report))


def _outcomes(report: Report) -> Table:
    table = Table(title="Decisions", title_justify="left", box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(justify="right", style="dim")
    rows = [
        ("offers", report.offers),
        ("matched", report.matched),
        ("needs review", report.needs_review),
        ("new products", report.new_products),
        ("reassigned since", report.overwritten),
        ("dead letters", report.dead_letters),
        ("undecided", report.undecided),
    ]
    for name, count in rows:
        if count or name not in ("reassigned since", "undecided", "dead letters"):
            table.add_row(name, f"{count:,}", _percent(count / report.offers if report.offers else None))
        for entry in report.dead_letters_by_reason if name == "dead letters" else ():
            table.add_row(Text(f"  {entry.stage}: {entry.reason}", style="dim"), f"{entry.count:,}", "")
    table.add_row("from event to decision", _seconds(report.latency_p50), f"p99 {_seconds(report.latency_p99)}")
    return table


def _quality(report: Report) -> Table:
    table = Table(title="Against the truth", title_justify="left", box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    standing = f"{report.products:,} products of {report.live_offers:,} live offers"
    found = report.right + report.right_in_review
    table.add_row("precision", _percent(report.precision), f"{report.right:,} right of {report.accepted:,} matches")
    table.add_row("recall", _percent(report.recall), f"of {report.queries_with_match:,} queries with a match")
    table.add_row("recall with review", _percent(report.recall_with_review), f"{found:,}, if people find what is shown")
    table.add_row(
        "B³ precision",
        _percent(report.b3_precision),
        standing,
    )
    table.add_row("B³ recall", _percent(report.b3_recall), "of those among them that the truth knows")
    return table


def _notes(report: Report) -> list[Text]:
    """One line for each thing that the figures do not cover."""
    notes = [
        (report.decided_without_truth, "decided offers are not in the truth, and were left out"),
        (report.unjudged, "matches are with offers that are not in the truth, and were left out"),
        (report.truth_not_decided, "offers of the truth have no decision"),
        (report.truth_rows_skipped, "rows of the truth could not be read or name no product"),
        (report.superseded, "or more earlier versions are no longer in the log, and were not judged"),
        (report.overwritten, "first decisions were overwritten by a verdict, and were not judged"),
        (report.withdrawn, "offers were withdrawn"),
    ]
    return [Text(f"{count:,} {what}", style="yellow") for count, what in notes if count]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f} s"
