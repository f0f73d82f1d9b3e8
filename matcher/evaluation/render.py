"""The evaluation for people at a terminal: the same figures as the JSON, as tables."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from matcher.evaluation.result import Evaluation


def evaluation_view(evaluation: Evaluation) -> RenderableType:
    """What `rich.console.Console.print` shows of an evaluation."""
    parts: list[RenderableType] = [_heading(evaluation), Text(), _figures(evaluation), Text(), _threshold(evaluation)]
    if evaluation.pairs is not None:
        parts += [Text(), _pairs(evaluation)]
    parts += [Text(), _misses(evaluation)]
    if evaluation.match_rates:
        parts += [Text(), _rates(evaluation)]
    if evaluation.domains:
        parts += [Text(), _domains(evaluation)]
    return Group(*parts)


def _heading(found: Evaluation) -> Text:
    mode = "each against what came before it" if found.mode == "stream" else "all against all"
    text = Text(found.dataset, style="bold")
    text.append(
        f"  {found.queries:,} queries, {found.queries_with_match:,} with a match, {found.index_size:,} offers, {mode}; "
        f"95 % intervals over {found.groups:,} sibling groups",
        style="not bold dim",
    )
    return text


def _plain(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_column(style="dim")
    return table


def _row(table: Table, label: str, record: object, name: str, about: str = "") -> None:
    table.add_row(label, _percent(getattr(record, name)), _bounds(record, name), about)


def _figures(found: Evaluation) -> Table:
    table = _plain("Retrieval")
    _row(table, "AUCPR", found, "aucpr", "recall over queries with a match")
    _row(table, "average precision", found, "average_precision", "of the top answers; not the same as AUCPR")
    _row(table, "recall at 1", found, "recall_at_1")
    _row(table, "recall at 3", found, "recall_at_3")
    _row(table, "among candidates", found, "candidate_recall", f"the best {found.candidates}")
    if found.recall_lost_to_blocking is not None:
        label = "lost to blocking" if found.in_blocks else "blocks would lose"
        _row(table, label, found, "recall_lost_to_blocking", "of queries with a match: no partner is open")
    return table


def _threshold(found: Evaluation) -> RenderableType:
    if found.accept_threshold is None:
        return Text("no accept threshold: nothing is accepted automatically", style="yellow")
    table = _plain(f"Accepted from {found.accept_threshold:.4f}")
    _row(table, "precision", found, "accept_precision", f"{found.accepted_right:,} right of {found.accepted:,}")
    _row(table, "recall", found, "accept_recall", "of queries with a match")
    _row(table, "coverage", found, "accept_coverage", "of all queries")
    _row(table, "B³ precision", found, "b3_precision", "of the products that accepted matches make")
    _row(table, "B³ recall", found, "b3_recall")
    if found.held_back:
        table.add_row("held back", f"{found.held_back:,}", "", "codes contradict, or ambiguous: for people")
    if found.review is not None:
        review = found.review
        _row(table, "recall with review", found, "recall_with_review", f"{review.per_thousand:.0f} reviews per 1,000")
        modelled = (
            f"validators: LR+ {review.validator.likelihood_ratio:g}, find {review.validator.true_positive_rate:g}"
        )
        table.add_row("  as validators do", _percent(review.recall_with_validator), "", modelled)
    return table


def _pairs(found: Evaluation) -> Table:
    assert found.pairs is not None
    table = _plain(f"Labelled pairs ({found.pairs.pairs:,}, {found.pairs.positives:,} of them one product)")
    _row(table, "AUCPR", found.pairs, "aucpr")
    _row(table, "best F1", found.pairs, "best_f1", "threshold chosen on these pairs")
    if found.pairs.threshold is not None:
        _row(table, "F1", found.pairs, "f1_at_threshold", f"at {found.pairs.threshold:.4f}, from other data")
    return table


def _misses(found: Evaluation) -> Table:
    misses = found.misses
    table = _plain(f"Missed matches: {misses.missed:,} of {found.queries_with_match:,}")
    for label, count, about in (
        ("not among candidates", misses.not_among_candidates, ""),
        ("lost to blocking", misses.lost_to_blocking, ""),
        ("scored too low", misses.scored_too_low, f"{misses.outranked:,} outranked, {misses.below_threshold:,} below"),
        ("held back for people", misses.held_back, "codes contradict, or ambiguous"),
    ):
        table.add_row(label, f"{count:,}", _percent(count / misses.missed if misses.missed else None), about)
    return table


def _rates(found: Evaluation) -> Table:
    table = Table(title="When a share of the offers has a match", title_justify="left", box=None, header_style="dim")
    for name in ("match rate", "AUCPR", "precision", "", "coverage", "recall at 99 %", "recall at 95 %"):
        table.add_column(name, justify="right", style="dim" if not name else "")
    for point in found.match_rates:
        table.add_row(
            f"{point.match_rate:g}",
            _percent(point.aucpr),
            _percent(point.accept_precision),
            _bounds(point, "accept_precision"),
            _percent(point.accept_coverage),
            _percent(point.recall_at_precision_99),
            _percent(point.recall_at_precision_95),
        )
    return table


def _domains(found: Evaluation) -> Table:
    table = Table(title="By domain", title_justify="left", box=None, header_style="dim")
    table.add_column("")
    for name in ("queries", "AUCPR", "", "R@1", "precision"):
        table.add_column(name, justify="right", style="dim" if not name else "")
    for domain in found.domains:
        table.add_row(
            Text(f"{domain.kind} {domain.name}"),
            f"{domain.queries:,}",
            _percent(domain.aucpr),
            _bounds(domain, "aucpr"),
            _percent(domain.recall_at_1),
            _percent(domain.accept_precision),
        )
    return table


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _bounds(record: object, name: str) -> str:
    low, high = getattr(record, f"{name}_low"), getattr(record, f"{name}_high")
    return "" if low is None or high is None else f"{100 * low:.1f}–{100 * high:.1f}"
