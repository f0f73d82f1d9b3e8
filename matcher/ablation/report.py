"""The tables of an ablation for people: at a terminal, as Markdown, as one HTML page with nothing from outside."""

from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from msgspec import Struct
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from matcher.ablation.result import Ablation, Answered, Figures, Line, Shop

ABOUT = (
    "Each row is learned from some products and asked with others (halves: both ways round, counted together), every "
    "offer against all that are asked; own sellers are excluded. AUCPR: area under precision over recall of the top "
    "answers. Brackets: 95 % intervals from a bootstrap over sibling groups. Gains are over the row named, on the same "
    "queries, drawn in pairs; of twenty ideas that bring nothing, one seems to by chance. 1 in 10: AUCPR where one "
    "query in ten has a match. A gain of none: every answer was as good as before, since there was nothing to act on."
)

#: Instead of a gain: every decision is as good, as where an option finds nothing to act on.
SAME = "none"


class _Column(Struct, frozen=True):
    """A figure of the table, and whether it is written with a sign."""

    name: str
    title: str
    signed: bool = False


COLUMNS = (
    _Column("aucpr", "AUCPR"),
    _Column("aucpr_gain", "gain", signed=True),
    _Column("recall_at_1", "R@1"),
    _Column("recall_at_1_gain", "gain", signed=True),
    _Column("recall_at_3", "R@3"),
    _Column("aucpr_tenth", "AUCPR, 1 in 10"),
)


def ablation_view(ablation: Ablation) -> RenderableType:
    """What `rich.console.Console.print` shows: one table for each question."""
    parts: list[RenderableType] = []
    for shop in ablation.shops:
        for number, asked in enumerate(shop.questions):
            parts += [_rich(shop, number, asked), Text()]
        parts += [Text(note, style="yellow") for note in shop.notes]
        parts += [Text(f"left out: {row.name}: {row.reason}", style="dim") for row in shop.left_out]
    return Group(*parts, Text(ABOUT, style="dim"))


def _rich(shop: Shop, number: int, asked: Answered) -> Table:
    table = Table(title=_heading(shop, asked), title_justify="left", box=None)
    table.add_column("")
    for column in COLUMNS:
        table.add_column(column.title, justify="right")
    for section, lines in sections(shop.lines):
        table.add_row(Text(section, style="bold"))
        for line in lines:
            table.add_row(f"  {line.name}", *(_cell(line.figures[number], column) for column in COLUMNS))
    return table


def ablation_markdown(ablation: Ablation) -> str:
    """The same as Markdown tables."""
    parts = [ABOUT]
    for shop in ablation.shops:
        parts += [f"## {_escaped(shop.name)}", *(f"**{_escaped(note)}**" for note in shop.notes)]
        for number, asked in enumerate(shop.questions):
            head = "| | " + " | ".join(column.title for column in COLUMNS) + " |\n" + "|---" * (len(COLUMNS) + 1) + "|"
            rows = [head]
            for section, lines in sections(shop.lines):
                rows.append(f"| **{_escaped(section)}** |" + " |" * len(COLUMNS))
                rows += [
                    f"| {_escaped(line.name)}{_against(line, shop)} | "
                    + " | ".join(_cell(line.figures[number], column) for column in COLUMNS)
                    + " |"
                    for line in lines
                ]
            parts += [f"### {_escaped(_heading(shop, asked))}", "\n".join(rows)]
        if shop.left_out:
            parts.append("Left out: " + "; ".join(f"{_escaped(r.name)} ({_escaped(r.reason)})" for r in shop.left_out))
    return "\n\n".join(parts) + "\n"


def ablation_page(ablation: Ablation) -> str:
    """One HTML document without scripts and without anything from outside."""
    environment = Environment(
        loader=PackageLoader("matcher.ablation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"sections": sections}
    style = (files("matcher.evaluation") / "html" / "style.css").read_text("utf-8")
    return environment.get_template("page.html").render(
        ablation=ablation,
        about=ABOUT,
        columns=COLUMNS,
        style=Markup(style),
        heading=_heading,
        cell=_cell,
        against=_against,
        sure=_is_sure,
    )


def sections(lines: Sequence[Line]) -> list[tuple[str, list[Line]]]:
    """The lines of each section, sections in the order of their first line."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.section, []).append(line)
    return list(found.items())


def _heading(shop: Shop, asked: Answered) -> str:
    return (
        f"{shop.name}, {asked.question}: {asked.queries:,} queries, {asked.queries_with_match:,} with a match, "
        f"{asked.groups:,} sibling groups, trained {asked.lessons} {'time' if asked.lessons == 1 else 'times'} a row"
    )


def _against(line: Line, shop: Shop) -> str:
    """Whom a line is compared with, where that is not the base."""
    base = shop.lines[0].name
    return f" (gain over: {line.against})" if line.against not in (None, base) else ""


def _cell(figures: Figures, column: _Column) -> str:
    value, low, high = (getattr(figures, column.name + end) for end in ("", "_low", "_high"))
    if value is None:
        return ""
    if column.signed and value == low == high == 0:
        return SAME
    said = _number(value, signed=column.signed)
    if low is None or high is None:
        return said
    return f"{said} [{_number(low, signed=column.signed)}, {_number(high, signed=column.signed)}]"


def _number(value: float, *, signed: bool = False) -> str:
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def _is_sure(figures: Figures, column: _Column) -> str:
    """`better` or `worse` where the interval of a gain lies on one side of 0."""
    low, high = getattr(figures, f"{column.name}_low"), getattr(figures, f"{column.name}_high")
    if not column.signed or low is None or high is None:
        return ""
    return "better" if low > 0 else "worse" if high < 0 else ""


def _escaped(text: str) -> str:
    for mark in ("\\", "|", "*", "_", "<", "`", "["):
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
