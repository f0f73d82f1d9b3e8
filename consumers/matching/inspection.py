"""Looking into the state of a matcher that is not running."""

from pathlib import Path

from index_store.verify import Verification, verify
from matcher.memory import Memory
from matcher.model.bundle import load_bundle
from matcher.settings import Settings


class NoStateError(FileNotFoundError):
    """There is no state to look into."""


def verify_partitions(settings: Settings) -> Verification:
    """Verifies every partition's state and the index made from it.

    Raises `NoStateError` where there is none, and `index_store.errors.StateError`.
    """
    bundle = load_bundle(settings.matcher.bundle)
    folder = Path(settings.matcher.state_folder) / settings.matcher.group
    topics = (settings.topics.prefix + bundle.features_topic, settings.topics.matches)
    offers, indexed, problems = 0, 0, list[str]()
    files = sorted((folder / bundle.fingerprint).glob("partition-*.sqlite"))
    if not files:
        raise NoStateError(f"{folder / bundle.fingerprint}: no matcher of this group and bundle left any state here")
    for file in files:
        number = int(file.stem.removeprefix("partition-"))
        memory = Memory(folder, bundle, number, topics, settings.topics.universes)
        try:
            found = verify(*memory.stores())
        finally:
            memory.close()
        offers, indexed = offers + found.offers, indexed + found.indexed
        problems += [f"partition {number}: {problem}" for problem in found.problems]
    return Verification(ok=not problems, offers=offers, indexed=indexed, problems=tuple(problems))
