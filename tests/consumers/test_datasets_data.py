"""The shared example data as datasets, and the starter encoder behind them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matcher.encoders import EncoderSpec, load_encoder
from matcher.encoding import Encodable, RawFeatures, encode_offers
from matcher.metrics import Metrics
from tests.consumers.datasets_making import DATA, ROWS, load, load_one, write_photo, write_table

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the shared example data is not at {DATA}")


@pytest.mark.data
@needs_data
def test_wdc_products_is_read_whole_with_its_pairs(tmp_path: Path) -> None:
    dataset, account = load_one(DATA / "wdc_products", tmp_path)
    assert (len(dataset), account.products, account.malformed, account.empty) == (3_938, 500, 0, 0)
    assert {name: len(pairs.same) for name, pairs in dataset.pairs.items()} == {
        "pairs_train": 20_932,
        "pairs_valid": 4_500,
    }
    assert all(counts.unknown == counts.malformed == 0 for counts in account.pairs.values())
    products = np.array(dataset.products)
    for pairs in dataset.pairs.values():
        np.testing.assert_array_equal(products[pairs.left] == products[pairs.right], pairs.same)
    logs = dataset.features.numbers[:, 2]
    assert 3_500 < np.isfinite(logs).sum() < 3_938
    assert account.prices_unread < 10
    # What a shop asks for one product in two currencies is about the same.
    spread = [np.nanstd(logs[products == product]) for product in set(dataset.products)]
    assert np.nanmedian(spread) < 0.4


@pytest.mark.slow
@pytest.mark.data
@needs_data
def test_luma_and_saleor_have_all_their_photos(tmp_path: Path) -> None:
    (luma, saleor), accounts = load([DATA / "luma", DATA / "saleor"], tmp_path)
    assert (len(luma), len(saleor)) == (621, 42)
    assert [(a.photos, a.photos_lost) for a in accounts] == [(725, 0), (51, 0)]
    assert luma.features.has_image.all()
    assert saleor.features.has_image.all()
    assert set(luma.sellers) == {"luma-front", "luma-other"}
    roles = [set(), set()]  # type: list[set[str | None]]
    for product, seller in zip(luma.products, luma.sellers, strict=True):
        roles[seller == "luma-other"].add(product)
    assert len(roles[0] & roles[1]) == 148


@pytest.mark.data
@needs_data
def test_luma_knows_the_styles_of_its_products(tmp_path: Path) -> None:
    dataset, _ = load_one(DATA / "luma", tmp_path)
    assert dataset.styles[0] == "24-MB01"
    assert None not in dataset.styles


SECOND = """
import sys
from pathlib import Path
from consumers.datasets import load_datasets
from matcher.encoders import EncoderSpec

load_datasets([Path(sys.argv[1])], EncoderSpec(precision="fp32"), Path(sys.argv[2]), lambda _: None)
assert "torch" not in sys.modules
"""


@pytest.mark.slow
def test_the_starter_gives_what_the_encoder_process_publishes_and_is_not_loaded_again(tmp_path: Path) -> None:
    rows = [{**row, "images": f"{number}.png"} for number, row in enumerate(ROWS)]
    folder = write_table(tmp_path / "shop", rows)
    for number in range(3):
        write_photo(folder / f"{number}.png", (80 * number, 200, 30))
    dataset, account = load_one(folder, tmp_path / "cache", spec=EncoderSpec(precision="fp32"))
    assert (account.texts_encoded, account.images_encoded) == (3, 3)
    encoder = load_encoder(EncoderSpec(precision="fp32"))
    assert dataset.encoder.fingerprint == encoder.fingerprint
    batch = [
        Encodable(offer, (encoder.preprocess(Image.open(folder / f"{number}.png")),))
        for number, offer in enumerate(dataset.offers)
    ]
    for number, expected in enumerate(encode_offers(encoder, batch, Metrics())):
        assert isinstance(expected, RawFeatures)
        np.testing.assert_allclose(dataset.features.text[number], expected.text, rtol=2e-3, atol=2e-4)
        np.testing.assert_allclose(dataset.features.image[number], expected.image, rtol=2e-3, atol=2e-4)
    done = subprocess.run(
        [sys.executable, "-c", SECOND, str(folder), str(tmp_path / "cache")], check=False, timeout=120
    )
    assert done.returncode == 0
