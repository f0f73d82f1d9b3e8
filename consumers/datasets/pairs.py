"""Labelled pairs beside a table: `pairs_*.csv` with left_id, right_id and label."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from consumers.datasets.account import Account, PairCount
from consumers.datasets.problems import DatasetUnusable
from matcher.events.offer import Offer
from matcher.training.dataset import Pairs

COLUMNS = ("left_id", "right_id", "label")
_LABELS = {"1": True, "0": False, "1.0": True, "0.0": False, "true": True, "false": False}


def read_pairs(folder: Path, offers: Sequence[Offer], account: Account) -> dict[str, Pairs]:
    """The pairs of every file by its name without `.csv`; pairs of unknown offers are counted and left out.

    Raises `DatasetUnusable` for a file without the three columns.
    """
    files = sorted(folder.glob("pairs_*.csv"))
    rows = {offer.offer_id: row for row, offer in enumerate(offers)} if files else {}
    found = {}
    for file in files:
        found[file.stem], account.pairs[file.stem] = _read(file, rows)
    return found


def _read(file: Path, rows: Mapping[str, int]) -> tuple[Pairs, PairCount]:
    known: list[tuple[int, int, bool]] = []
    unknown = malformed = 0
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            lines = csv.DictReader(opened)
            columns = [name.strip().lower() for name in lines.fieldnames or ()]
            if missing := [name for name in COLUMNS if name not in columns]:
                raise DatasetUnusable(
                    f"{file}: expected the columns {', '.join(COLUMNS)}; {', '.join(missing)} missing, "
                    f"found {', '.join(columns) or 'none'}"
                )
            lines.fieldnames = columns
            for line in lines:
                left, right, label = ((line[name] or "").strip() for name in COLUMNS)
                same = _LABELS.get(label.lower())
                if same is None or not left or not right or left == right:
                    malformed += 1
                elif left in rows and right in rows:
                    known.append((rows[left], rows[right], same))
                else:
                    unknown += 1
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetUnusable(f"{file}: expected CSV in UTF-8: {error}") from None
    except OSError as error:
        raise DatasetUnusable(f"{file}: expected a readable file ({error.strerror})") from None
    pairs = Pairs(
        left=np.array([left for left, _, _ in known], np.int64),
        right=np.array([right for _, right, _ in known], np.int64),
        same=np.array([same for _, _, same in known], np.bool_),
    )
    return pairs, PairCount(
        pairs=len(known), positive=int(pairs.same.sum()), unknown=unknown, malformed=malformed
    )  # fmt: skip
