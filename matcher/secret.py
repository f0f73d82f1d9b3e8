"""Passwords in settings: readable by the code that needs them, invisible to whoever prints, logs or encodes them."""

from pathlib import Path
from typing import Any

from matcher.settings_error import SettingsError

#: A file that holds a password holds no more than this, in bytes: anything larger is the wrong file.
MAX_FILE = 64 * 1024


class Secret:
    """A text that shows itself only to `reveal()`. JSON and MessagePack encoders refuse it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def decode_secret(kind: type, value: Any) -> Any:
    """A `dec_hook` for msgspec. The message never repeats the value."""
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError(f"expected a text, got {type(value).__name__}")


def read_secret(name: str, file: str) -> Secret:
    """The first line of `file`. Raises `SettingsError`, which names the setting `name`."""
    try:
        raw = Path(file).read_bytes()
        text = raw.decode().rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{name}: expected a readable file, got {file} ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{name}: expected a text in UTF-8 in {file}") from None
    if not text or len(raw) > MAX_FILE or "\n" in text:
        raise SettingsError(f"{name}: expected one line in {file}, the secret itself")
    return Secret(text)
