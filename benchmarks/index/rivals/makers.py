"""The references by the name that the command line takes, and what they need."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from benchmarks.index.rivals.rival import Rival

OURS: Final = "ours"

_PLAIN: Final = "benchmarks.index.plain"
_RIVALS: Final = "benchmarks.index.rivals"
_WHERE: Final = {
    "flat": (_PLAIN, "Flat"),
    "ivf": (_PLAIN, "InvertedFile"),
    "hnsw": (_PLAIN, "Graph"),
    "hnswlib": (f"{_RIVALS}.hnswlib", "Hnswlib"),
    "usearch": (f"{_RIVALS}.usearch", "USearch"),
    "weaviate": (f"{_RIVALS}.weaviate", "Weaviate"),
    "milvus": (f"{_RIVALS}.milvus", "MilvusLite"),
    "qdrant": (f"{_RIVALS}.qdrant", "QdrantLocal"),
    OURS: (f"{_RIVALS}.cells", "Cells"),
}
_NEEDS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "hnswlib": (("hnswlib", "bench"),),
    "usearch": (("usearch", "bench"),),
    "weaviate": (("weaviate", "weaviate"),),
    "milvus": (("pymilvus", "bench"), ("milvus_lite", "bench")),
    "qdrant": (("qdrant_client", "bench"),),
}
"""Packages, with the extra that installs each."""

REFERENCES: Final = tuple(name for name in _WHERE if name != OURS)


class ReferenceMissing(ValueError):
    """A reference is unknown, or what it needs is not installed; the message says what would help."""


def check(references: Iterable[str]) -> None:
    """Raises `ReferenceMissing` unless all of these can be made."""
    for name in references:
        if name not in REFERENCES:
            raise ReferenceMissing(f"references must be of {', '.join(REFERENCES)}, got {name}")
        for package, extra in _NEEDS.get(name, ()):
            if find_spec(package) is None:
                raise ReferenceMissing(
                    f"the reference {name} needs the package {package}: pip install 'offermatch[{extra}]' "
                    f"(in a checkout: .venv/bin/pip install -c constraints.txt -e '.[{extra}]')"
                )


def make(name: str, folder: Path) -> Rival:
    """An empty index; what it keeps on disk goes into `folder`."""
    module, maker = _WHERE[name]
    kind = getattr(importlib.import_module(module), maker)
    rival: Rival = kind() if module == _PLAIN else kind(folder)
    return rival
