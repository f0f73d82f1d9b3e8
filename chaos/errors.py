"""What counts as not recovering."""

#: Seconds after which what must happen counts as not happening.
PATIENCE = 90.0


class ChaosFailedError(RuntimeError):
    """The pipeline did not recover; the message says from what."""
