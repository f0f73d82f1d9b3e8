"""Offer tables: every format gives the same events, and no broken row stops the others."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matcher.events import read_offer
from producers.tables import BadRow, TableRow, TableUnusable, open_table
from producers.tables.lines import MAX_ROW
from tests.examples import examples

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def offers(path: Path) -> list[TableRow]:
    rows = list(open_table(path).offers())
    assert not [row for row in rows if isinstance(row, BadRow)]
    return [row for row in rows if isinstance(row, TableRow)]


def bad(path: Path) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in open_table(path).offers() if isinstance(row, BadRow)]


def good_ids(path: Path) -> list[str]:
    return [row.offer_id for row in open_table(path).offers() if isinstance(row, TableRow)]


def event(row: TableRow) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(row.value)
    return decoded


def test_a_row_becomes_an_event_keyed_by_its_offer_id_with_the_truth_beside_it(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "o.csv",
        "offer_id,seller_id,product_id,style_id,colour,category,brand,title,price,currency\n"
        'a:1,shop,p1,s1,blue,Bags,Acme,"A ""good"", big bag",$16.99,USD\n',
    )
    (row,) = offers(path)
    assert (row.line, row.key, row.offer_id, row.product_id) == (2, b"a:1", "a:1", "p1")
    assert event(row) == {
        "offer_id": "a:1",
        "seller_id": "shop",
        "brand": "Acme",
        "title": 'A "good", big bag',
        "price": {"amount": "$16.99", "currency": "USD"},
    }


def test_a_price_without_a_currency_goes_on_as_it_is_and_a_currency_alone_says_nothing(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "o.csv", "offer_id,price,currency\na,5.1499E2,\nb,,EUR\n")
    assert [event(row).get("price") for row in offers(path)] == ["5.1499E2", None]


def test_a_price_object_keeps_its_currency_and_takes_the_columns_where_it_has_none(tmp_path: Path) -> None:
    lines = [
        {"offer_id": "a", "price": {"amount": 5, "currency": "EUR"}, "currency": "USD"},
        {"offer_id": "b", "price": {"amount": 5}, "currency": "USD"},
    ]
    path = write(tmp_path, "o.jsonl", "\n".join(map(json.dumps, lines)))
    assert [event(row)["price"] for row in offers(path)] == [
        {"amount": 5, "currency": "EUR"},
        {"amount": 5, "currency": "USD"},
    ]


def test_photo_paths_become_file_urls_under_the_tables_folder_and_urls_stay(tmp_path: Path) -> None:
    folder = tmp_path / "häuser & co"
    folder.mkdir()
    photos = "images/a b#1.jpg|https://x.org/a.jpg|file:///y.jpg|luma:24.jpg| |HTTP://x.org/b.jpg"
    path = write(folder, "o.csv", f'offer_id,images,image_urls\na,{photos},c.jpg\nb,"data:image/png;base64,AA|==",\n')
    first, second = offers(path)
    base = f"file://{tmp_path}/h%C3%A4user%20%26%20co"
    assert event(first)["image_urls"] == [
        f"{base}/c.jpg",
        f"{base}/images/a%20b%231.jpg",
        "https://x.org/a.jpg",
        "file:///y.jpg",
        f"{base}/luma%3A24.jpg",
        "HTTP://x.org/b.jpg",
    ]
    assert first.photo_files == 4
    assert event(second)["image_urls"] == ["data:image/png;base64,AA|=="]
    assert second.photo_files == 0


def test_the_same_table_in_every_format_gives_the_same_offers(tmp_path: Path) -> None:
    rows: list[dict[str, str | None]] = [
        {"offer_id": "1", "product_id": "7", "title": "Bag", "price": "9.5", "n_sizes": "3", "images": "a.jpg|b.jpg"},
        {"offer_id": "2", "product_id": None, "title": None, "price": None, "n_sizes": None, "images": None},
    ]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    paths = [
        write(tmp_path, "o.csv", text.getvalue()),
        write(tmp_path, "o.ndjson", "\n".join(map(json.dumps, rows))),
        write(tmp_path, "o.json", "\r\n".join(map(json.dumps, rows))),
        tmp_path / "o.parquet",
    ]
    pq.write_table(pa.Table.from_pylist(rows), paths[-1])
    expected = [(row.key, row.value, row.product_id) for row in offers(paths[0])]
    for path in paths[1:]:
        assert [(row.key, row.value, row.product_id) for row in offers(path)] == expected, path.name


def test_numbers_and_lists_of_typed_formats_go_on_as_they_are(tmp_path: Path) -> None:
    table = pa.table(
        {
            "offer_id": pa.array([1, 2]),
            "product_id": pa.array([7, None], pa.int64()),
            "price": pa.array([Decimal("9.50"), None], pa.decimal128(6, 2)),
            "currency": pa.array(["EUR", "EUR"]).dictionary_encode(),
            "sizes": pa.array([["S", "M"], []]),
            "image_urls": pa.array([["https://x.org/a.jpg", "b.jpg"], None]),
            "gtin": pa.array([b"123", None]),
        }
    )
    pq.write_table(table, tmp_path / "o.parquet")
    first, second = offers(tmp_path / "o.parquet")
    assert (first.offer_id, first.product_id, second.offer_id, second.product_id) == ("1", "7", "2", None)
    offer, _ = read_offer(first.key, first.value)
    assert offer.price is not None
    assert (offer.price.amount, offer.price.currency) == (9.5, "EUR")
    assert (offer.sizes, offer.gtin) == (("S", "M"), "123")
    assert offer.image_urls == ("https://x.org/a.jpg", f"file://{tmp_path}/b.jpg")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_the_one_that_shows_an_offer_id(tmp_path: Path, separator: str) -> None:
    path = write(tmp_path, "o.csv", f"\ufefftitle{separator} Offer_ID\r\nBag{separator}a\r\n\r\n")
    (row,) = offers(path)
    assert event(row) == {"offer_id": "a", "title": "Bag"}


def test_broken_csv_rows_are_named_by_line_and_stop_nothing(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "o.csv",
        b"offer_id,title\n"  # 1
        b"a,fine\n"
        b",no id\n"  # 3
        b"too,many,cells\n"  # 4
        b"few\n"  # 5
        b"b,\xff\xfe\n"  # 6
        b"c,nul\0byte\n"  # 7
        b"offer_id,title\n"  # 8
        b'd,"two\nlines"\n'  # 9, 10
        b'e,"bad" quote\n'  # 11
        b"f\x07,bell\n" + b"g" * 300 + b",long id\n"  # 12  # 13
        b'h,"never closed\n'  # 14
        b"i,fine\n"
        b'j,"fine, too"\n'
        b'k,"never closed either\n',  # 17
    )
    assert good_ids(path) == ["a", "d", "i", "j"]
    found = bad(path)
    assert [line for line, _ in found] == [3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 17]
    words = [
        "no offer_id", "2 columns, got 3", "2 columns, got 1", "UTF-8", "NUL", "header", "no CSV", "printable",
        "printable", "no CSV", "no CSV",
    ]  # fmt: skip
    for (line, reason), word in zip(found, words, strict=True):
        assert word in reason, (line, reason)


def test_a_row_longer_than_the_limit_is_bad_and_the_rows_after_it_are_read(tmp_path: Path) -> None:
    filler = b"x" * (MAX_ROW + 10)
    after = (b"c," + b"d" * 1021 + b"\n") * (MAX_ROW // 1024 + 1)
    path = write(tmp_path, "o.csv", b"offer_id,title\na," + filler + b'\nb,"open\n' + after)
    table = open_table(path)
    rows = list(table.offers())
    assert [row.line for row in rows if isinstance(row, BadRow)] == [2, 3]
    assert len(rows) == 2 + MAX_ROW // 1024 + 1
    lines = write(tmp_path, "o.jsonl", b'{"offer_id":"a"}\n{"offer_id":"' + filler + b'"}\n{"offer_id":"b"}')
    assert [line for line, _ in bad(lines)] == [2]
    assert good_ids(lines) == ["a", "b"]


def test_broken_json_lines_are_named_by_line_and_stop_nothing(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "o.jsonl",
        b'\xef\xbb\xbf{"offer_id": "a"}\n'
        b"{broken\n"
        b"[1]\n"
        b'{"title": "no id"}\n'
        b"\n"
        b'{"offer_id": "\xff"}\n'
        b'{"offer_id": "\\ud800"}\n'
        b'{"offer_id": true}\n'
        b'{"offer_id": "n\0l"}\n'
        b'{"offer_id": "b", "price": NaN}\n' + b'{"offer_id": "deep", "title": ' + b"[" * 5000 + b"]" * 5000 + b"}\n"
        b'{"offer_id": 12, "title": "c"}',
    )
    assert good_ids(path) == ["a", "b", "12"]
    assert [line for line, _ in bad(path)] == [2, 3, 4, 6, 7, 8, 9, 11]


def test_parquet_text_that_is_no_utf8_is_a_bad_row(tmp_path: Path) -> None:
    values = pa.array([b"fine", b"\xff\xff", b"fine, too"])
    broken = pa.Array.from_buffers(pa.string(), 3, values.buffers())
    pq.write_table(pa.table({"offer_id": ["a", "b", "c"], "title": broken}), tmp_path / "o.parquet")
    assert bad(tmp_path / "o.parquet") == [(2, "no UTF-8 in title")]
    assert good_ids(tmp_path / "o.parquet") == ["a", "c"]


def test_a_parquet_date_that_no_calendar_has_is_a_bad_row(tmp_path: Path) -> None:
    for days in (pa.array([0, 2**31 - 1], pa.int32()).cast(pa.date32()), pa.array([0, 2**62]).cast(pa.duration("s"))):
        pq.write_table(pa.table({"offer_id": ["a", "b"], "price": days}), tmp_path / "o.parquet")
        ((line, reason),) = bad(tmp_path / "o.parquet")
        assert line == 2
        assert reason.startswith("no value that can be read (")
        assert good_ids(tmp_path / "o.parquet") == ["a"]


def test_a_parquet_table_whose_columns_have_no_names_in_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "o.parquet"
    pq.write_table(pa.table({"offer_id": ["a"], "tttt": ["x"]}), path, use_dictionary=False)
    path.write_bytes(path.read_bytes().replace(b"tttt", b"\xff\xfe\xfd\xfc"))
    with pytest.raises(TableUnusable, match="expected a Parquet table"):
        open_table(path)


def test_a_parquet_row_group_that_is_damaged_costs_its_own_rows_only(tmp_path: Path) -> None:
    path = tmp_path / "o.parquet"
    table = pa.table({"offer_id": [f"offer-{n:04d}" for n in range(300)]})
    pq.write_table(table, path, row_group_size=100, compression="zstd", use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    start = column.data_page_offset
    content[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(content)
    ((line, reason),) = bad(path)
    assert line == 101
    assert "100 rows are lost" in reason
    assert good_ids(path) == [f"offer-{n:04d}" for n in (*range(100), *range(200, 300))]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("o.csv", b"", "empty"),
        ("o.csv", b"\xef\xbb\xbf \n", "empty"),
        ("o.jsonl", b"", "empty"),
        ("o.parquet", b"", "empty"),
        ("o.csv", b"PK\x03\x04....", "a zip or Excel file"),
        ("o.csv", b"\x7fELF\x02\x01\0\0\0\n", "binary"),
        ("o.csv", b"\x7fEL\xff\n", "UTF-8"),
        ("o.csv", "offer_id,title\n".encode("utf-16"), "UTF-16"),
        ("o.csv", b"id,title\n1,a\n", "expected a column offer_id .* found 'id', 'title'"),
        ("o.csv", b"offer_id,title,title\n1,a,b\n", "title more than once"),
        ("o.csv", b'"offer_id\n', "header"),
        ("o.csv", b"offer_id,title\ra,b\r", "header"),
        ("o.jsonl", b'{"id": 1}\n', "expected a column offer_id .* found 'id'"),
        ("o.json", b'\n[{"offer_id": "1"}]', "JSON array"),
        ("o.json", b'{\n"offer_id": "1"\n}', "one JSON object a line"),
        ("o.parquet", b"offer_id\n1\n", "expected a Parquet table"),
        ("o.xlsx", b"PK", r"ends in \.csv"),
        ("o", b"offer_id\n1\n", r"ends in \.csv"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_offer_table_is_refused_with_what_was_expected(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(TableUnusable, match=said) as refused:
        open_table(path)
    assert str(path) in str(refused.value)


def test_a_table_without_rows_is_a_table(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, "o.csv", "offer_id,title\n"))
    assert list(table.offers()) == []
    assert table.fraction() == 1.0


def test_a_folder_stands_for_the_one_table_in_it(tmp_path: Path) -> None:
    with pytest.raises(TableUnusable, match=r"offers\.csv"):
        open_table(tmp_path)
    with pytest.raises(TableUnusable, match="no such file"):
        open_table(tmp_path / "nowhere")
    write(tmp_path, "offers.jsonl", '{"offer_id": "a"}')
    assert open_table(tmp_path).name == f"{tmp_path.name}/offers.jsonl"
    write(tmp_path, "offers.csv", "offer_id\na\n")
    with pytest.raises(TableUnusable, match=r"offers\.csv, offers\.jsonl"):
        open_table(tmp_path)


def test_reading_is_lazy_and_says_how_far_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, "o.csv", "offer_id,title\n" + "".join(f"{n},{'x' * 100}\n" for n in range(20_000)))
    table = open_table(path)
    rows = table.offers()
    next(rows)
    assert table.fraction() < 0.2
    assert sum(1 for _ in rows) == 19_999
    assert table.fraction() == 1.0


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)), max_size=8))
def test_whatever_a_csv_writer_wrote_comes_back(tmp_path: Path, titles: list[tuple[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("offer_id", "title"))
    writer.writerows((f"o{n}", title) for n, (title,) in enumerate(titles))
    rows = offers(write(tmp_path, "o.csv", text.getvalue()))
    assert [event(row).get("title", "") for row in rows] == [title for (title,) in titles]


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from(["o.csv", "o.jsonl", "o.parquet"]))
def test_no_bytes_whatever_break_the_reading(tmp_path: Path, content: bytes, name: str) -> None:
    head = {"o.csv": b"offer_id,title\n", "o.jsonl": b'{"offer_id": "a"}\n', "o.parquet": b""}[name]
    path = write(tmp_path, name, head + content)
    try:
        rows = list(open_table(path).offers())
    except TableUnusable:
        return
    assert [row.line for row in rows] == sorted({row.line for row in rows})
    for row in rows:
        if isinstance(row, TableRow):
            assert read_offer(row.key, row.value)[0].offer_id == row.offer_id


@pytest.mark.data
@pytest.mark.parametrize(("name", "count"), [("luma", 621), ("saleor", 42), ("wdc_products", 3938)])
def test_the_example_tables_are_read_whole(name: str, count: int) -> None:
    if not DATA.is_dir():
        pytest.skip(f"no example data at {DATA}")
    rows = offers(DATA / name)
    assert len(rows) == count
    for row in rows:
        offer, _ = read_offer(row.key, row.value)
        assert offer.title or offer.image_urls
        assert row.product_id
        assert row.photo_files == len(offer.image_urls)
        for url in offer.image_urls:
            assert Path(url.removeprefix("file://")).is_file()
