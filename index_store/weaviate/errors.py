"""What can go wrong between this process and a Weaviate cluster."""

from __future__ import annotations


class WeaviateError(RuntimeError):
    """The cluster cannot be used as it is; the message says what was expected."""


class WeaviateAway(WeaviateError):
    """Too little of the cluster answered until the deadline; what was asked is not done, and nothing is lost."""


class WeaviateMismatch(WeaviateError, ValueError):
    """The cluster, or a collection on it, is not what the settings say."""
