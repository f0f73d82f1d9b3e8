"""Before a bundle is switched: what it would have decided, beside what was published. Pure: no Kafka, no clock."""

from matcher.rollout.comparison import compare
from matcher.rollout.published import Published
from matcher.rollout.result import Rollout
from matcher.rollout.shadow import ForeignFeatures, Shadow

__all__ = ["ForeignFeatures", "Published", "Rollout", "Shadow", "compare"]
