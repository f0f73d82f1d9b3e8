"""The auditor: what the topics say, what was committed and what was left on disk, held against the guarantee.

Pure functions on lists of records: what they find can be tested with planted faults and no broker.
"""

from chaos.audit.evidence import Evidence, Names, StateCopy
from chaos.audit.findings import Audit, Finding
from chaos.audit.run import audit

__all__ = ["Audit", "Evidence", "Finding", "Names", "StateCopy", "audit"]
