"""What has become of dead letters' originals in the topic they came from: superseded, replayed already, or neither.

The answer is a fold over that topic, which is compacted: a record that is gone from it was superseded.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from consumers.deadletters.letters import Letter
from matcher.events.dead_letter import first_place, offer_version, read_dead_letter
from matcher.events.envelope import Record, Seen
from matcher.events.place import Place

Verdict = Literal["send", "superseded", "replayed"]
Name = tuple[int, bytes | None]
Age = tuple[int, int]


class Standing(Struct, frozen=True):
    """The last record that stands for a letter's original: itself (attempt 0), or what was replayed of it."""

    offset: int
    name: Name
    age: Age
    attempt: int
    original: Record | None


class Key(Struct):
    """The records of one key so far: the newest version, and the last one in the log."""

    newest: Record
    newest_age: Age
    last_age: Age


class Origin:
    """One topic, as far as it concerns some letters. Fed with its records from the oldest letter's place on."""

    def __init__(self, letters: Sequence[Letter], *, is_offers: bool) -> None:
        """`letters` have told where they are from, each from another place. `is_offers`: versions are places here."""
        self._letters = {_place(letter): letter for letter in letters}
        self._names = {(place.partition, letter.record.key) for place, letter in self._letters.items()}
        self._is_offers = is_offers
        self._standing: dict[Place, Standing] = {}
        self._keys: dict[Name, Key] = {}
        self.next: dict[int, int] = {}  # where to read on
        for place in self._letters:
            self.next[place.partition] = min(place.offset, self.next.get(place.partition, place.offset))

    def take(self, record: Record) -> None:
        self.next[record.partition] = record.offset + 1
        name, age, place = (record.partition, record.key), self._age(record), first_place(record)
        letter = self._letters.get(place)
        if letter is not None:
            self._names.add(name)  # that of the letter may have been cut
            told = read_dead_letter(record.headers) if place != record.place else None
            before = self._standing.get(place)
            self._standing[place] = Standing(
                record.offset,
                name,
                age,
                max(told.attempt if told else 0, before.attempt if before else 0),
                record if letter.cut else None,
            )
        if name not in self._names:
            return
        known = self._keys.get(name)
        if known is None or age >= known.newest_age:
            self._keys[name] = Key(record, age, age)
        else:
            known.last_age = age

    def verdict(self, letter: Letter) -> Verdict:
        standing = self._standing.get(_place(letter))
        if standing is None or self._keys[standing.name].newest_age > standing.age:
            return "superseded"
        assert letter.told is not None
        return "replayed" if standing.attempt >= letter.told.attempt else "send"

    def original(self, letter: Letter) -> Record | None:
        """The record itself, kept for letters that were cut."""
        return self._standing[_place(letter)].original

    def replayed_at(self, letter: Letter) -> int | None:
        """The offset of what was replayed of `letter`, once it has been taken."""
        standing = self._standing.get(_place(letter))
        replayed = standing is not None and letter.told is not None and standing.attempt >= letter.told.attempt
        return standing.offset if standing is not None and replayed else None

    def overtaken(self) -> Iterator[Record]:
        """The newest versions of keys whose last record is an older one: compaction would keep the wrong one."""
        return (key.newest for key in self._keys.values() if key.last_age < key.newest_age)

    def _age(self, record: Record) -> Age:
        """Larger is newer. A copy is as old as what it was made from. What tells no version gives way to what does."""
        place = first_place(record)
        if self._is_offers:
            return offer_version(record).offset, place.offset
        version = Seen.of(record.headers).version
        return (-1 if version is None else version.offset), place.offset


def _place(letter: Letter) -> Place:
    assert letter.told is not None
    return letter.told.place
