"""The step that took what offers say out of the state's own file: run once, on files of before."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from index_store.contents import Content, ContentsFile

_CHUNK: Final = 1_024


def move_contents(connection: sqlite3.Connection) -> None:
    """Copies contents and raw features to a new file beside, each to the place that equals its key.

    A part of a step of the schema; where that fails the new file is of no state, and the next try replaces it.
    Never holds more than a thousand of them.
    """
    (path,) = (file for _, name, file in connection.execute("PRAGMA database_list") if name == "main")
    (token,) = connection.execute("SELECT token FROM contents_file").fetchone()
    contents = ContentsFile(Path(path), token, create=True)
    try:
        after = -1
        while rows := connection.execute(
            "SELECT key, seller_id, payload, image, text FROM contents LEFT JOIN raw_features USING (key)"
            " WHERE key > ? ORDER BY key LIMIT ?",
            (after, _CHUNK),
        ).fetchall():
            contents.write(((key, Content(*row)) for key, *row in rows), ())
            after = rows[-1][0]
    finally:
        contents.close()
