"""Does the index hold exactly what the state says is live?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index_store.state import State
from index_store.store import IndexStore, Keys


@dataclass(frozen=True, slots=True)
class Verification:
    """offers: live in the state; indexed: entries of the index; problems: what differs, in words."""

    ok: bool
    offers: int
    indexed: int
    problems: tuple[str, ...]


def verify(state: State, store: IndexStore) -> Verification:
    """Compare all live offers with the index, keys, vectors, sellers and blocks, and the state with itself.

    Neither may be written to meanwhile. Raises `ValueError` if the two have different dimensions.
    """
    if state.identity.dim != store.dim:
        raise ValueError(f"the state has {state.identity.dim} dimensions, the index {store.dim}")
    problems = list(state.audit())
    missing: list[Keys] = []
    differing: list[Keys] = []
    of_others: list[Keys] = []
    misplaced: list[Keys] = []
    offers = 0
    for keys, vectors, sellers, blocks in state.live_vectors():
        offers += len(keys)
        stored = store.reconstruct(keys)
        absent = np.isnan(stored).any(axis=1)
        missing.append(keys[absent])
        differing.append(keys[~absent & (stored != vectors).any(axis=1)])
        their_sellers, their_blocks = store.labels(keys)
        of_others.append(keys[~absent & (their_sellers != sellers)])
        misplaced.append(keys[~absent & (their_blocks != blocks)])
    problems += _named("live offers are missing from the index", missing)
    problems += _named("live offers have another vector in the index", differing)
    problems += _named("live offers have another seller in the index", of_others)
    problems += _named("live offers are in another block in the index", misplaced)
    extra = len(store) - (offers - sum(map(len, missing)))
    if extra:
        problems.append(f"{extra} entries of the index are no live offers")
    return Verification(not problems, offers, len(store), tuple(problems))


def _named(what: str, chunks: list[Keys]) -> list[str]:
    keys = np.concatenate(chunks) if chunks else np.zeros(0, np.int64)
    if not len(keys):
        return []
    shown = ", ".join(map(str, keys[:5].tolist())) + (", …" if len(keys) > 5 else "")
    return [f"{len(keys)} {what} (keys {shown})"]
