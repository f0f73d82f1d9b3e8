"""Bytes of photos that are here already: `file:` URLs under one folder, and `data:` URLs."""

import base64
import binascii
import os
import stat
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from consumers.photos.outcome import PhotoError

_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def read_file(url: str, root: Path | None, max_bytes: int) -> bytes:
    """The file behind a `file:` URL; a relative one (`file:a.jpg`) counts from the root.

    Raises PhotoError: forbidden_path (also through symbolic links), bad_url, not_found, refused, too_large.
    """
    if root is None:
        raise PhotoError("forbidden_path", "expected no file: URL, since no folder is allowed")
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise PhotoError("forbidden_path", f"expected a file on this machine, got host {parts.netloc!r}")
    raw = unquote_to_bytes(parts.path)
    if not raw or b"\0" in raw:
        raise PhotoError("bad_url", "expected a path in the file: URL")
    base = root.resolve()
    path = (base / os.fsdecode(raw)).resolve()
    if not path.is_relative_to(base):
        raise PhotoError("forbidden_path", "expected a path under the allowed folder")
    return _read(path, max_bytes)


def read_data(url: str, max_bytes: int) -> bytes:
    """The content of a `data:` URL (RFC 2397), base64 or percent-encoded. Raises PhotoError: bad_url, too_large."""
    head, comma, body = url[len("data:") :].partition(",")
    if not comma:
        raise PhotoError("bad_url", "expected a comma in the data: URL")
    packed = head.rstrip().lower().endswith(";base64")
    # Each character of the content is at most three of a percent-encoded URL, and base64 adds a third.
    if len(body) > 3 * (max_bytes * 4 // 3 + 4 if packed else max_bytes):
        raise PhotoError("too_large", f"expected at most {max_bytes} bytes, got a URL of {len(url)} characters")
    content = unquote_to_bytes(body)
    if packed:
        letters = b"".join(content.split()).translate(_URL_SAFE).rstrip(b"=")
        if len(letters) * 3 // 4 > max_bytes:
            raise PhotoError("too_large", f"expected at most {max_bytes} bytes, got {len(letters) * 3 // 4}")
        try:
            return base64.b64decode(letters + b"=" * (-len(letters) % 4), validate=True)
        except binascii.Error as error:
            raise PhotoError("bad_url", f"expected base64 in the data: URL: {error}") from error
    if len(content) > max_bytes:
        raise PhotoError("too_large", f"expected at most {max_bytes} bytes, got {len(content)}")
    return content


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        # Without following a link that was put there since, and without waiting for the writer of a pipe.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PhotoError("not_found", f"no file {path.name}") from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise PhotoError("refused", f"expected a regular file, {path.name} is none")
    except BaseException:
        os.close(handle)
        raise
    with os.fdopen(handle, "rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise PhotoError("too_large", f"expected at most {max_bytes} bytes, got {status.st_size}")
    return content
