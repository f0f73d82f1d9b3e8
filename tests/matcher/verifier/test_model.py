"""A verifier is written and read to the bit; what is not one is refused; what it says of a pair is data."""

import ast
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load, save

import matcher.verifier
from matcher.verifier.boosting import BoostingOptions, grow
from matcher.verifier.evidence import KIND_OF
from matcher.verifier.facts import VerifierFacts
from matcher.verifier.forest import Forest
from matcher.verifier.idf import IdfTable
from matcher.verifier.model import LITTLE, VERIFIER_FILE, Verifier, read_verifier, write_verifier
from matcher.verifier.traits import read_traits
from tests.matcher.verifier.making import an_idf, an_offer

NAMES = ("embedding_cosine", "word_cosine", "missing_words_less", "colour_conflict", "price_gap")
OFFERS = [
    an_offer(title=title)
    for title in ("case black 8 pro", "case schwarz 8 pro", "case white 8 lite", "", "note 8t", "note 8t kit")
]
LEFT, RIGHT = np.array([0, 0, 0, 4]), np.array([1, 2, 3, 5])
COSINES = {"embedding_cosine": np.array([0.9, 0.5, np.nan, 0.7], np.float32)}


def a_verifier() -> Verifier:
    random = np.random.default_rng(0)
    evidence = random.random((400, len(NAMES))).astype(np.float32)
    evidence[random.random(evidence.shape) < 0.1] = np.nan
    wish = np.nan_to_num(evidence) @ np.array([3, 2, -1, -2, 0])
    options = BoostingOptions(trees=12, pairs_in_leaf=5)
    return Verifier(names=NAMES, idf=an_idf(), forest=grow(evidence, wish > np.median(wish), NAMES, options))


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    return a_verifier()


@pytest.fixture
def folder(verifier, tmp_path) -> Path:
    write_verifier(verifier, tmp_path)
    return tmp_path


def read(one: Verifier):
    return one.read(one.table([read_traits(offer) for offer in OFFERS]), LEFT, RIGHT, COSINES)


def test_what_was_written_reads_back_with_the_same_bits(verifier, folder) -> None:
    facts = msgspec.json.decode(msgspec.json.encode(verifier.facts), type=VerifierFacts)
    again = read_verifier(facts, folder)
    assert again.facts == verifier.facts
    assert read(again).tobytes() == read(verifier).tobytes()
    assert again.scores(read(again)).tobytes() == verifier.scores(read(verifier)).tobytes()
    assert again.explain(read(again)) == verifier.explain(read(verifier))
    assert len(set(verifier.scores(read(verifier)).tolist())) > 1


def test_another_number_of_names_than_trees_ask_for_is_refused(verifier, folder) -> None:
    with pytest.raises(ValueError, match="expected trees that ask for evidence 0 to 1"):
        read_verifier(msgspec.structs.replace(verifier.facts, evidence=NAMES[:2]), folder)
    with pytest.raises(ValueError, match="damaged"):
        read_verifier(msgspec.structs.replace(verifier.facts, evidence=(*NAMES, "brand_told")), folder)


def test_a_missing_file_is_named(verifier, tmp_path) -> None:
    with pytest.raises(ValueError, match=f"expected a readable {VERIFIER_FILE}"):
        read_verifier(verifier.facts, tmp_path)


@pytest.mark.parametrize("bytes_", [b"", b"PK\x03\x04 no tensors", b"\x80\x04K\x01."], ids=["empty", "zip", "pickle"])
def test_a_file_that_is_no_safetensors_is_refused(verifier, folder, bytes_) -> None:
    (folder / VERIFIER_FILE).write_bytes(bytes_)
    with pytest.raises(ValueError, match="expected safetensors"):
        read_verifier(verifier.facts, folder)


def test_a_file_that_is_cut_off_is_refused(verifier, folder) -> None:
    path = folder / VERIFIER_FILE
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="expected safetensors"):
        read_verifier(verifier.facts, folder)


def changed(folder: Path, **tensors) -> None:
    path = folder / VERIFIER_FILE
    path.write_bytes(save({**load(path.read_bytes()), **tensors}))


@pytest.mark.parametrize("name", ["value", "threshold", "idf_counts", "idf_documents", "missing_left"])
def test_a_changed_number_is_noticed(verifier, folder, name) -> None:
    tensor = load((folder / VERIFIER_FILE).read_bytes())[name].copy()
    tensor[0] = not tensor[0] if tensor.dtype == bool else tensor[0] + 1
    changed(folder, **{name: tensor})
    with pytest.raises(ValueError, match=r"damaged|expected"):
        read_verifier(verifier.facts, folder)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"further": np.zeros(1)}, "one-dimensional tensors"),
        ({"value": np.zeros(3, np.float32)}, "one-dimensional tensors"),
        ({"base": np.zeros((1, 1))}, "one-dimensional tensors"),
        ({"base": np.zeros(2)}, "expected one number in base, got 2"),
        ({"value": np.zeros(3)}, "one entry a node"),
        ({"idf_words": np.zeros(3, np.uint32)}, "ascending words"),
        ({"idf_documents": np.array([1], np.int64)}, "no word in more than all of the 1 offers"),
    ],
)
def test_tensors_of_something_else_are_refused(verifier, folder, tensors, message) -> None:
    changed(folder, **tensors)
    with pytest.raises(ValueError, match=message):
        read_verifier(verifier.facts, folder)


def test_a_verifier_of_other_traits_is_to_be_trained_anew(verifier, folder) -> None:
    with pytest.raises(ValueError, match="expected a verifier for traits 1, got 2: train it anew"):
        read_verifier(msgspec.structs.replace(verifier.facts, traits=2), folder)


def test_another_verifiers_file_is_refused(verifier, folder) -> None:
    other = Verifier(names=NAMES, idf=an_idf(copies=3), forest=verifier.forest)
    assert other.facts.digest != verifier.facts.digest
    with pytest.raises(ValueError, match="damaged"):
        read_verifier(other.facts, folder)


def test_names_and_trees_must_fit(verifier) -> None:
    with pytest.raises(ValueError, match="distinct names of evidence, got mutual_rank"):
        Verifier(names=("mutual_rank", *NAMES[1:]), idf=verifier.idf, forest=verifier.forest)
    with pytest.raises(ValueError, match="distinct names"):
        Verifier(names=(NAMES[1], *NAMES[1:]), idf=verifier.idf, forest=verifier.forest)
    with pytest.raises(ValueError, match="trees over 4 pieces of evidence, got 5"):
        Verifier(names=NAMES[1:], idf=verifier.idf, forest=verifier.forest)


def test_a_cosine_that_is_not_brought_is_asked_for(verifier) -> None:
    table = verifier.table([read_traits(offer) for offer in OFFERS])
    assert verifier.cosines == ("embedding_cosine",)
    with pytest.raises(ValueError, match="expected embedding_cosine for every pair"):
        verifier.read(table, LEFT, RIGHT, {})


def test_the_explanation_names_what_moved_the_score_the_strongest_first(verifier) -> None:
    evidence = read(verifier)
    credit = verifier.forest.contributions(evidence)
    for row, told in enumerate(verifier.explain(evidence, most=3)):
        places = [NAMES.index(each.name) for each in told]
        moved = np.abs(credit[row, places])
        assert len(told) <= 3
        assert (np.diff(moved) <= 0).all()
        assert not np.isnan(evidence[row, places]).any()
        hidden = [n for n in range(len(NAMES)) if n not in places and not np.isnan(evidence[row, n])]
        assert len(told) < 3 or (np.abs(credit[row, hidden]) <= moved.min()).all()
        assert len(told) == 3 or not credit[row, hidden].any()
        for each, place in zip(told, places, strict=True):
            assert each.value == pytest.approx(float(evidence[row, place]), abs=1e-6)
            far = abs(credit[row, place]) >= LITTLE
            assert each.favours == ("neither" if not far else "match" if credit[row, place] > 0 else "difference")
            assert KIND_OF[each.name].label
    kinds = {each.favours for told in verifier.explain(evidence, most=9) for each in told}
    assert {"match", "difference"} <= kinds
    assert msgspec.json.encode(verifier.explain(evidence))


def test_without_trees_the_score_is_the_base_and_nothing_is_told() -> None:
    nothing = np.empty(0, np.int32)
    flat = Forest(
        width=1, base=-1.5, roots=nothing, feature=nothing, threshold=np.empty(0), left=nothing, right=nothing,
        missing_left=np.empty(0, np.bool_), value=np.empty(0),
    )  # fmt: skip
    idf = IdfTable(words=np.empty(0, np.uint32), counts=np.empty(0, np.uint32), documents=0)
    verifier = Verifier(names=("word_cosine",), idf=idf, forest=flat)
    evidence = np.array([[0.5], [np.nan]], np.float32)
    assert verifier.scores(evidence).tolist() == [-1.5, -1.5]
    assert verifier.explain(evidence) == [(), ()]


def test_a_matcher_loads_a_verifier_without_what_training_needs() -> None:
    """`matcher.model.bundle` imports it: a way back would be a circle."""
    program = (
        "import sys, matcher.verifier.model, matcher.verifier.facts\n"
        "print([n for n in sys.modules if n.startswith(('matcher.model', 'matcher.training', 'sklearn', 'torch'))])"
    )
    root = Path(matcher.verifier.__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_only_scoring_training_and_boosting_know_of_training() -> None:
    folder = Path(matcher.verifier.__file__).parent
    for path in folder.glob("*.py"):
        if path.name in {"scoring.py", "training.py", "boosting.py"}:
            continue
        imported = {
            name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
        }
        assert not {n for n in imported if n.startswith(("matcher.model", "matcher.training", "sklearn"))}, path.name
