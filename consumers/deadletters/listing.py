"""Dead letters for people and for `--json`: how many there are, why, and the latest of them."""

from collections import Counter, deque

import msgspec
from msgspec import Struct
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consumers.deadletters.letters import Filter, Letter, read_letters
from consumers.deadletters.replay import Replayed
from matcher.events.envelope import format_time
from matcher.settings import Settings

#: Characters of a value that are shown.
SHOWN_VALUE = 20_000


class Row(Struct, frozen=True, kw_only=True):
    """One letter, without its value. `name` is how `show` finds it; `place` is the original's; `size` in bytes."""

    name: str
    time: str
    stage: str | None
    reason: str | None
    exception: str | None
    place: str | None
    attempt: int | None
    key: str | None
    size: int | None
    cut: bool


class Count(Struct, frozen=True, kw_only=True):
    stage: str | None
    reason: str | None
    count: int


class Listing(Struct, frozen=True, kw_only=True):
    """`count` letters were chosen; `letters` are the latest of them."""

    count: int
    by_reason: tuple[Count, ...]
    letters: tuple[Row, ...]


class Shown(Struct, frozen=True, kw_only=True):
    """One letter with everything. `value` as text, with replacements where it is none; None: a deletion."""

    letter: Row
    headers: tuple[tuple[str, str], ...]
    value: str | None


def list_letters(settings: Settings, chosen: Filter, latest: int) -> Listing:
    """Counts the letters that `chosen` takes, and describes the `latest`. Raises as `read_letters`."""
    rows: deque[Row] = deque(maxlen=latest)
    counts: Counter[tuple[str | None, str | None]] = Counter()
    for letter in read_letters(settings, chosen):
        row = row_of(letter)
        rows.append(row)
        counts[row.stage, row.reason] += 1
    by_reason = tuple(Count(stage=stage, reason=reason, count=n) for (stage, reason), n in counts.most_common())
    return Listing(count=counts.total(), by_reason=by_reason, letters=tuple(rows))


def row_of(letter: Letter) -> Row:
    record, told = letter.record, letter.told
    return Row(
        name=letter.name,
        time=format_time(record.timestamp_ms),
        stage=told.stage if told else None,
        reason=told.reason if told else None,
        exception=told.exception if told else None,
        place=str(told.place) if told else None,
        attempt=told.attempt if told else None,
        key=None if record.key is None else record.key.decode("utf-8", "backslashreplace"),
        size=None if record.value is None else len(record.value),
        cut=letter.cut,
    )


def shown(letter: Letter) -> Shown:
    record = letter.record
    return Shown(
        letter=row_of(letter),
        headers=tuple((name, value.decode("utf-8", "backslashreplace")) for name, value in record.headers),
        value=None if record.value is None else record.value.decode("utf-8", "backslashreplace"),
    )


def listing_view(listing: Listing) -> RenderableType:
    """What `rich.console.Console.print` shows of a list."""
    counts = Table(title=f"Dead letters: {listing.count:,}", title_justify="left", box=None, show_header=False)
    for one in listing.by_reason:
        counts.add_row(one.stage or "?", one.reason or "?", f"{one.count:,}")
    if not listing.letters:
        return counts
    title = "The latest" if len(listing.letters) < listing.count else None
    rows = Table("letter", "time", "stage", "reason", "key", "attempt", title=title, title_justify="left", box=None)
    for row in listing.letters:
        cells = (row.name, f"{row.time[:19]}Z", row.stage, row.reason, row.key, row.attempt)
        rows.add_row(*(Text("–" if cell is None else _plain(str(cell)[:60])) for cell in cells))
    return Group(counts, Text(), rows)


def letter_view(letter: Letter) -> RenderableType:
    """Everything about one letter; a long value is cut on the screen."""
    told = shown(letter)
    table = Table(box=None, show_header=False)
    for name, value in msgspec.structs.asdict(told.letter).items():
        table.add_row(Text(name, style="bold"), Text("–" if value is None else _plain(str(value))))
    for name, text in told.headers:
        if not name.startswith("dl_"):
            table.add_row(Text(_plain(name), style="dim"), Text(_plain(text)))
    value = told.value
    if value is None:
        return Group(table, Text("\nno value: a deletion", style="dim"))
    more = len(value) - SHOWN_VALUE
    return Group(
        table, Text(), Text(_plain(value[:SHOWN_VALUE])), Text(f"… and {more:,} more" if more > 0 else "", style="dim")
    )


def replayed_view(found: Replayed) -> str:
    """One or a few lines on a replay."""
    verb = "would be sent" if found.dry_run else "sent"
    parts = [f"{found.chosen:,} dead letters chosen, {found.sent:,} {verb}"]
    for count, what in (
        (found.superseded, "superseded"),
        (found.replayed_before, "replayed before"),
        (found.not_replayable, "not replayable"),
        (found.refused, "refused by Kafka"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    text = ", ".join(parts)
    if found.put_back:
        text += f"\n{found.put_back:,} newer records came in meanwhile and were put back on top"
    if found.failed is not None:
        text += f"\nstopped: {found.failed} is a new dead letter; `offermatch deadletters show {found.failed}` shows it"
    return text


def _plain(text: str) -> str:
    """Whoever sent it must not write to the operator's terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)
