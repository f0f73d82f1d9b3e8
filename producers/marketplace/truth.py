"""The truth about a simulated market as a file: which product every offer sells."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from producers.marketplace.market import MarketOffer

COLUMNS = ("offer_id", "product_id", "seller_id", "style_id")


def write_truth(path: Path | str, entries: Iterable[MarketOffer]) -> int:
    """Write a CSV of `COLUMNS` in the order of arrival (UTF-8, a header line) and return the number of rows.

    `entries` is a `Marketplace` or any part of one. The file is replaced; OSError when it cannot be written.
    """
    rows = 0
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for entry in entries:
            writer.writerow((entry.offer.offer_id, entry.product_id, entry.offer.seller_id, entry.style_id))
            rows += 1
    return rows
