"""Replaying dead letters: back to where they came from, in order, unless they were superseded or replayed before."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from consumers.deadletters.letters import Filter, Letter, read_letters
from consumers.deadletters.origin import Origin
from consumers.deadletters.outcome import ASK_EVERY, NoOutcomeError, Outcomes
from consumers.tail import tail
from matcher.clock import Clock, SystemClock
from matcher.events.place import Place
from matcher.settings import Settings
from producers.dead_letters import put_back_record, replayed_record
from producers.plain import Publisher
from producers.topics import TopicsUnusable

#: Records that go out before it is looked at what came in between.
ROUND = 1_000


class Options(Struct, frozen=True, kw_only=True):
    """`limit`: records to send at most. `patience`: seconds to wait for what becomes of one, with `stop_on_failure`."""

    dry_run: bool = False
    stop_on_failure: bool = False
    limit: int | None = None
    patience: float = 60.0


class Replayed(Struct, frozen=True, kw_only=True):
    """What became of the letters that were chosen. Those of one record count once, with the last attempt.

    `superseded`: a newer record of the same key is there, or the topic has forgotten them. `replayed_before`: under way
    or successful. `not_replayable`: their headers cannot be read, or they come from a topic to which none is replayed.
    `put_back`: newer records that came in just before and were put on top again. `failed`: the first new dead letter.
    """

    chosen: int
    sent: int
    superseded: int
    replayed_before: int
    not_replayable: int
    refused: int
    put_back: int
    failed: str | None
    dry_run: bool
    sent_letters: tuple[str, ...]


def replay_letters(
    settings: Settings,
    chosen: Filter,
    options: Options,
    *,
    clock: Clock | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Replayed:
    """Replays the letters that `chosen` takes. `on_progress` gets how many are through, and of how many.

    Raises `NoOutcomeError`, `producers.plain.NotDeliveredError`, and as `consumers.tail.tail`.
    """
    clock = clock or SystemClock()
    letters = list(_newest(read_letters(settings, chosen)))
    good = [letter for letter in letters if _is_replayable(letter, settings)]
    with Publisher(settings.kafka, clock) as publisher:
        run = _Run(settings, options, publisher, clock)
        for topic in sorted({_place(letter).topic for letter in good}, key=lambda name: name != settings.topics.offers):
            of_topic = sorted((one for one in good if _place(one).topic == topic), key=_place)
            run.topic(topic, of_topic, lambda done: on_progress(done, len(good)))
            if run.ended:
                break
    return Replayed(
        chosen=len(letters),
        sent=len(run.sent) - publisher.refused,
        superseded=run.counts["superseded"],
        replayed_before=run.counts["replayed"],
        not_replayable=len(letters) - len(good),
        refused=publisher.refused,
        put_back=run.put_back,
        failed=run.failed.name if run.failed else None,
        dry_run=options.dry_run,
        sent_letters=tuple(run.sent),
    )


class _Run:
    """One replay, topic by topic."""

    def __init__(self, settings: Settings, options: Options, publisher: Publisher, clock: Clock) -> None:
        self._settings = settings
        self._options = options
        self._publisher = publisher
        self._clock = clock
        self._outcomes: Outcomes | None = None
        if options.stop_on_failure and not options.dry_run:
            self._outcomes = Outcomes(settings, publisher, clock, options.patience)
        self.counts = {"send": 0, "superseded": 0, "replayed": 0}
        self.sent: list[str] = []
        self.put_back = 0
        self.failed: Letter | None = None
        self._through = 0

    def topic(self, topic: str, letters: Sequence[Letter], progressed: Callable[[int], None]) -> None:
        """Round by round: look at the topic, send what is not superseded, and see to it that nothing was overtaken."""
        origin = Origin(letters, is_offers=topic == self._settings.topics.offers)
        for round_ in _rounds(letters, 1 if self._outcomes is not None else ROUND):
            self._read_on(topic, origin)
            if not self._options.dry_run:
                self._put_back(topic, origin)
            sending: list[Letter] = []
            for letter in round_:
                if self.ended:
                    break
                verdict = origin.verdict(letter)
                self.counts[verdict] += 1
                if verdict == "send":
                    sending.append(letter)
                    self.sent.append(letter.name)
            if sending and not self._options.dry_run:
                self._send(topic, origin, sending)
            self._through += len(round_)
            progressed(self._through)
            if self.ended:
                return

    @property
    def ended(self) -> bool:
        """Whether it stops before its end."""
        return self.failed is not None or (self._options.limit is not None and len(self.sent) >= self._options.limit)

    def _send(self, topic: str, origin: Origin, letters: Sequence[Letter]) -> None:
        refused = self._publisher.refused
        for letter in letters:
            assert letter.told is not None
            self._publisher.send(replayed_record(letter.record, letter.told, origin.original(letter)))
        self._publisher.finish()
        expected = len(letters) - (self._publisher.refused - refused)
        self._until_seen(topic, origin, letters, expected)
        self._put_back(topic, origin)
        if self._outcomes is not None:
            for letter in letters:
                offset = origin.replayed_at(letter)
                if offset is not None:
                    self.failed = self._outcomes.wait(letter, offset)

    def _until_seen(self, topic: str, origin: Origin, letters: Sequence[Letter], expected: int) -> None:
        """What was sent is seen once no open transaction of somebody else stands before it."""
        deadline = self._clock.monotonic() + self._options.patience
        while True:
            self._read_on(topic, origin)
            if sum(origin.replayed_at(letter) is not None for letter in letters) >= expected:
                return
            if self._clock.monotonic() > deadline:
                raise NoOutcomeError(
                    f"what was replayed cannot be seen in {topic}: does a transaction stay open there?"
                )
            self._publisher.wait(ASK_EVERY)

    def _put_back(self, topic: str, origin: Origin) -> None:
        """A sender may have written a newer version between our look and our record, which is now the last of its key.

        Matchers are not misled by it, but compaction would keep the older one.
        """
        while overtaken := list(origin.overtaken()):
            for record in overtaken:
                self._publisher.send(put_back_record(record))
            self._publisher.finish()
            self.put_back += len(overtaken)
            self._read_on(topic, origin)

    def _read_on(self, topic: str, origin: Origin) -> None:
        try:
            for record in tail(self._settings.kafka, topic, starts=dict(origin.next)):
                origin.take(record)
        except TopicsUnusable:
            return  # it was given up: whatever stood there is no version of anything any more


def _newest(letters: Iterable[Letter]) -> Iterator[Letter]:
    """Of several letters about the same record the last; those that tell nothing each for itself."""
    newest: dict[Place | str, Letter] = {}
    for letter in letters:
        name = letter.told.place if letter.told else letter.name
        newest.pop(name, None)
        newest[name] = letter
    return iter(newest.values())


def _is_replayable(letter: Letter, settings: Settings) -> bool:
    """Encoders read `offers`; matchers the features, under whatever name. Nothing is written to the other topics."""
    topics = settings.topics
    if letter.told is None or letter.told.stage not in ("encoder", "matcher"):
        return False
    own = letter.told.place.topic
    if letter.told.stage == "encoder":
        return own == topics.offers
    return own not in (topics.offers, topics.matches, topics.needs_review, topics.verdicts, topics.dead_letters)


def _place(letter: Letter) -> Place:
    assert letter.told is not None
    return letter.told.place


def _rounds(letters: Sequence[Letter], size: int) -> Iterator[Sequence[Letter]]:
    return (letters[start : start + size] for start in range(0, len(letters), size))
