"""Looking into the state of a matcher that is not running."""

from pathlib import Path

from index_store.verify import Verification, verify
from matcher.memory import Memory
from matcher.model.bundle import load_bundle
from matcher.settings import Settings


def verify_partitions(settings: Settings) -> Verification:
    """Verifies every partition's state and the index made from it. Raises `index_store.errors.StateError`."""
    bundle = load_bundle(settings.matcher.bundle)
    folder = Path(settings.matcher.state_folder) / settings.matcher.group
    topics = (settings.topics.prefix + bundle.features_topic, settings.topics.matches)
    offers, indexed, problems = 0, 0, list[str]()
    for file in sorted((folder / bundle.fingerprint).glob("partition-*.sqlite")):
        number = int(file.stem.removeprefix("partition-"))
        memory = Memory(folder, bundle, number, topics, settings.topics.universes)
        try:
            found = verify(*memory.stores())
        finally:
            memory.close()
        offers, indexed = offers + found.offers, indexed + found.indexed
        problems += [f"partition {number}: {problem}" for problem in found.problems]
    return Verification(ok=not problems, offers=offers, indexed=indexed, problems=tuple(problems))
