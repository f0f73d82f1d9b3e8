"""The rehearsal: a new bundle decides the log from its beginning, beside the running matcher and unseen by it.

No group is joined, no offset committed, nothing published; the running matcher's state is not touched.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from consumers.tail import tail
from matcher.expiry import Expiry
from matcher.model.bundle import load_bundle
from matcher.rollout import Published, Rollout, Shadow, compare
from matcher.settings import Settings

#: Records between two words of progress.
STEP = 1_000


class NothingToRehearse(ValueError):
    """The features topic is empty."""


def rehearse(
    settings: Settings,
    bundle_name: str,
    *,
    state: Path | None = None,
    examples: int = 3,
    reached: Callable[[int], None] = lambda _: None,
) -> Rollout:
    """Decides what the bundle's features topic holds now, and compares that with `matches`.

    `bundle_name` as for `load_bundle`. `state`: the folder in which a temporary one is made (None: the system's); it
    needs as much room as a matcher's state, and is gone afterwards. `examples`: of each flip at most. `reached` is told
    from time to time how many records were decided.

    Raises `BundleUnusable`, `ForeignFeatures`, `NothingToRehearse`, `matcher.events.Unreadable`, what `tail` raises.
    """
    bundle = load_bundle(bundle_name)
    features, matches = settings.topics.prefix + bundle.features_topic, settings.topics.matches
    if state is not None:
        state.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="offermatch-rollout-", dir=state) as folder,
        Shadow(
            bundle,
            Path(folder),
            (features, matches),
            settings.topics.universes,
            settings.matcher.batch_size,
            expiry=Expiry.of(settings.matcher.expire_after),
        ) as shadow,
    ):
        read = 0
        for read, record in enumerate(tail(settings.kafka, features), start=1):
            shadow.take(record)
            if read % STEP == 0:
                reached(read)
        if not read:
            raise NothingToRehearse(f"topic {features} holds no record: nothing was encoded yet, so nothing can change")
        shadow.finish()
        reached(read)
        # Read after the features, so that whatever the running matcher made of them by now is there.
        published = Published(features, shadow.ends)
        for record in tail(settings.kafka, matches):
            published.take(record)
        return compare(published, shadow, bundle, features_topic=features, examples=examples)
