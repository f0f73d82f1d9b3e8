"""Finished rows on disk, by the content of what was learned and asked: a second run computes nothing.

The code that learns and decides is part of the content: a verifier that reads its evidence otherwise is another one.
"""

import os
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from safetensors import SafetensorError
from safetensors.numpy import load, save

from matcher.ablation.models import Row, Verified, repeated
from matcher.arrays import AnyArray
from matcher.evaluation.decisions import Answers, TopDecisions
from matcher.training.dataset import Dataset

#: What decides the result of a row, beside its options and the offers.
LEARNING = ("matcher.ablation", "matcher.evaluation", "matcher.model", "matcher.training")
JUDGING = (*LEARNING, "matcher.verifier")
#: Modules of those that only name rows, count and show what was decided.
_SHOWING = frozenset(
    {f"matcher.ablation.{name}.py" for name in ("notes", "report", "result", "rows")}
    | {f"matcher.evaluation.{name}.py" for name in ("figures", "intervals", "render", "result")}
)
_FIELDS = ("query", "candidate", "score", "right", "has_match", "place")


class Decided(Struct, frozen=True, kw_only=True):
    """The decisions of n queries: as they are, and as they are when all their partners are hidden."""

    top: TopDecisions
    hidden: TopDecisions

    def __len__(self) -> int:
        return len(self.top)

    def followed_by(self, other: "Decided") -> "Decided":
        """These decisions and then those."""
        return Decided(top=self.top.followed_by(other.top), hidden=self.hidden.followed_by(other.hidden))


class Kept:
    """A folder of finished rows, one file each. An unreadable one counts as missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> Decided | None:
        try:
            arrays = load((self._folder / f"{key}.safetensors").read_bytes())
            return Decided(top=_unpacked(arrays, "top"), hidden=_unpacked(arrays, "hidden"))
        except (OSError, SafetensorError, KeyError):
            return None

    def put(self, key: str, answers: Answers) -> Decided:
        """Keeps the decisions: the file is there whole or not at all."""
        decided = Decided(top=answers.top, hidden=answers.hidden)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{key}.safetensors"
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(save(_packed(decided.top, "top") | _packed(decided.hidden, "hidden")))
        unfinished.replace(path)
        return decided


def row_key(row: Row, repetition: int, offers: str) -> str:
    """The name of a row's result; `offers`: the digest of what is learned from and asked with."""
    code = code_digest(JUDGING if isinstance(row.model, Verified) else LEARNING)
    content = msgspec.json.encode((code, repeated(row.model, repetition), row.price, offers))
    return sha256(content).hexdigest()[:32]


@cache
def code_digest(packages: tuple[str, ...]) -> str:
    """SHA-256 over the source of packages, what only counts and shows left out."""
    digest = sha256()
    for package in packages:
        modules = (entry for entry in files(package).iterdir() if entry.name.endswith(".py"))
        for module in sorted(modules, key=lambda entry: entry.name):
            name = f"{package}.{module.name}"
            if name not in _SHOWING:
                digest.update(name.encode())
                digest.update(module.read_bytes())
    return digest.hexdigest()


def data_digest(dataset: Dataset) -> str:
    """SHA-256 over everything of a dataset that learning or asking can read."""
    digest = sha256(dataset.encoder.fingerprint.encode())
    digest.update(msgspec.json.encode((dataset.offers, dataset.products, dataset.styles)))
    features = dataset.features
    for array in (features.image, features.has_image, features.text, features.has_text, features.numbers):
        digest.update(np.ascontiguousarray(array).tobytes())
    for name, pairs in sorted(dataset.pairs.items()):
        digest.update(name.encode())
        for column in (pairs.left, pairs.right, pairs.same):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _packed(top: TopDecisions, name: str) -> dict[str, AnyArray]:
    return {f"{name}.{field}": np.ascontiguousarray(getattr(top, field)) for field in _FIELDS}


def _unpacked(arrays: dict[str, AnyArray], name: str) -> TopDecisions:
    # No calibration here: thresholds would apply to the score.
    found = {field: arrays[f"{name}.{field}"] for field in _FIELDS}
    return TopDecisions(**found, confidence=found["score"])
