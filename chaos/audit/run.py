"""The whole audit."""

from itertools import chain

from chaos.audit import accounts, decisions, leftovers
from chaos.audit.evidence import Evidence
from chaos.audit.findings import Audit, told
from matcher.events.dead_letter import offer_version


def audit(evidence: Evidence) -> Audit:
    """Holds everything against the guarantee. Changes nothing, asks nobody."""
    fates, wrong = accounts.fates(evidence)
    counts, findings = told(
        chain(
            accounts.accepted(evidence),
            accounts.encoder_accounts(evidence),
            wrong,
            decisions.once(evidence),
            decisions.in_order(evidence),
            decisions.products(evidence),
            decisions.work_list(evidence),
            leftovers.offsets(evidence),
            leftovers.transactions(evidence),
            leftovers.states(evidence),
            leftovers.as_calm(evidence),
        )
    )
    ends = [fate.ends for fate in fates]
    gone = sum(record.value is None for record in evidence.matches)
    return Audit(
        versions=len({offer_version(record) for record in evidence.offers}),
        decided=len(evidence.matches) - gone,
        gone=gone,
        dead_letters=len(evidence.dead_letters),
        superseded=ends.count("superseded"),
        again=ends.count("again"),
        lost=counts["lost"],
        repeated=counts["repeated"],
        compared_with_calm=evidence.calm is not None,
        counts=dict(counts),
        findings=findings,
    )
