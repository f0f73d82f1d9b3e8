"""Any open_clip model as encoder: from a folder, a checkpoint or a seed; never from a pickle of who knows what."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from matcher.encoders import Encoder, EncoderSpec, EncoderUnavailable, load_encoder

TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
LOOK = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bilinear", "resize_mode": "longest"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny model in open_clip's own folder format."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    place = tmp_path / "tiny"
    place.mkdir()
    (place / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": LOOK}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = open_clip.CLIP(**TINY)
    save_file(model.state_dict(), place / "open_clip_model.safetensors")
    return place


def photos(encoder: Encoder) -> np.ndarray:
    drawn = np.random.default_rng(1).integers(0, 256, (2, 40, 60, 3), dtype=np.uint8)
    return np.stack([encoder.preprocess(Image.fromarray(pixels)) for pixels in drawn])


def same(one: Encoder, other: Encoder) -> bool:
    texts = ["a red shoe", "blue coat"]
    return bool(
        np.allclose(one.encode_images(photos(one)), other.encode_images(photos(other)), atol=1e-6)
        and np.allclose(one.encode_texts(texts), other.encode_texts(texts), atol=1e-6)
    )


def test_a_folder_loads_by_prefix_and_by_path_and_may_be_moved(folder: Path) -> None:
    first = load_encoder(EncoderSpec(name=f"local-dir:{folder}", device="cpu", precision="fp32"))
    assert (first.image_dim, first.text_dim, first.image_size) == (24, 24, 32)
    moved = folder.rename(folder.with_name("elsewhere"))
    second = load_encoder(EncoderSpec(name=str(moved), device="cpu", precision="fp32"))
    assert second.fingerprint == first.fingerprint
    assert same(first, second)


def test_the_features_are_those_of_open_clips_own_pipeline(folder: Path) -> None:
    import open_clip
    import torch

    encoder = load_encoder(EncoderSpec(name=str(folder), device="cpu", precision="fp32"))
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(["a red shoe"])
    photo = Image.fromarray(np.random.default_rng(2).integers(0, 256, (50, 90, 3), dtype=np.uint8))
    model.eval()
    with torch.inference_mode():
        image, text = model.encode_image(preprocess(photo)[None]).numpy(), model.encode_text(tokens).numpy()
    assert np.allclose(encoder.encode_images(encoder.preprocess(photo)[None]), image, atol=1e-5)
    assert np.allclose(encoder.encode_texts(["a red shoe"]), text, atol=1e-5)


def test_auto_precision_says_why_and_stays_close(folder: Path) -> None:
    exact = load_encoder(EncoderSpec(name=str(folder), device="cpu", precision="fp32"))
    auto = load_encoder(EncoderSpec(name=str(folder), device="cpu"))
    assert auto.fingerprint == exact.fingerprint
    assert auto.describe().image_precision in {"fp32", "bf16"}
    assert all("bf16" in reason for reason in auto.describe().why)
    one, other = exact.encode_images(photos(exact)), auto.encode_images(photos(auto))
    assert np.abs(one - other).max() < 0.05 * np.abs(one).max()


def test_other_weights_preprocessing_or_size_have_another_fingerprint(folder: Path) -> None:
    def fingerprint(**changes: int) -> str:
        return load_encoder(EncoderSpec(name=str(folder), device="cpu", precision="fp32", **changes)).fingerprint

    seen = [fingerprint(), fingerprint(image_size=48)]
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": {}}))
    seen.append(fingerprint())
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "open_clip_model.safetensors")
    weights["visual.proj"] += 1e-6
    save_file(weights, folder / "open_clip_model.safetensors")
    seen.append(fingerprint())
    assert len(set(seen)) == 4


def test_a_folder_without_weights_or_with_broken_ones_is_refused(folder: Path) -> None:
    spec = EncoderSpec(name=str(folder), device="cpu")
    (folder / "open_clip_model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(EncoderUnavailable, match="expected weights of"):
        load_encoder(spec)
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(EncoderUnavailable, match="expected weights of"):
        load_encoder(spec)
    (folder / "open_clip_config.json").write_text("{")
    with pytest.raises(EncoderUnavailable):
        load_encoder(spec)


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.mark,))


def test_nothing_but_tensors_is_unpickled(folder: Path, tmp_path: Path) -> None:
    import torch

    mark = tmp_path / "mark"
    (folder / "open_clip_model.safetensors").unlink()
    for write in (lambda path: torch.save(Trap(mark), path), lambda path: path.write_bytes(pickle.dumps(Trap(mark)))):
        write(folder / "open_clip_pytorch_model.bin")
        with pytest.raises(EncoderUnavailable, match="expected weights of"):
            load_encoder(EncoderSpec(name=str(folder), device="cpu"))
    assert not mark.exists()


@pytest.mark.slow
def test_vit_b_32_with_random_weights_stands_in_for_a_downloaded_clip(tmp_path: Path) -> None:
    import open_clip
    import torch
    from safetensors.torch import save_file

    drawn = load_encoder(EncoderSpec(name="ViT-B-32", seed=11, device="cpu", precision="fp32"))
    assert (drawn.image_dim, drawn.text_dim, drawn.image_size) == (512, 512, 224)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        model = open_clip.create_model("ViT-B-32")
    save_file(model.state_dict(), tmp_path / "clip.safetensors")
    torch.save({"state_dict": model.state_dict()}, tmp_path / "clip.pt")
    for name in ("clip.safetensors", "clip.pt"):
        spec = EncoderSpec(name="ViT-B-32", pretrained=str(tmp_path / name), device="cpu", precision="fp32")
        loaded = load_encoder(spec)
        assert loaded.fingerprint == drawn.fingerprint
        assert same(loaded, drawn)
    other = load_encoder(EncoderSpec(name="ViT-B-32", seed=12, device="cpu", precision="fp32"))
    assert other.fingerprint != drawn.fingerprint
    assert not same(other, drawn)
    with pytest.raises(EncoderUnavailable, match="expected weights of `ViT-B-16`"):
        load_encoder(EncoderSpec(name="ViT-B-16", pretrained=str(tmp_path / "clip.pt"), device="cpu"))
