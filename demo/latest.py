"""The latest decisions for the screen, as a downstream service would see them."""

from collections import deque
from collections.abc import Callable, Sequence

from demo.view import Recent
from matcher.events.decision import Decision


class Latest:
    """Keeps the last decisions in readable form; `title` names an offer by its id."""

    def __init__(self, title: Callable[[str], str], keep: int = 9) -> None:
        self._title = title
        self._recent: deque[Recent] = deque(maxlen=keep)

    def take(self, decision: Decision) -> None:
        matched = decision.matched_offer_id if decision.outcome != "new_product" else None
        self._recent.append(
            Recent(
                title=self._title(decision.offer_id),
                outcome=decision.outcome,
                probability=decision.probability,
                matched_title=self._title(matched) if matched else None,
            )
        )

    def newest_first(self) -> Sequence[Recent]:
        return list(reversed(self._recent.copy()))
