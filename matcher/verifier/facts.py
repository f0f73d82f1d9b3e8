"""What `bundle.json` says of the verifier beside it."""

from typing import Annotated

from msgspec import Meta, Struct

#: Raise it when the same offer gives other traits: verifiers were trained on the old ones.
TRAITS_VERSION = 1


class VerifierFacts(Struct, frozen=True, kw_only=True):
    """The evidence that the verifier reads, in order, and the digest of everything else that decides its scores.

    `traits`: the version of how offers are read (`TRAITS_VERSION`).
    """

    evidence: Annotated[tuple[str, ...], Meta(min_length=1)]
    digest: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    traits: Annotated[int, Meta(ge=1)] = TRAITS_VERSION
