"""Numbers for names, in the order in which the names came: a table of the state file, and the same in memory.

A name keeps its number as long as it is known. Where names were dropped, numbers are left out; the next new name gets
the number after the highest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

NO_NAME: Final = -1
"""The number of a missing name, and of one that is not known: `NO_SELLER` and `NO_BLOCK`."""

_SELECT: Final = {
    "sellers": "SELECT seller_id, code FROM sellers ORDER BY code",
    "blocks": "SELECT name, number FROM blocks ORDER BY number",
}
_DELETE: Final = {
    "sellers": "DELETE FROM sellers WHERE code = ?",
    "blocks": "DELETE FROM blocks WHERE number = ?",
}
_INSERT: Final = {
    "sellers": "INSERT INTO sellers (seller_id, code) VALUES (?, ?)",
    "blocks": "INSERT INTO blocks (name, number) VALUES (?, ?)",
}


class Names:
    """The names of one table. What a transaction adds is learned after its commit, and not if it fails."""

    def __init__(self, connection: sqlite3.Connection, table: Literal["sellers", "blocks"]) -> None:
        """Reads the table."""
        self._insert, self._delete = _INSERT[table], _DELETE[table]
        self._numbers: dict[str, int] = dict(connection.execute(_SELECT[table]).fetchall())

    def __len__(self) -> int:
        return len(self._numbers)

    def by_name(self) -> dict[str, int]:
        """Each name with its number, by rising number."""
        return dict(self._numbers)

    def add(self, connection: sqlite3.Connection, names: Iterable[str | None]) -> Mapping[str, int]:
        """Writes those that are new, in their order, and returns them with their numbers, to be given to `learn`."""
        new = [name for name in dict.fromkeys(names) if name and name not in self._numbers]
        added = {name: number for number, name in enumerate(new, start=self._next())}
        connection.executemany(self._insert, added.items())
        return added

    def _next(self) -> int:
        # By rising number, so the last has the highest.
        return self._numbers[next(reversed(self._numbers))] + 1 if self._numbers else 0

    def drop(self, connection: sqlite3.Connection, names: Iterable[str]) -> None:
        """Deletes these from the table; give them to `forget` once that is committed."""
        connection.executemany(self._delete, [(self._numbers[name],) for name in names])

    def forget(self, names: Iterable[str]) -> None:
        """Call it once the transaction that dropped them is committed."""
        for name in names:
            del self._numbers[name]

    def learn(self, added: Mapping[str, int]) -> None:
        """Call it once the transaction that added them is committed."""
        self._numbers.update(added)

    def number(self, name: str | None, added: Mapping[str, int]) -> int:
        """The number of a name, where `added` are known too."""
        if not name:
            return NO_NAME
        return self._numbers.get(name, added.get(name, NO_NAME))

    def numbers(self, names: Sequence[str | None]) -> npt.NDArray[np.int32]:
        """i32[n]."""
        return np.array([self.number(name, {}) for name in names], dtype=np.int32)


def load_used_blocks(connection: sqlite3.Connection) -> set[str]:
    """Names of the blocks that live offers or held features are in. Reads all live offers."""
    rows = connection.execute(
        "SELECT name FROM blocks WHERE number IN (SELECT block FROM live_vectors)"
        " UNION SELECT block FROM pending WHERE block IS NOT NULL"
    )
    return {name for (name,) in rows}
