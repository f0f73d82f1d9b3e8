"""The pair verifier of a bundle: scores pairs by their evidence, explains itself, is stored without pickle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from matcher.arrays import AnyArray, F32Array, F64Array, I64Array
from matcher.events.decision import Evidence
from matcher.verifier.evidence import COSINES, KIND_OF, evidence
from matcher.verifier.facts import TRAITS_VERSION, VerifierFacts
from matcher.verifier.forest import Forest
from matcher.verifier.idf import IdfTable
from matcher.verifier.table import TraitTable, trait_table
from matcher.verifier.traits import Traits

VERIFIER_FILE = "verifier.safetensors"
#: Log odds below which a piece of evidence is said to favour neither side.
LITTLE = 0.05


@dataclass(frozen=True, eq=False)
class Verifier:
    """Trees over named evidence, and the IDF table that weights the evidence. ValueError on what does not fit."""

    names: tuple[str, ...]
    idf: IdfTable
    forest: Forest

    def __post_init__(self) -> None:
        unknown = [name for name in self.names if name not in KIND_OF]
        if unknown or len(set(self.names)) != len(self.names):
            raise ValueError(f"expected distinct names of evidence, got {', '.join(unknown or self.names)}")
        if self.forest.width != len(self.names):
            raise ValueError(f"expected trees over {len(self.names)} pieces of evidence, got {self.forest.width}")

    @property
    def cosines(self) -> tuple[str, ...]:
        """The cosines that the caller has to bring."""
        return tuple(kind.name for kind in COSINES if kind.name in self.names)

    @cached_property
    def facts(self) -> VerifierFacts:
        parts = sha256(self.forest.digest.encode())
        parts.update(str(self.idf.documents).encode())
        for array in (self.idf.words, self.idf.counts):
            parts.update(np.ascontiguousarray(array, "<u4").tobytes())
        return VerifierFacts(evidence=self.names, digest=parts.hexdigest())

    def table(self, traits: Sequence[Traits]) -> TraitTable:
        """Offers side by side; its rows are what pairs name."""
        return trait_table(traits, self.idf)

    def read(self, table: TraitTable, left: I64Array, right: I64Array, cosines: Mapping[str, F32Array]) -> F32Array:
        """The evidence f32[m, len(names)] of the pairs (left[p], right[p]). ValueError where a cosine is not given."""
        absent = [name for name in self.cosines if name not in cosines]
        if absent:
            raise ValueError(f"expected {', '.join(absent)} for every pair")
        return evidence(table, left, right, cosines, self.names)

    def scores(self, read: F32Array) -> F64Array:
        """Log odds f64[m] that a pair is the same product, by its evidence; top candidates are calibrated later."""
        return self.forest.scores(read)

    def explain(self, read: F32Array, most: int = 6) -> list[tuple[Evidence, ...]]:
        """For each pair what moved its score most, the strongest first; what is missing is left out.

        `Evidence.favours` says where it pointed in this pair; `KIND_OF[name].label` says it in words.
        """
        credits = self.forest.contributions(read)
        told = []
        for values, moved in zip(read.tolist(), credits.tolist(), strict=True):
            order = sorted(range(len(self.names)), key=[-abs(each) for each in moved].__getitem__)
            known = [place for place in order if values[place] == values[place] and moved[place]][:most]
            told.append(tuple(Evidence(self.names[p], round(values[p], 6), _side(moved[p])) for p in known))
        return told


def _side(moved: float) -> Literal["match", "difference", "neither"]:
    if abs(moved) < LITTLE:
        return "neither"
    return "match" if moved > 0 else "difference"


def write_verifier(verifier: Verifier, folder: Path) -> VerifierFacts:
    """Writes `verifier.safetensors` and returns what belongs into `bundle.json`."""
    forest, idf = verifier.forest, verifier.idf
    tensors = {name: np.ascontiguousarray(getattr(forest, name)) for name in _FOREST}
    tensors["base"] = np.array([forest.base], np.float64)
    tensors["idf_words"], tensors["idf_counts"] = np.ascontiguousarray(idf.words), np.ascontiguousarray(idf.counts)
    tensors["idf_documents"] = np.array([idf.documents], np.int64)
    (folder / VERIFIER_FILE).write_bytes(save(tensors))
    return verifier.facts


def read_verifier(facts: VerifierFacts, folder: Path) -> Verifier:
    """Reads and checks a verifier. ValueError says what was expected."""
    path = folder / VERIFIER_FILE
    if facts.traits != TRAITS_VERSION:
        raise ValueError(
            f"{folder}: expected a verifier for traits {TRAITS_VERSION}, got {facts.traits}: train it anew"
        )
    try:
        tensors = load(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{folder}: expected a readable {VERIFIER_FILE} ({error.strerror})") from None
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected safetensors: {error}") from None
    found = {name: str(tensor.dtype) for name, tensor in tensors.items()}
    if found != _DTYPES or any(tensor.ndim != 1 for tensor in tensors.values()):
        raise ValueError(f"{path}: expected one-dimensional tensors {_DTYPES}, got {found}")
    try:
        trees = {name: tensors[name] for name in _FOREST}
        forest = Forest(width=len(facts.evidence), base=_one(tensors, "base"), **trees)
        verifier = Verifier(names=facts.evidence, idf=_idf(tensors), forest=forest)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if verifier.facts.digest != facts.digest:
        raise ValueError(f"{path}: expected {facts.digest[:16]}…, got {verifier.facts.digest[:16]}…: damaged")
    return verifier


def _one(tensors: Mapping[str, AnyArray], name: str) -> float:
    if len(tensors[name]) != 1:
        raise ValueError(f"expected one number in {name}, got {len(tensors[name])}")
    return float(tensors[name][0])


def _idf(tensors: Mapping[str, AnyArray]) -> IdfTable:
    words, counts = tensors["idf_words"], tensors["idf_counts"]
    documents = int(_one(tensors, "idf_documents"))
    if len(words) != len(counts) or (np.diff(words.astype(np.int64)) <= 0).any():
        raise ValueError("expected ascending words with a count each in the IDF table")
    if documents < 0 or (len(counts) and int(counts.max()) > documents):
        raise ValueError(f"expected no word in more than all of the {documents} offers")
    return IdfTable(words=words, counts=counts, documents=documents)


_FOREST = ("roots", "feature", "threshold", "left", "right", "missing_left", "value")
_DTYPES = {
    "roots": "int32",
    "feature": "int32",
    "threshold": "float64",
    "left": "int32",
    "right": "int32",
    "missing_left": "bool",
    "value": "float64",
    "base": "float64",
    "idf_words": "uint32",
    "idf_counts": "uint32",
    "idf_documents": "int64",
}
