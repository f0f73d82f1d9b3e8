"""Which part of a store answers: an exact index while entries are few, then cells, and how one becomes the other."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from index_store.cells.adopting import Adopting
from index_store.cells.balance import Balancer
from index_store.cells.folders import Folders
from index_store.cells.growth import Growth
from index_store.cells.index import CellIndex
from index_store.cells.loading import Loaded, Loading
from index_store.flat import FlatStore
from index_store.halves import Halves
from index_store.store import BlockCodes, HalfRows, Keys, Rows, SellerCodes, Vectors


class Stages:
    """Entries in an exact index or in cells; arguments are checked, keys are without repetition, and one thread at a
    time calls: that is the store's part."""

    def __init__(self, dim: int, folders: Folders, *, exact_below: int, seed: int) -> None:
        """An empty exact index. exact_below: entries up to which it stays one."""
        self._dim = dim
        self._folders = folders
        self._exact_below = exact_below
        self._seed = seed
        self._flat: FlatStore | None = FlatStore(dim)
        self._growth: Growth | None = None
        self._balancer: Balancer | None = None
        self.cells: CellIndex | None = None
        """The entries, where they are in cells."""

    def load(self, chunks: Iterable[Rows | HalfRows], *, anew: bool) -> Loaded:
        """See `CellStore.load`."""
        if self._flat is None or len(self._flat) or self._growth is not None:
            raise ValueError("only an index that is empty and not closed can be loaded")
        files = None if anew else self._folders.remembered()
        if files is None:
            return self._load_anew(chunks)
        adopting = Adopting(files)
        try:
            adopting.take(chunks)
            loaded = adopting.finish()
            if loaded.assigned > loaded.entries // 2:
                # Cells made for other entries: better ones are worth the time.
                loaded = self._load_anew(adopting.index.rows())
                adopting.index.close()
                return loaded
        except BaseException:
            adopting.index.close()
            raise
        self._use(adopting.index)
        if loaded.entries < self._exact_below:
            self._shrink(adopting.index)
        return loaded

    def upsert(self, keys: Keys, vectors: Vectors, halves: Halves, sellers: SellerCodes, blocks: BlockCodes) -> None:
        """Add or replace entries. Raises `OSError` if the disk is full, and has changed nothing then."""
        # First, since a full disk may stop it.
        self._maintain(len(keys))
        if self.cells is not None:
            self.cells.upsert(keys, vectors, halves, sellers, blocks)
        else:
            if self._growth is not None:
                self._growth.upsert(keys, vectors, halves, sellers, blocks)
            self.exact().upsert(keys, vectors, sellers, blocks)

    def remove(self, keys: Keys) -> int:
        """Take out entries; returns how many were there."""
        if self.cells is not None:
            slots = self.cells.entries.find(keys)
            slots = slots[slots >= 0]
            self.cells.remove(slots)
            count = len(slots)
        else:
            count = self.exact().remove(keys)
            if self._growth is not None:
                self._growth.remove(keys)
        with suppress(OSError):  # a full disk: tried again with the next write, which says so
            self._maintain(count)
        return count

    def exact(self) -> FlatStore:
        """The entries, where they are not in cells. Raises `ValueError` once closed."""
        if self._flat is None:
            raise ValueError("this index is closed")
        return self._flat

    def answering(self) -> CellIndex | FlatStore:
        """The entries, wherever they are. Raises `ValueError` once closed."""
        return self.cells if self.cells is not None else self.exact()

    def __len__(self) -> int:
        return len(self.cells if self.cells is not None else self._flat or ())

    def memory_bytes(self) -> int:
        """Bytes of memory; 0 once closed."""
        if self.cells is not None:
            return self.cells.nbytes()
        return self._flat.memory_bytes() if self._flat is not None else 0

    def close(self) -> None:
        """Give back memory and files. Closing twice is allowed."""
        for part in (self._growth, self.cells, self._flat, self._folders):
            if part is not None:
                part.close()
        self._growth = self.cells = self._flat = self._balancer = None

    def _load_anew(self, chunks: Iterable[Rows | HalfRows]) -> Loaded:
        assert self._flat is not None
        loading = Loading(self._folders.new(), self._dim)
        try:
            loading.take(chunks)
            if len(loading) < self._exact_below:
                for rows in loading.entries():
                    self._flat.upsert(*rows)
                loading.close()
                self._folders.keep(None)
                return Loaded(len(self._flat), 0)
            index, loaded = loading.finish(self._seed)
        except BaseException:
            loading.close()
            raise
        self._use(index)
        return loaded

    def _maintain(self, rows: int) -> None:
        if self.cells is not None:
            assert self._balancer is not None
            self._balancer.step(rows)
            if len(self.cells) < self._exact_below // 2:
                self._shrink(self.cells)
            return
        few = self.exact()
        if self._growth is None and len(few) >= self._exact_below:
            self._growth = Growth(few, self._folders.new, self._seed)
        if self._growth is not None:
            try:
                grown = self._growth.step(rows)
            except OSError:
                # It cannot be gone on with; the next one begins anew, with the room that this one had.
                self._growth.close()
                self._growth = None
                self._folders.keep(None)
                raise
            if grown is not None:
                self._growth = None
                self._use(grown)

    def _use(self, index: CellIndex) -> None:
        """From here on the cells answer."""
        if self._flat is not None:
            self._flat.close()
        self._flat, self.cells, self._balancer = None, index, Balancer(index)
        self._folders.keep(index.entries.files)

    def _shrink(self, index: CellIndex) -> None:
        """Few enough to be exact again."""
        self._flat = FlatStore(self._dim)
        for rows in index.rows():
            self._flat.upsert(*rows)
        self.cells = self._balancer = None
        index.close()
        self._folders.keep(None)
