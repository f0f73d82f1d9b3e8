"""Products as a whole: B³ precision and recall of a table offer → product (Bagga and Baldwin, 1998)."""

from collections import Counter
from collections.abc import Iterable


def b_cubed(pairs: Iterable[tuple[str, str]]) -> tuple[float | None, float | None]:
    """Precision and recall over (assigned product, true product) of each offer; None, None without any.

    Precision: the mean over offers of the share of their assigned product that is truly of their product; recall: of
    the share of their true product that was assigned with them.
    """
    both = Counter(pairs)
    assigned: Counter[str] = Counter()
    true: Counter[str] = Counter()
    for (cluster, product), count in both.items():
        assigned[cluster] += count
        true[product] += count
    total = sum(both.values())
    if not total:
        return None, None
    precision = sum(count * count / assigned[cluster] for (cluster, _), count in both.items()) / total
    recall = sum(count * count / true[product] for (_, product), count in both.items()) / total
    return precision, recall
