"""Offer tables become datasets: repaired as in the stream, with the truth beside them, or a clear refusal."""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from consumers.datasets import DatasetUnusable, Needs
from matcher.encoders.dummy import DummyEncoder
from matcher.text import offer_text
from tests.consumers.datasets_making import ROWS, load, load_one, write_pairs, write_photo, write_table


def test_offers_come_in_the_tables_order_with_their_products_beside_them(tmp_path: Path) -> None:
    dataset, account = load_one(write_table(tmp_path / "shop"), tmp_path / "cache")
    assert dataset.name == "shop"
    assert [offer.offer_id for offer in dataset.offers] == ["a1", "a2", "b1"]
    assert dataset.products == ["a", "a", "b"]
    assert dataset.sellers == ["x", "y", "x"]
    assert (account.offers, account.products, account.malformed) == (3, 2, 0)


def test_styles_come_beside_the_offers(tmp_path: Path) -> None:
    rows = [{**row, "style_id": style} for row, style in zip(ROWS, ("s1", "s1", ""), strict=True)]
    dataset, _ = load_one(write_table(tmp_path / "shop", rows), tmp_path / "cache")
    assert dataset.styles == ["s1", "s1", None]


def test_texts_are_encoded_as_the_encoder_process_encodes_them(tmp_path: Path) -> None:
    rows = [{**row, "brand": "Acme &amp; Co"} for row in ROWS]
    dataset, _ = load_one(write_table(tmp_path / "shop", rows), tmp_path / "cache")
    texts = [offer_text(offer.brand, offer.title) for offer in dataset.offers]
    assert texts[0] == "Acme & Co Red boot"
    np.testing.assert_array_equal(dataset.features.text, DummyEncoder().encode_texts(texts).astype(np.float16))
    assert dataset.features.has_text.all()
    assert not dataset.features.has_image.any()
    assert not dataset.features.image.any()
    assert dataset.encoder.fingerprint == DummyEncoder.fingerprint
    assert (dataset.encoder.image_dim, dataset.encoder.text_dim) == (320, 256)


def test_prices_are_compared_in_euros_and_missing_where_they_say_nothing(tmp_path: Path) -> None:
    given = [("10", "EUR"), ("11.71", "USD"), ("NaN", "EUR"), ("10 - 20", "EUR"), ("7", "XXX"), ("7", ""), ("", "EUR")]
    rows = [
        {"offer_id": f"o{n}", "product_id": f"p{n // 2}", "title": "t", "price": price, "currency": currency}
        for n, (price, currency) in enumerate(given)
    ]
    dataset, account = load_one(write_table(tmp_path / "shop", rows), tmp_path / "cache")
    logs = dataset.features.numbers[:, 2]
    np.testing.assert_allclose(logs[:2], [math.log(10)] * 2, rtol=1e-3)
    assert np.isnan(logs[2:]).all()
    assert (account.prices_unread, account.prices_unconverted) == (2, 2)


def test_a_nan_price_in_parquet_and_in_json_is_a_missing_one(tmp_path: Path) -> None:
    for kind in ("parquet", "jsonl"):
        folder = tmp_path / kind
        folder.mkdir()
        rows = [{**row, "price": math.nan if row["offer_id"] == "a1" else 5.0} for row in ROWS]
        if kind == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), folder / "offers.parquet")
        else:
            (folder / "offers.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (one, other), _ = load([tmp_path / "parquet", tmp_path / "jsonl"], tmp_path / "cache")
    assert np.isnan(one.features.numbers[:, 2]).tolist() == [True, False, False]
    np.testing.assert_array_equal(one.features.numbers, other.features.numbers)
    assert one.offers == other.offers
    assert one.products == other.products


def test_a_table_may_be_named_by_its_file(tmp_path: Path) -> None:
    write_table(tmp_path / "shop", name="spring.csv")
    dataset, _ = load_one(tmp_path / "shop" / "spring.csv", tmp_path / "cache")
    assert dataset.name == "spring"


def test_rows_that_are_no_offers_are_counted_and_stop_nothing(tmp_path: Path) -> None:
    rows = [*ROWS, {"offer_id": "", "title": "nameless"}, {"offer_id": "x" * 300}]
    dataset, account = load_one(write_table(tmp_path / "shop", rows), tmp_path / "cache")
    assert len(dataset) == 3
    assert account.malformed == 2
    assert account.examples[0] == "line 5: no offer_id"


def test_an_offer_without_text_and_photo_stays_with_zeros(tmp_path: Path) -> None:
    dataset, account = load_one(
        write_table(tmp_path / "shop", [*ROWS, {"offer_id": "e", "product_id": "b"}]), tmp_path / "cache"
    )
    assert account.empty == 1
    assert dataset.features.has_text.tolist() == [True, True, True, False]
    assert not dataset.features.text[3].any()


def test_pairs_come_by_the_name_of_their_file_and_unknown_offers_are_counted(tmp_path: Path) -> None:
    folder = write_table(tmp_path / "shop")
    write_pairs(folder, [("a1", "a2", "1"), ("b1", "a1", "0"), ("a1", "zz", "1"), ("a1", "a1", "1"), ("a1", "b1", "?")])
    write_pairs(folder, [("a2", "b1", "false")], "pairs_valid.csv")
    dataset, account = load_one(folder, tmp_path / "cache")
    assert list(dataset.pairs) == ["pairs_train", "pairs_valid"]
    pairs = dataset.pairs["pairs_train"]
    assert list(zip(pairs.left, pairs.right, pairs.same, strict=True)) == [(0, 1, True), (2, 0, False)]
    counts = account.pairs["pairs_train"]
    assert (counts.pairs, counts.positive, counts.unknown, counts.malformed) == (2, 1, 1, 2)
    assert dataset.pairs["pairs_valid"].same.tolist() == [False]


def test_labelled_pairs_are_truth_enough(tmp_path: Path) -> None:
    rows = [{"offer_id": row["offer_id"], "title": row["title"]} for row in ROWS]
    folder = write_table(tmp_path / "shop", rows)
    write_pairs(folder, [("a1", "a2", "1"), ("b1", "a1", "0")])
    dataset, _ = load_one(folder, tmp_path / "cache")
    assert dataset.products == [None, None, None]


def bare(rows: tuple[dict[str, str], ...] = ROWS) -> list[dict[str, str]]:
    return [{"offer_id": row["offer_id"], "title": row["title"]} for row in rows]


@pytest.mark.parametrize(
    ("rows", "pairs", "said"),
    [
        (bare(), None, "expected known products or labelled pairs: it has no column product_id and no pairs_"),
        ([{**r, "product_id": ""} for r in ROWS], None, "the column product_id is empty"),
        (bare(), [("u", "v", "1")], "none of the pairs in pairs_train.csv is of two of its offers"),
        (bare(), [("a1", "a2", "1")], "expected pairs of both labels, all 1 have label 1"),
        (bare(), [("a1", "a2", "0")], "expected two offers of one product somewhere: no pair has label 1"),
        ([{**r, "product_id": "p"} for r in ROWS], None, "expected at least two products, all are offers of 'p'"),
        ([{**r, "product_id": r["offer_id"]} for r in ROWS], None, "each of its 3 products has a single offer"),
        ([*ROWS, ROWS[0]], None, "expected every offer_id once, got again 'a1' (lines 2 and 5)"),
        ([{"offer_id": "", "title": "t"}], None, "expected offers, none of its 1 rows is one; line 2: no offer_id"),
    ],
)
def test_a_table_that_cannot_teach_is_refused_before_anything_is_encoded(
    tmp_path: Path, rows: list[dict[str, str]], pairs: list[tuple[str, str, str]] | None, said: str
) -> None:
    folder = write_table(tmp_path / "shop", rows)
    if pairs:
        write_pairs(folder, pairs)
    with pytest.raises(DatasetUnusable) as refused:
        load([write_table(tmp_path / "good"), folder], tmp_path / "cache")
    assert said in str(refused.value)
    assert str(folder) in str(refused.value)
    assert not (tmp_path / "cache").exists()


def test_a_table_without_truth_will_do_where_none_is_needed(tmp_path: Path) -> None:
    dataset, _ = load_one(write_table(tmp_path / "shop", bare()), tmp_path / "cache", needs=Needs(truth=False))
    assert len(dataset) == 3


def test_what_is_no_folder_with_a_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("hello")
    for path, said in (
        (tmp_path / "nowhere", "no such file or folder"),
        (tmp_path / "empty", "expected a folder with one of offers.csv"),
        (tmp_path / "text.txt", "expected a file that ends in .csv"),
    ):
        with pytest.raises(DatasetUnusable, match=said):
            load(path, tmp_path / "cache")
    with pytest.raises(DatasetUnusable, match="at least one folder"):
        load([], tmp_path / "cache")


def test_a_folder_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    folder = write_table(tmp_path / "shop")
    with pytest.raises(DatasetUnusable, match="expected each folder once"):
        load([folder, folder / ".." / "shop"], tmp_path / "cache")


def test_pairs_without_their_columns_are_refused(tmp_path: Path) -> None:
    folder = write_table(tmp_path / "shop")
    (folder / "pairs_odd.csv").write_text("left,right_id,label\na1,a2,1\n")
    with pytest.raises(DatasetUnusable, match=r"pairs_odd\.csv: expected the columns .*; left_id missing"):
        load(folder, tmp_path / "cache")


def with_photos(folder: Path, *names: str) -> Path:
    return write_table(folder, [{**row, "images": name} for row, name in zip(ROWS, names, strict=True)])


def test_photos_that_are_all_missing_are_an_error_and_some_are_counted(tmp_path: Path) -> None:
    folder = with_photos(tmp_path / "shop", "images/1.png", "images/2.png", "images/3.png")
    with pytest.raises(DatasetUnusable, match=r"none of the 3 that it lists can be had \(3 not_found\)"):
        load(folder, tmp_path / "cache")
    write_photo(folder / "images" / "2.png", (200, 0, 0))
    dataset, account = load_one(folder, tmp_path / "cache")
    assert dataset.features.has_image.tolist() == [False, True, False]
    assert (account.photos, account.photos_failed) == (3, {"not_found": 2})


def test_photos_are_not_looked_at_where_images_are_not_wanted(tmp_path: Path) -> None:
    folder = with_photos(tmp_path / "shop", "1.png", "2.png", "3.png")
    dataset, account = load_one(folder, tmp_path / "cache", needs=Needs(images="none"))
    assert not dataset.features.has_image.any()
    assert account.photos == 0


def test_a_table_without_photos_is_refused_where_images_are_required(tmp_path: Path) -> None:
    with pytest.raises(DatasetUnusable, match="expected photos: none of its 3 offers lists one"):
        load(write_table(tmp_path / "shop"), tmp_path / "cache", needs=Needs(images="required"))


def test_photos_outside_the_tables_folder_are_not_opened(tmp_path: Path) -> None:
    write_photo(tmp_path / "private.png", (1, 2, 3))
    folder = with_photos(tmp_path / "shop", "../private.png", "2.png", "")
    write_photo(folder / "2.png", (0, 0, 200))
    dataset, account = load_one(folder, tmp_path / "cache")
    assert dataset.features.has_image.tolist() == [False, True, False]
    assert account.photos_failed == {"forbidden_path": 1}
