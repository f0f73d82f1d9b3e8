"""How good the decisions are, measured against known product ids. Pure: no Kafka, no clock."""

from matcher.evaluation.run.comparison import Report, compare
from matcher.evaluation.run.history import FirstDecision, History, Withdrawal
from matcher.evaluation.run.truth import Truth

__all__ = ["FirstDecision", "History", "Report", "Truth", "Withdrawal", "compare"]
