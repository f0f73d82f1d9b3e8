"""Everything that is asked of jgo: which jars a set of Maven coordinates means, and one jar's bytes.

jgo resolves and downloads in pure Python: no Maven, no Java. Repositories that the user named in jgo's own settings
are asked first, then jgo's default.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

FileMeter = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""jgo's shape of a progress callback: (file, bytes in all) → context manager → called with each chunk's bytes."""

_ATTEMPTS = 3
_HTTP_TIMEOUT_SECONDS = 60


class FetchError(RuntimeError):
    """No repository gave the file, or jgo is not installed."""


def resolver_version() -> str:
    """Which resolver writes the lock file, such as `jgo 3.2.0`."""
    return f"jgo {version('jgo')}"


def resolve(coordinates: tuple[str, ...], repository: Path) -> list[str]:
    """The coordinates of every jar, direct and transitive, that the given ones need at run time, sorted.

    Args:
        coordinates: `group:artifact:version`.
        repository: folder for the project descriptions that are read on the way.
    """
    context = _context(repository)
    asked = [context.create_dependency(text) for text in coordinates]
    direct, transitive = context.resolver.resolve(asked)
    return sorted(
        f"{dep.groupId}:{dep.artifactId}:{dep.version}"
        for dep in [*direct, *transitive]
        if dep.scope in (None, "compile", "runtime")
    )


def fetch(coordinate: str, repository: Path, meter: FileMeter | None = None) -> Path:
    """Download one jar into `repository` and return its path. Raises FetchError after three attempts."""
    context = _context(repository, meter)
    artifact = context.create_dependency(coordinate).artifact
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return Path(artifact.resolve())
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
            if attempt == _ATTEMPTS:
                raise FetchError(f"{coordinate} could not be fetched in {_ATTEMPTS} attempts: {error}") from error
            # A broken download leaves the half that it got, and jgo would take it for whole.
            (repository / artifact.component.path_prefix / artifact.filename).unlink(missing_ok=True)
            time.sleep(attempt)
    raise AssertionError("the last attempt returns or raises")


def _context(repository: Path, meter: FileMeter | None = None) -> Any:
    try:
        from jgo.config import GlobalSettings
        from jgo.maven import MavenContext, PythonResolver
    except ImportError as error:
        raise FetchError(
            "fetching Kafka needs the package jgo: pip install 'offermatch[kafka]', or set KAFKA_BOOTSTRAP to a "
            "Kafka that is already running"
        ) from error
    own = dict(GlobalSettings.load().repositories)
    default = dict(MavenContext(repo_cache=repository).remote_repos)
    return MavenContext(
        resolver=PythonResolver(progress_callback=meter or _silent),
        repo_cache=repository,
        remote_repos=own | {name: url for name, url in default.items() if name not in own},
        timeout=_HTTP_TIMEOUT_SECONDS,
    )


@contextmanager
def _silent(_file: str, _size: int) -> Iterator[Callable[[int], None]]:
    yield lambda _count: None
