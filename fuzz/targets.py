"""All targets by name."""

from fuzz import events, photos, tables
from fuzz.target import Target

TARGETS: dict[str, Target] = {target.name: target for target in (*events.TARGETS, *photos.TARGETS, *tables.TARGETS)}
