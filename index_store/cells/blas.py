"""Small matrix products on one thread: sharing one costs more than doing it, on a busy machine very much more."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Final

# The controller knows the libraries that are loaded when it is made.
import faiss  # noqa: F401
import numpy as np  # noqa: F401
from threadpoolctl import ThreadpoolController

_controller: Final[Any] = ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """Within it, BLAS uses one thread."""
    context: AbstractContextManager[Any] = _controller.limit(limits=1, user_api="blas")
    return context
