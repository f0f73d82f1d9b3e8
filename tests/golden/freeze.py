"""Freezes the format as it is today under a new version: `python -m tests.golden.freeze v2`.

Do this when the format was changed on purpose. A version that exists is never written again: records of it lie in the
logs of others, and every later reader has to read them. Give reason and consequence in docs/decisions/.
"""

import sys
from pathlib import Path

from msgspec.structs import replace

from tests.golden.container import FOLDER, GoldenFile, dump, versions
from tests.golden.inputs import written_today
from tests.golden.readers import read_as_data


def freeze(folder: Path) -> None:
    """Writes what today's code writes and reads into `folder`. Raises `FileExistsError` if that is there."""
    contents = {topic: dump(_with_reading(content)) for topic, content in written_today().items()}
    folder.mkdir(parents=False, exist_ok=False)
    for topic, content in contents.items():
        (folder / f"{topic}.json").write_bytes(content)


def _with_reading(content: GoldenFile) -> GoldenFile:
    records = (replace(r, reads_as=read_as_data(content.topic, r.record(content.topic))) for r in content.records)
    return replace(content, records=tuple(records))


if __name__ == "__main__":
    following = f"v{len(versions()) + 1}"
    if sys.argv[1:] != [following]:
        sys.exit(f"expected the next version: python -m tests.golden.freeze {following}")
    freeze(FOLDER / following)
