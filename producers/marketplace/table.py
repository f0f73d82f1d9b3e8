"""A simulated market as an offer table: a folder with `offers.jsonl`, the products in it, and its photos beside it."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path

import msgspec

from producers.marketplace.listing import RawOffer
from producers.marketplace.market import DEFAULT_BASE_URL, MOST_OFFERS, MarketOffer, Marketplace

TABLE = "offers.jsonl"
MARKER = "market.json"
#: Offers whose photos one process draws in one go.
_AT_ONCE = 16
#: What is given out ahead of the processes that draw, so that none of them waits.
_AHEAD = 3


class FolderRefusedError(ValueError):
    """The folder holds something else; the message says what was expected."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to write. `offers` come from the market's beginning.

    `per_style`: of one style no more offers than this, later ones are left out and the market goes on for longer, so
    that a table of the same size holds more styles; None: all. ValueError for what is below 1.
    """

    seed: int
    offers: int
    sellers: int
    per_style: int | None = None

    def __post_init__(self) -> None:
        """ValueError on what cannot be written."""
        if self.offers < 1 or (self.per_style is not None and self.per_style < 1):
            raise ValueError(f"expected at least 1 offer, and 1 a style, got {self.offers} and {self.per_style}")


class _Marker(msgspec.Struct, frozen=True):
    """What decides how each photo looks: a folder goes on with photos of the same market only."""

    seed: int
    sellers: int


class _Row(RawOffer, frozen=True, omit_defaults=True, kw_only=True):
    """An offer with the truth; `images` are paths inside the folder, and take the place of the URLs."""

    product_id: str
    style_id: str
    images: tuple[str, ...] = ()


def planned(plan: Plan) -> Iterator[MarketOffer]:
    """The offers of a plan, in order of arrival; those of a longer plan begin with those of a shorter one."""
    # What stands before a photo's path plays no part in how the photo looks.
    market = Marketplace(plan.seed, MOST_OFFERS, plan.sellers)
    kept = (market if plan.per_style is None else _thinned(market, plan.per_style)).__iter__()
    return islice(kept, plan.offers)


def write_table(
    folder: Path, plan: Plan, *, processes: int | None = None, on_progress: Callable[[int], None] = lambda _: None
) -> int:
    """Writes the table and its photos, and returns how many photos there are. `on_progress` gets the offers done.

    Photos are drawn by `processes` processes (None: one for each processor). Interrupted, it goes on where it was:
    photos that are there are not drawn again, and the table comes last. Raises `FolderRefusedError` for a folder with
    anything but this market, `OSError`.
    """
    _claim(folder, _Marker(plan.seed, plan.sellers))
    encoder = msgspec.json.Encoder()
    unfinished = folder / f"{TABLE}.part"
    done = photos = 0
    # Fresh interpreters: a fork would take along threads of this process.
    pool = ProcessPoolExecutor(processes or os.cpu_count(), get_context("spawn"), _start_drawing)
    try:
        with unfinished.open("wb") as file:
            for batch, drawn in _ahead(pool, folder, plan, processes or os.cpu_count() or 1):
                photos += drawn
                for entry in batch:
                    file.write(encoder.encode(_row(entry)) + b"\n")
                done += len(batch)
                on_progress(done)
    finally:
        pool.shutdown(cancel_futures=True)
    unfinished.replace(folder / TABLE)
    return photos


def _thinned(market: Marketplace, per_style: int) -> Iterator[MarketOffer]:
    seen: Counter[str] = Counter()
    for entry in market:
        if seen[entry.style_id] < per_style:
            seen[entry.style_id] += 1
            yield entry


def _row(entry: MarketOffer) -> _Row:
    fields = msgspec.structs.asdict(entry.offer) | {
        "image_urls": (),
        "images": tuple(path.removeprefix("/") for path in _paths(entry)),
        "product_id": entry.product_id,
        "style_id": entry.style_id,
    }
    return _Row(**fields)


def _paths(entry: MarketOffer) -> list[str]:
    return [url.removeprefix(DEFAULT_BASE_URL) for url in entry.offer.image_urls]


def _ahead(
    pool: ProcessPoolExecutor, folder: Path, plan: Plan, processes: int
) -> Iterator[tuple[Sequence[MarketOffer], int]]:
    """Batches of offers in their order, each with the number of its photos, when these are drawn."""
    waiting: deque[tuple[Sequence[MarketOffer], Future[int]]] = deque()
    offers = planned(plan)
    while batch := list(islice(offers, _AT_ONCE)):
        paths = [path for entry in batch for path in _paths(entry)]
        waiting.append((batch, pool.submit(_draw, folder, plan.seed, plan.sellers, paths)))
        if len(waiting) > _AHEAD * processes:
            first, drawing = waiting.popleft()
            yield first, drawing.result()
    for drawn, drawing in waiting:
        yield drawn, drawing.result()


def _draw(folder: Path, seed: int, sellers: int, paths: Sequence[str]) -> int:
    market = Marketplace(seed, MOST_OFFERS, sellers)
    for path in paths:
        target = folder / path.removeprefix("/")
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".part")
        unfinished.write_bytes(market.photo(path))
        unfinished.replace(target)
    return len(paths)


def _claim(folder: Path, marker: _Marker) -> None:
    file = folder / MARKER
    if folder.exists() and any(folder.iterdir()):
        try:
            found = msgspec.json.decode(file.read_bytes(), type=_Marker)
        except (FileNotFoundError, msgspec.DecodeError):
            raise FolderRefusedError(f"{folder}: expected an empty folder, or one that a simulation wrote") from None
        if found != marker:
            raise FolderRefusedError(
                f"{folder}: expected the market with seed {marker.seed} and {marker.sellers} sellers, it holds that "
                f"with seed {found.seed} and {found.sellers} sellers: name another folder"
            )
    folder.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.encode(marker) + b"\n")


def _start_drawing() -> None:
    """Ctrl-C is the parent's to answer; where the parent is gone without a word, nobody else ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
