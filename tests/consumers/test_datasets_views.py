"""Text vectors made from other fields of the offers, through the same cache."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from consumers.datasets import DatasetUnusable, load_datasets
from consumers.datasets.views import title_alone, with_description, with_texts
from matcher.encoders import load_encoder
from matcher.events.offer import Offer
from matcher.text import offer_text
from tests.consumers.datasets_making import DUMMY, write_table

ROWS = [
    {"offer_id": "a1", "product_id": "a", "brand": "Acme", "title": "Boot", "description": "of red leather"},
    {"offer_id": "a2", "product_id": "a", "brand": "", "title": "Boot", "description": ""},
    {"offer_id": "b1", "product_id": "b", "brand": "Zeta", "title": "", "description": "a hat"},
]


def datasets(tmp_path: Path):
    folder = write_table(tmp_path / "shop", ROWS)
    return load_datasets([folder], DUMMY, tmp_path / "cache", lambda _: None)


def viewed(tmp_path: Path, view, told=None):
    done = (lambda name, count: told.append(count)) if told is not None else (lambda name, count: None)
    (found,) = with_texts(datasets(tmp_path), view, DUMMY, tmp_path / "cache", batch_size=2, on_done=done)
    return found


def test_each_view_reads_the_fields_that_it_names() -> None:
    offer = Offer(offer_id="a", brand="Acme", title="Boot", description="of red leather")
    view = title_alone(offer)
    assert offer_text(view.brand, view.title) == "Boot"
    view = with_description(offer)
    assert offer_text(view.brand, view.title) == "Acme Boot of red leather"
    bare = Offer(offer_id="b", brand="Zeta")
    assert offer_text(bare.brand, with_description(bare).title) == "Zeta"


def test_vectors_are_those_of_the_text_and_everything_else_stays(tmp_path: Path) -> None:
    (plain,) = datasets(tmp_path)
    encoder = load_encoder(DUMMY)
    told = viewed(tmp_path, with_description)
    expected = encoder.encode_texts(["Acme Boot of red leather", "Boot", "Zeta a hat"]).astype(np.float16)
    np.testing.assert_array_equal(told.features.text, expected)
    assert (told.offers, told.products) == (plain.offers, plain.products)
    np.testing.assert_array_equal(told.features.numbers, plain.features.numbers)


def test_an_offer_without_a_title_has_no_title_vector(tmp_path: Path) -> None:
    titles = viewed(tmp_path, title_alone).features
    assert titles.has_text.tolist() == [True, True, False]
    np.testing.assert_array_equal(titles.text[0], titles.text[1])


def test_what_was_encoded_is_kept(tmp_path: Path) -> None:
    first, again = [], []
    viewed(tmp_path, with_description, first)
    viewed(tmp_path, with_description, again)
    assert first[0] < 3
    assert again == [3]


def test_datasets_of_another_encoder_are_refused(tmp_path: Path) -> None:
    (plain,) = datasets(tmp_path)
    other = msgspec.structs.replace(plain, encoder=msgspec.structs.replace(plain.encoder, fingerprint="f" * 16))
    with pytest.raises(DatasetUnusable, match="expected datasets of encoder"):
        with_texts([other], title_alone, DUMMY, tmp_path / "cache", batch_size=2)
