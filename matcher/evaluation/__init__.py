"""How good the decisions are, measured against known product ids. Pure: no Kafka, no clock."""

from matcher.evaluation.comparison import Report, compare
from matcher.evaluation.history import FirstDecision, History, Withdrawal
from matcher.evaluation.truth import Truth

__all__ = ["FirstDecision", "History", "Report", "Truth", "Withdrawal", "compare"]
