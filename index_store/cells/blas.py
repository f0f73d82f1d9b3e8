"""Small matrix products on one thread: sharing one costs more than doing it, on a busy machine very much more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

# The controller knows the libraries that are loaded when it is made.
import faiss  # noqa: F401
import numpy as np  # noqa: F401
from threadpoolctl import ThreadpoolController

_libraries: Final[list[Any]] = ThreadpoolController().select(user_api="blas").lib_controllers


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it, BLAS uses one thread. The libraries are asked themselves: `ThreadpoolController.limit` looks at each
    of them anew, which takes as long as writing an entry."""
    before = [(library, library.get_num_threads()) for library in _libraries]
    shared = [(library, threads) for library, threads in before if threads > 1]
    for library, _ in shared:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, threads in shared:
            library.set_num_threads(threads)
