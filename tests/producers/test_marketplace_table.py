"""A simulated market written as an offer table: the offers that would be sent, with the truth and the photos."""

import os
import select
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.events.reading import read_offer
from producers.marketplace import Marketplace
from producers.marketplace.table import FolderRefusedError, Plan, planned, write_table
from producers.tables import BadRow, open_table
from tests.examples import examples

ROOT = Path(__file__).parents[2]
PLAN = Plan(seed=5, offers=40, sellers=7)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market")
    write_table(folder, PLAN, processes=2)
    return folder


def test_a_table_holds_the_offers_that_would_be_sent(written: Path) -> None:
    market = list(Marketplace(PLAN.seed, PLAN.offers, PLAN.sellers))
    rows = list(open_table(written).offers())
    assert len(rows) == PLAN.offers
    for row, entry in zip(rows, market, strict=True):
        assert not isinstance(row, BadRow)
        assert row.product_id == entry.product_id
        sent, _ = read_offer(entry.offer.offer_id.encode(), msgspec.json.encode(entry.offer))
        read, _ = read_offer(row.key, row.value)
        assert msgspec.structs.replace(read, image_urls=()) == msgspec.structs.replace(sent, image_urls=())
        assert len(read.image_urls) == len(sent.image_urls)
    styles = [row.cells["style_id"] for row in open_table(written).rows() if not isinstance(row, BadRow)]
    assert styles == [entry.style_id for entry in market]


def test_its_photos_are_those_that_would_be_served(written: Path) -> None:
    market = Marketplace(PLAN.seed, PLAN.offers, PLAN.sellers)
    paths = [url.removeprefix(market.base_url) for entry in market for url in entry.offer.image_urls]
    files = sorted(str(file.relative_to(written)) for file in written.rglob("photos/**/*.*"))
    assert files == sorted(path.removeprefix("/") for path in paths)
    for path in paths[::17]:
        assert (written / path[1:]).read_bytes() == market.photo(path)


def test_photos_that_are_there_are_not_drawn_again_and_a_longer_table_goes_on(tmp_path: Path) -> None:
    reached: list[int] = []
    write_table(tmp_path, Plan(seed=5, offers=3, sellers=7), processes=1)
    kept = sorted(tmp_path.rglob("*.jpg"))
    for photo in kept:
        photo.write_bytes(b"as it was")
    photos = write_table(tmp_path, Plan(seed=5, offers=20, sellers=7), processes=1, on_progress=reached.append)
    assert all(photo.read_bytes() == b"as it was" for photo in kept)
    assert photos == len(list(tmp_path.rglob("*.jpg"))) > len(kept)
    assert reached == [16, 20]
    assert not list(tmp_path.rglob("*.part"))


def test_a_folder_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(FolderRefusedError, match="expected an empty folder"):
        write_table(tmp_path, PLAN)
    assert [file.name for file in tmp_path.iterdir()] == ["letter.txt"]


def test_photos_of_two_markets_never_share_a_folder(written: Path) -> None:
    with pytest.raises(FolderRefusedError, match="with seed 6 and 7 sellers, it holds that with seed 5 and 7 sellers"):
        write_table(written, Plan(seed=6, offers=1, sellers=7))
    with pytest.raises(FolderRefusedError, match="name another folder"):
        write_table(written, Plan(seed=5, offers=1, sellers=8))


# Prints its child processes as soon as they draw, and goes on until it is killed.
ENDLESS = """
import multiprocessing, sys
from pathlib import Path
from producers.marketplace.table import Plan, write_table

def tell(done):
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)

if __name__ == "__main__":
    write_table(Path(sys.argv[1]), Plan(seed=1, offers=10**6, sellers=5), processes=1, on_progress=tell)
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waiting for a stranger's end needs Linux")
def test_processes_that_draw_end_with_the_one_that_started_them_however_it_ends(tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    command = [sys.executable, str(script), str(tmp_path / "market")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as writing:
        assert writing.stdout is not None
        children = [os.pidfd_open(int(pid)) for pid in writing.stdout.readline().split()]
        writing.kill()
    assert children
    for child in children:
        assert select.select([child], [], [], 60)[0], "a process outlived the one that started it"
        os.close(child)


@settings(max_examples=examples(15), deadline=None)
@given(seed=st.integers(0, 50), per_style=st.integers(1, 5), offers=st.integers(1, 300))
def test_no_style_has_more_offers_than_allowed_and_the_first_ones_are_those_that_stay(
    seed: int, per_style: int, offers: int
) -> None:
    kept = list(planned(Plan(seed=seed, offers=offers, sellers=9, per_style=per_style)))
    assert len(kept) == offers
    assert max(Counter(entry.style_id for entry in kept).values()) <= per_style
    seen: Counter[str] = Counter()
    expected = []
    for entry in Marketplace(seed, 100_000, 9):
        seen[entry.style_id] += 1
        if seen[entry.style_id] <= per_style:
            expected.append(entry)
        if len(expected) == offers:
            break
    assert kept == expected


def test_a_shorter_plan_is_the_beginning_of_a_longer_one() -> None:
    longer = planned(Plan(seed=2, offers=200, sellers=9, per_style=2))
    assert list(planned(Plan(seed=2, offers=50, sellers=9, per_style=2))) == list(islice(longer, 50))


@pytest.mark.parametrize(("offers", "per_style"), [(0, None), (5, 0)])
def test_a_plan_of_nothing_is_refused(offers: int, per_style: int | None) -> None:
    with pytest.raises(ValueError, match="expected at least 1 offer, and 1 a style"):
        Plan(seed=1, offers=offers, sellers=2, per_style=per_style)
