"""Where a matcher's index lives: in its own memory, or in a Weaviate cluster; and how it is filled at the start."""

import logging
from collections.abc import Callable
from pathlib import Path

from index_store.cells.loading import Loaded
from index_store.cells.store import CellStore
from index_store.state import State
from index_store.store import IndexStore
from index_store.weaviate.settings import WeaviateSettings
from matcher.model.bundle import Bundle

log = logging.getLogger(__name__)


def open_index(
    state: State,
    path: Path,
    bundle: Bundle,
    partition: int,
    weaviate: WeaviateSettings | None,
    *,
    new_cells: bool,
    on_waiting: Callable[[str], None],
) -> tuple[IndexStore, Loaded]:
    """The index that belongs to a state, holding what is live in it; `path` is the state's file.

    Cells of the last run are used again, unless `new_cells`; a cluster is sent what it lacks. `on_waiting` is told, now
    and later, what a cluster is waited for; "" when it is waited for no more. Raises
    `index_store.weaviate.errors.WeaviateAway` where a cluster does not answer.
    """
    if weaviate is None:
        cells = CellStore(bundle.dim, path.with_suffix(".index"))
        return cells, cells.load(state.live_halves(), anew=new_cells)
    # The client is an extra, and most matchers do without.
    from index_store.weaviate.store import WeaviateStore

    name = f"Offers_{bundle.fingerprint[:12]}_{partition}"
    cluster = WeaviateStore(bundle.dim, weaviate, path.with_suffix(".weaviate"), name, on_waiting=on_waiting)
    try:
        sent = cluster.load(state.live_vectors())
    except BaseException:
        cluster.close()
        raise
    log.info("the index is in collection %s: %d entries, %d of them sent now", cluster.collection, len(cluster), sent)
    return cluster, Loaded(entries=len(cluster), assigned=sent)
