"""Looking into the state of a matcher that is not running."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from index_store.cells.recall import Probe
from index_store.cells.report import CellReport
from index_store.cells.store import CellStore
from index_store.rows import Counts
from index_store.state import State
from index_store.store import IndexStore
from index_store.verify import Verification, verify
from index_store.weaviate.report import ClusterReport
from matcher.memory import Memory
from matcher.model.bundle import load_bundle
from matcher.settings import Settings
from matcher.weaviate_settings import weaviate_settings

if TYPE_CHECKING:
    from index_store.weaviate.store import WeaviateStore


class NoStateError(FileNotFoundError):
    """There is no state to look into."""


class NoCellsError(ValueError):
    """The index is not in cells."""


class Blocks(Struct, frozen=True, kw_only=True):
    """Brand blocks: names `known`, those `used` by live offers, the `largest` with its offers, and the share of live
    offers without a brand (None where no offer is live)."""

    known: int
    used: int
    largest: str | None
    largest_offers: int
    brandless: float | None


class Inspected(Struct, frozen=True, kw_only=True):
    """One partition: counts of the state, sizes of the index, how much a search finds, and how many of the entries
    had to be put into cells anew, or sent to the cluster, when the index was loaded. `blocks`: None where the bundle
    has none. `left_out`: what cannot be seen of this index, in words; None where all can."""

    partition: int
    state: Counts
    index: CellReport | ClusterReport
    probe: Probe | None
    assigned: int
    blocks: Blocks | None
    left_out: str | None = None


#: Of an index in a cluster.
LEFT_OUT = "the balance of cells, vectors outside the range of their codes, and recall: the cluster keeps its own graph"


def verify_partitions(settings: Settings) -> Verification:
    """Verifies every partition's state and the index made from it.

    Raises `NoStateError` where there is none, and `index_store.errors.StateError`.
    """
    offers, indexed, problems = 0, 0, list[str]()
    for number in _partitions(settings):
        with _opened(settings, number) as memory:
            state, index = memory.stores()
            found = verify(state, index)
            if settings.weaviate.url and (wrong := _in_cluster(index).audit()):
                found = replace(found, ok=False, problems=(*found.problems, *wrong))
        offers, indexed = offers + found.offers, indexed + found.indexed
        problems += [f"partition {number}: {problem}" for problem in found.problems]
    return Verification(ok=not problems, offers=offers, indexed=indexed, problems=tuple(problems))


def inspect_partitions(settings: Settings, probes: int) -> list[Inspected]:
    """Sizes, blocks and balance of every partition, and the recall of searches for `probes` of its offers.

    Of an index in a cluster, what the cluster tells. Raises what `verify_partitions` raises.
    """
    return [_inspected(settings, number, probes, new_cells=False) for number in _partitions(settings)]


def rebuild_partitions(settings: Settings, probes: int) -> list[Inspected]:
    """Makes the index of every partition anew from its state, with new cells, and inspects it.

    Raises what `verify_partitions` raises, and `NoCellsError`.
    """
    if settings.weaviate.url:
        raise NoCellsError("expected an index in the matcher's memory: a cluster makes and keeps its graph by itself")
    return [_inspected(settings, number, probes, new_cells=True) for number in _partitions(settings)]


def _inspected(settings: Settings, number: int, probes: int, *, new_cells: bool) -> Inspected:
    with _opened(settings, number, new_cells=new_cells) as memory:
        state, index = memory.stores()
        in_cells = isinstance(index, CellStore)
        return Inspected(
            partition=number,
            state=state.counts(),
            index=index.report() if isinstance(index, CellStore) else _in_cluster(index).report(),
            probe=next((found for found in memory.probe(probes, seed=0) if found is not None), None),
            assigned=memory.loaded.assigned,
            blocks=_blocks(state) if state.identity.blocks else None,
            left_out=None if in_cells else LEFT_OUT,
        )


def _blocks(state: State) -> Blocks:
    sizes = state.block_sizes()
    live = sum(sizes.values())
    brandless = sizes.pop(None, 0)
    largest = max(sizes, key=lambda name: sizes[name], default=None)
    return Blocks(
        known=len(state.block_names()),
        used=len(sizes),
        largest=largest,
        largest_offers=sizes[largest] if largest is not None else 0,
        brandless=brandless / live if live else None,
    )


def _in_cluster(index: IndexStore) -> "WeaviateStore":
    # The client is an extra, and most matchers do without.
    from index_store.weaviate.store import WeaviateStore

    assert isinstance(index, WeaviateStore)
    return index


def _partitions(settings: Settings) -> list[int]:
    bundle = load_bundle(settings.matcher.bundle)
    folder = Path(settings.matcher.state_folder) / settings.matcher.group / bundle.fingerprint
    files = sorted(folder.glob("partition-*.sqlite"))
    if not files:
        raise NoStateError(f"{folder}: no matcher of this group and bundle left any state here")
    return [int(file.stem.removeprefix("partition-")) for file in files]


@contextmanager
def _opened(settings: Settings, number: int, *, new_cells: bool = False) -> Iterator[Memory]:
    bundle = load_bundle(settings.matcher.bundle)
    folder = Path(settings.matcher.state_folder) / settings.matcher.group
    topics = (settings.topics.prefix + bundle.features_topic, settings.topics.matches)
    memory = Memory(
        folder,
        bundle,
        number,
        topics,
        settings.topics.universes,
        weaviate=weaviate_settings(settings.weaviate),
        new_cells=new_cells,
    )
    try:
        yield memory
    finally:
        memory.close()
