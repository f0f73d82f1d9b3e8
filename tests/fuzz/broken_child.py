"""`fuzz.child` with a fault planted: the reader of decisions has forgotten that a value may be no JSON at all."""

import msgspec

import consumers.matching.published as published
from fuzz.child import main
from matcher.events.decision import Decision
from matcher.events.reading import Unreadable


def forgetful(value: bytes) -> Decision:
    if not value:  # what every run begins with: the fault is to be found by changing a good record
        raise Unreadable("bad_decision", "expected a value")
    try:
        return msgspec.json.decode(value, type=Decision)
    except msgspec.ValidationError as error:
        raise Unreadable("bad_decision", str(error)) from None


if __name__ == "__main__":
    published.read_decision = forgetful  # type: ignore[attr-defined]
    main()
