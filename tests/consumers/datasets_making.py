"""What the tests of `consumers.datasets` build their cases from: small tables, small photos, and loading them."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from consumers.datasets import Account, Progress, load_datasets
from matcher.encoders import EncoderSpec
from matcher.training.dataset import Dataset

DUMMY = EncoderSpec(name="dummy")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
#: A time long ago, for files whose last change is certain.
LONG_AGO = 1_600_000_000

#: Two offers of one product, one of another.
ROWS: tuple[dict[str, str], ...] = (
    {"offer_id": "a1", "seller_id": "x", "product_id": "a", "title": "Red boot", "price": "10", "currency": "EUR"},
    {"offer_id": "a2", "seller_id": "y", "product_id": "a", "title": "Boot, red", "price": "12", "currency": "USD"},
    {"offer_id": "b1", "seller_id": "x", "product_id": "b", "title": "Blue hat", "price": "5", "currency": "EUR"},
)


def write_table(folder: Path, rows: Sequence[dict[str, str]] = ROWS, name: str = "offers.csv") -> Path:
    """A CSV table in `folder` (made if needed), whose path comes back."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        table.writerows(rows)
    return folder


def write_pairs(folder: Path, rows: Sequence[tuple[str, str, str]], name: str = "pairs_train.csv") -> None:
    lines = ["left_id,right_id,label", *(",".join(row) for row in rows)]
    (folder / name).write_text("\n".join(lines) + "\n")


def write_photo(path: Path, colour: tuple[int, int, int], changed: int = LONG_AGO) -> Path:
    """A small PNG that was last changed at `changed` (Unix seconds)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), colour).save(path, "PNG")
    os.utime(path, (changed, changed))
    return path


def load(
    folders: Path | Sequence[Path], cache: Path, spec: EncoderSpec = DUMMY, **options: Any
) -> tuple[list[Dataset], list[Account]]:
    """The datasets, and what became of each table."""
    accounts: dict[str, Account] = {}

    def note(reached: Progress) -> None:
        accounts[reached.table] = reached.account

    some = [folders] if isinstance(folders, Path) else folders
    return load_datasets(some, spec, cache, note, **options), list(accounts.values())


def load_one(folder: Path, cache: Path, **options: Any) -> tuple[Dataset, Account]:
    datasets, accounts = load(folder, cache, **options)
    return datasets[0], accounts[0]
