"""The live view in the terminal: data in, something rich can draw out."""

from collections.abc import Sequence

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.readings import Rates, Reading
from matcher.metrics import STAGES

OUTCOMES = {
    "matched": ("match", "green"),
    "needs_review": ("needs review", "yellow"),
    "new_product": ("new product", "cyan"),
    "gone": ("gone", "dim"),
}


class Recent(Struct, frozen=True):
    """One decision, as a person reads it."""

    title: str
    outcome: str
    probability: float | None
    matched_title: str | None


def draw(offers: int, sent: int, now: Reading, rate: Rates, recent: Sequence[Recent]) -> RenderableType:
    """One frame. `offers` is how many there will be, `sent` how many were sent so far."""
    decided = now.by("offermatch_offers_decided_total", "outcome")
    dead = now.total("offermatch_dead_letters_total")
    done = sum(decided.values()) + dead
    columns = Table.grid(expand=True, padding=(0, 2))
    columns.add_column(ratio=1)
    columns.add_column(ratio=1)
    columns.add_row(_flow(sent, now, rate), _outcomes(decided, dead))
    columns.add_row(_stages(rate), _recent(recent))
    bar = Table.grid(expand=True, padding=(0, 1))
    bar.add_column(ratio=1)
    bar.add_column(justify="right")
    bar.add_row(ProgressBar(total=offers, completed=done), f"{done:,.0f} of {offers:,} decided")
    return Panel(Group(bar, columns), title="offermatch demo", border_style="blue")


def line(offers: int, now: Reading, rate: Rates) -> str:
    """The same in one line, where the output is no terminal."""
    done = now.total("offermatch_offers_decided_total") + now.total("offermatch_dead_letters_total")
    return (
        f"{done:,.0f} of {offers:,} decided, {rate.decisions:.1f} decisions/s, {rate.photos:.1f} photos/s, "
        f"lag {_lag(now)}"
    )


def _lag(now: Reading) -> str:
    lags = now.by("offermatch_consumer_lag_records", "process")
    return ", ".join(f"{process} {lag:,.0f}" for process, lag in sorted(lags.items())) or "unknown"


def _flow(sent: int, now: Reading, rate: Rates) -> RenderableType:
    table = Table(title="Flow", box=None, title_justify="left", title_style="bold", show_header=False)
    table.add_row("offers sent", f"{sent:,}")
    table.add_row("encoded", f"{rate.offers:.1f}/s")
    table.add_row("photos", f"{rate.photos:.1f}/s")
    table.add_row("decided", f"{rate.decisions:.1f}/s")
    for process, size in rate.batch.items():
        table.add_row(f"batch of the {process}", "-" if size is None else f"{size:.1f} offers")
    table.add_row("lag", _lag(now))
    table.add_row("index", f"{now.total('offermatch_index_offers'):,.0f} offers")
    return table


def _outcomes(decided: dict[str, float], dead: float) -> RenderableType:
    table = Table(title="Decisions", box=None, title_justify="left", title_style="bold", show_header=False)
    for outcome, (name, style) in OUTCOMES.items():
        if outcome != "gone" or decided.get(outcome):
            table.add_row(Text(name, style), f"{decided.get(outcome, 0):,.0f}")
    table.add_row("dead letters", f"{dead:,.0f}")
    return table


def _stages(rate: Rates) -> RenderableType:
    table = Table(title="Stages, mean", box=None, title_justify="left", title_style="bold", show_header=False)
    for stage in STAGES:
        seconds = rate.stage_seconds[stage]
        table.add_row(stage.replace("_", " "), "-" if seconds is None else f"{seconds * 1000:.1f} ms")
    return table


def _recent(recent: Sequence[Recent]) -> RenderableType:
    table = Table(title="Latest", box=None, title_justify="left", title_style="bold", show_header=False)
    table.add_column(no_wrap=True, max_width=30)
    table.add_column(no_wrap=True, min_width=17)
    table.add_column(no_wrap=True, max_width=30)
    for one in recent:
        name, style = OUTCOMES.get(one.outcome, (one.outcome, ""))
        sure = "" if one.probability is None else f" {one.probability:.2f}"
        table.add_row(one.title, Text(name + sure, style), one.matched_title or "")
    return table
