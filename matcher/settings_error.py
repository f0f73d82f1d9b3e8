"""The one error of everything that reads settings."""


class SettingsError(ValueError):
    """Settings that cannot be used; the message names the variable and what it accepts."""
