"""Gets the Weaviate server onto this machine: one that is there, or built by Go from the version named here."""

import os
import shutil
import subprocess
from pathlib import Path

from broker.lock import FolderInUse, FolderLock

VERSION = "1.35.2"
MODULE = "github.com/weaviate/weaviate/cmd/weaviate-server"
"""What `go install` builds; Go checks its source by the sums of the module and of all it needs."""

NAME = "weaviate-server"
_BUILD_SECONDS = 3600.0


class ServerMissing(RuntimeError):
    """There is no Weaviate server, and none can be built; the message says what would help."""


def default_folder() -> Path:
    """`$OFFERMATCH_CACHE/weaviate-<version>`, or below `~/.cache/offermatch`."""
    root = os.environ.get("OFFERMATCH_CACHE")
    base = Path(root).expanduser() if root else Path.home() / ".cache" / "offermatch"
    return base / f"weaviate-{VERSION}"


def available(folder: Path | None = None) -> Path | None:
    """A server that is there: in `folder` (default: ours), or on the PATH. Its version is not looked at."""
    built = (folder or default_folder()) / NAME
    if built.is_file():
        return built
    found = shutil.which(NAME)
    return Path(found) if found else None


def ensure_server(folder: Path | None = None) -> Path:
    """A server that is there, or one that is built now: some minutes and 2 GB of Go's caches, once.

    Any number of processes may call at once: one builds and the others wait. Raises `ServerMissing`.
    """
    folder = folder or default_folder()
    if there := available(folder):
        return there
    go = shutil.which("go")
    if go is None:
        raise ServerMissing(
            f"no {NAME} on the PATH and no Go to build one: install Go 1.24 or later, put a {NAME} {VERSION} on the "
            "PATH, or name a cluster that is there, like WEAVIATE_URL=http://127.0.0.1:8080"
        )
    with FolderLock(folder) as guard:
        try:
            guard.acquire(timeout=_BUILD_SECONDS)
        except FolderInUse as error:
            raise ServerMissing(f"another process is building {NAME}: {error}") from error
        if there := available(folder):
            return there
        return _build(go, folder)


def _build(go: str, folder: Path) -> Path:
    draft = folder / "building"
    draft.mkdir(exist_ok=True)
    environment = {**os.environ, "GOBIN": str(draft), "GOFLAGS": "-buildvcs=false"}
    try:
        subprocess.run(
            [go, "install", f"{MODULE}@v{VERSION}"],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=_BUILD_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        said = "\n".join(error.stderr.splitlines()[-10:])
        raise ServerMissing(f"Go could not build {MODULE}@v{VERSION}:\n{said}") from error
    except subprocess.TimeoutExpired as error:
        raise ServerMissing(f"Go did not build {MODULE}@v{VERSION} within {_BUILD_SECONDS:g} s") from error
    # By one rename, so that an interrupted build is never taken for a server.
    return (draft / NAME).replace(folder / NAME)
