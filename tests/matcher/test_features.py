"""Features that could not be kept and published as JSON are refused when they are read."""

import msgspec
import pytest

from matcher.events.features import read_features
from matcher.events.offer import Offer
from matcher.events.place import Version
from matcher.events.reading import Unreadable
from tests.matcher.making import features_of


@pytest.mark.parametrize("amount", [float("inf"), float("-inf"), float("nan"), -1.0])
def test_a_price_that_json_cannot_write_is_refused(amount: float) -> None:
    features = features_of(Offer(offer_id="a"), Version(0, 1), text=[1.0])
    table = msgspec.msgpack.decode(msgspec.msgpack.encode(features))
    table["offer"]["price"] = {"amount": 5.0}
    assert read_features(b"a", msgspec.msgpack.encode(table)).offer.price is not None
    table["offer"]["price"] = {"amount": amount}
    with pytest.raises(Unreadable, match="expected") as refused:
        read_features(b"a", msgspec.msgpack.encode(table))
    assert refused.value.reason == "bad_features"
