"""Reading the topic of dead letters, and choosing among them by stage, reason and time."""

import re
from collections.abc import Iterator

from msgspec import Struct

from consumers.tail import starts_at, tail
from matcher.events.dead_letter import REASONS, DeadLetter, read_dead_letter
from matcher.events.envelope import Record, parse_time
from matcher.settings import Settings
from producers.dead_letters import CUT

_AGO = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class NoSuchLetterError(LookupError):
    """There is no dead letter at that place."""


class BadFilterError(ValueError):
    """A filter that nothing could pass; the message says what was expected."""


class Letter(Struct, frozen=True, kw_only=True):
    """One dead letter. `told` is None where its headers cannot be read: then it can be looked at, but not replayed."""

    record: Record
    told: DeadLetter | None

    @property
    def name(self) -> str:
        """How the operator names it: partition and offset in the topic of dead letters."""
        return f"{self.record.partition}/{self.record.offset}"

    @property
    def cut(self) -> bool:
        """Whether the topic holds less than the original."""
        return any(name == CUT for name, _ in self.record.headers)


class Filter(Struct, frozen=True, kw_only=True):
    """Which letters are meant. Times are Kafka's of the letter (Unix, milliseconds): from `since` to before `until`."""

    stage: str | None = None
    reason: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def takes(self, letter: Letter) -> bool:
        told, time_ms = letter.told, letter.record.timestamp_ms
        return (
            (self.stage is None or (told is not None and told.stage == self.stage))
            and (self.reason is None or (told is not None and told.reason == self.reason))
            and (self.since_ms is None or time_ms >= self.since_ms)
            and (self.until_ms is None or time_ms < self.until_ms)
        )


def read_filter(stage: str | None, reason: str | None, since: str | None, until: str | None, *, now_ms: int) -> Filter:
    """A filter from what was typed. Raises `BadFilterError`; a reason that no stage has is one too."""
    if stage is not None and stage not in REASONS:
        raise BadFilterError(f"expected a stage out of {', '.join(REASONS)}, got {stage!r}")
    known = sorted({name for own, names in REASONS.items() if stage in (None, own) for name in names})
    if reason is not None and reason not in known:
        raise BadFilterError(f"expected a reason out of {', '.join(known)}, got {reason!r}")
    return Filter(stage=stage, reason=reason, since_ms=_moment(since, now_ms), until_ms=_moment(until, now_ms))


def _moment(text: str | None, now_ms: int) -> int | None:
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        return now_ms - int(ago[1]) * _SECONDS[ago[2]] * 1000
    try:
        return parse_time(text)
    except ValueError:
        wanted = "a time like 2026-01-31T12:00:00Z, or how long ago, like 90m, 12h or 7d"
        raise BadFilterError(f"expected {wanted}, got {text[:80]!r}") from None


def read_letters(settings: Settings, chosen: Filter) -> Iterator[Letter]:
    """The letters that `chosen` takes, in the order of the topic. Raises as `consumers.tail.tail`."""
    topic = settings.topics.dead_letters
    starts = None if chosen.since_ms is None else starts_at(settings.kafka, topic, chosen.since_ms)
    for record in tail(settings.kafka, topic, starts=starts):
        letter = Letter(record=record, told=read_dead_letter(record.headers))
        if chosen.takes(letter):
            yield letter


def find_letter(settings: Settings, name: str) -> Letter:
    """The letter with the `name` that a list shows. Raises `NoSuchLetterError`, and as `consumers.tail.tail`."""
    named = re.fullmatch(r"(?:(\d{1,9})/)?(\d{1,18})", name)
    if named is None:
        raise NoSuchLetterError(f"expected a letter's name, like 0/17, got {name[:80]!r}")
    partition, offset = int(named[1] or 0), int(named[2])
    for record in tail(settings.kafka, settings.topics.dead_letters, starts={partition: offset}):
        if record.offset == offset:
            return Letter(record=record, told=read_dead_letter(record.headers))
        break
    raise NoSuchLetterError(f"no dead letter {partition}/{offset} in {settings.topics.dead_letters}")
