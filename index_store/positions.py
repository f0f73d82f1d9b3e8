"""How far a state has applied its logs: the next offset of each (topic, partition), and a time before it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from index_store.errors import PositionMovedBack, how_to_delete


def load_positions(connection: sqlite3.Connection) -> dict[tuple[str, int], int]:
    """(topic, partition) -> next offset."""
    rows = connection.execute("SELECT topic, partition, next_offset FROM positions")
    return {(topic, partition): next_offset for topic, partition, next_offset in rows}


def load_times(connection: sqlite3.Connection) -> dict[tuple[str, int], int]:
    """(topic, partition) -> milliseconds since 1970; 0 where none is known."""
    rows = connection.execute("SELECT topic, partition, time_ms FROM positions")
    return {(topic, partition): time_ms for topic, partition, time_ms in rows}


def move_positions(
    connection: sqlite3.Connection,
    path: Path,
    positions: Mapping[tuple[str, int], int],
    times: Mapping[tuple[str, int], int],
) -> None:
    """Writes where a stretch of the logs ends. Raises `PositionMovedBack`, naming the state at `path`."""
    stored = load_positions(connection)
    for (topic, partition), next_offset in positions.items():
        known = stored.get((topic, partition), 0)
        if next_offset < known:
            raise PositionMovedBack(
                f"state {path} is at offset {known} of {topic} [{partition}] and was asked to go back to "
                f"{next_offset}: the log lost records, or they were read twice; if the log was really cut, "
                f"{how_to_delete(path)}"
            )
    connection.executemany(
        "INSERT INTO positions (topic, partition, next_offset, time_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET next_offset = excluded.next_offset, time_ms = max(time_ms, excluded.time_ms)",
        ((*place, offset, times.get(place, 0)) for place, offset in positions.items()),
    )
