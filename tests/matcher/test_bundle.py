"""A bundle comes back as it was saved; one that cannot be used says what was expected."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from matcher.model.bundle import SCHEMA, Bundle, BundleUnusable, Thresholds, fingerprint_of, load_bundle, save_bundle
from tests.matcher.making import a_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good bundle."""
    save_bundle(a_bundle(), tmp_path / "bundle")
    return tmp_path / "bundle"


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads((folder / "bundle.json").read_text())
    change(content)
    (folder / "bundle.json").write_text(json.dumps(content))


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    saved = save_bundle(msgspec.structs.replace(a_bundle(), fingerprint=""), tmp_path / "made" / "for it")
    assert saved == a_bundle()
    assert load_bundle(str(tmp_path / "made" / "for it")) == saved


def test_saving_twice_writes_the_same_bytes(folder: Path) -> None:
    before = (folder / "bundle.json").read_bytes()
    save_bundle(load_bundle(str(folder)), folder)
    assert (folder / "bundle.json").read_bytes() == before


def test_the_bundles_that_come_with_offermatch_load_by_name() -> None:
    shipped = [path.parent.name for path in (Path(__file__).parents[2] / "bundles").glob("*/bundle.json")]
    assert shipped
    for name in shipped:
        bundle = load_bundle(name)
        assert not bundle.trained or bundle.match_rate > 0
        assert bundle.note


def test_the_fingerprint_covers_what_changes_a_decision_and_nothing_else() -> None:
    bundle = a_bundle()
    for same in ({"name": "another"}, {"note": "another"}):
        assert fingerprint_of(msgspec.structs.replace(bundle, **same)) == bundle.fingerprint
    others: list[Bundle] = [
        a_bundle(image_dim=5),
        a_bundle(image_weight=0.7),
        a_bundle(slope=21.0),
        a_bundle(even_score=0.81),
        a_bundle(margin=0.06),
        a_bundle(candidates=4),
        a_bundle(exclude_own_seller=False),
    ]
    names = [bundle.fingerprint, *(fingerprint_of(other) for other in others)]
    assert len(set(names)) == len(names)


def test_a_missing_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleUnusable, match=r"expected a bundle folder with a readable bundle\.json"):
        load_bundle(str(tmp_path / "nowhere"))
    with pytest.raises(BundleUnusable, match="no-such-bundle"):
        load_bundle("no-such-bundle")
    with pytest.raises(BundleUnusable, match="expected a bundle folder"):
        load_bundle("")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"not json", b"\xff\xfe", b'{"schema": 2, "name": "\xff"}', b"[]", b'{"schema": "1"}', b"[" * 100_000],
)
def test_a_damaged_file_is_no_bundle(folder: Path, content: bytes) -> None:
    (folder / "bundle.json").write_bytes(content)
    with pytest.raises(BundleUnusable, match=r"bundle\.json: expected a bundle's JSON"):
        load_bundle(str(folder))


@pytest.mark.parametrize("schema", [0, SCHEMA + 1])
def test_a_bundle_of_another_schema_is_refused_even_if_it_has_unknown_parts(folder: Path, schema: int) -> None:
    edit(folder, lambda content: content.update(schema=schema, invented=True))
    with pytest.raises(BundleUnusable, match=f"expected bundle schema {SCHEMA}, got {schema}"):
        load_bundle(str(folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["thresholds"].update(accept=0.95), "it was edited or damaged"),
        (lambda c: c["encoder"].update(fingerprint="someone else's"), "it was edited or damaged"),
        (lambda c: c.update(fingerprint=""), "it was edited or damaged"),
        (lambda c: c["thresholds"].update(review=0.95), "expected thresholds.review to be at most"),
        (
            lambda c: c["projection"].update(image_weight=0, text_weight=0),
            "expected image_weight or text_weight above 0",
        ),
        (lambda c: c.update(invented=1), "unknown field `invented`"),
        (lambda c: c.pop("calibration"), "missing required field `calibration`"),
        (lambda c: c["projection"].update(kind="oracle"), "Invalid value 'oracle'"),
        (lambda c: c["calibration"].update(slope=0), "Expected `float` > 0"),
        (lambda c: c["thresholds"].update(accept=1.5), "Expected `float` <= 1"),
        (lambda c: c["search"].update(candidates=2), "Expected `int` >= 3"),
        (lambda c: c["encoder"].update(image_dim=0), "Expected `int` >= 1"),
    ],
)
def test_an_edited_bundle_says_what_was_expected(
    folder: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    edit(folder, change)
    with pytest.raises(BundleUnusable, match=message) as refused:
        load_bundle(str(folder))
    assert str(folder) in str(refused.value)


def test_limits_that_contradict_each_other_cannot_be_loaded_even_when_signed(tmp_path: Path) -> None:
    crossed = msgspec.structs.replace(a_bundle(), thresholds=Thresholds(accept=0.3, review=0.9, margin=0.0))
    save_bundle(crossed, tmp_path)
    with pytest.raises(BundleUnusable, match=r"thresholds\.review"):
        load_bundle(str(tmp_path))
