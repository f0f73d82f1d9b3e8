"""What an audit finds: counts, and every breach of the guarantee in words."""

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct, field

#: Breaches of one kind that are told in full; all are counted.
TOLD = 20


class Finding(Struct, frozen=True):
    """One breach. `kind` is one word, such as `lost`; `what` says in words which record or offer it is.

    `about`: what it is counted by, where several rules may find the same.
    """

    kind: str
    what: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


class Audit(Struct, frozen=True, kw_only=True):
    """`findings` is empty when the guarantee was kept. `counts`: how many breaches of each kind.

    `lost` and `repeated` count versions. `superseded`, `again`: records that rightly led to no decision, since a newer
    version was decided before, or the same.
    """

    versions: int
    decided: int
    gone: int
    dead_letters: int
    superseded: int
    again: int
    lost: int
    repeated: int
    compared_with_calm: bool
    counts: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.counts


def told(findings: Iterator[Finding]) -> tuple[Counter[str], tuple[Finding, ...]]:
    """How many there are of each kind, and the first of each in words."""
    counts: Counter[str] = Counter()
    counted = set()
    kept = []
    for finding in findings:
        if finding.about and (finding.kind, finding.about) in counted:
            continue
        counted.add((finding.kind, finding.about))
        counts[finding.kind] += 1
        if counts[finding.kind] <= TOLD:
            kept.append(finding)
    return counts, tuple(kept)
