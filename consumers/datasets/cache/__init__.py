"""Features on disk: computed once, found again by content, safe against interruption and for several processes."""

from consumers.datasets.cache.memory import Memory
from consumers.datasets.cache.vectors import Vectors

__all__ = ["Memory", "Vectors"]
