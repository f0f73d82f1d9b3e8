"""Why there is no dataset: errors whose messages say what was expected and what was found."""

from producers.tables import TableUnusable


class DatasetUnusable(TableUnusable):
    """A folder that gives no dataset of the kind that is asked for."""


class CacheUnusable(DatasetUnusable):
    """The folder that keeps features cannot be used: not writable, damaged, or of another version."""
