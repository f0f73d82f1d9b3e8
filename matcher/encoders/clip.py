"""Models that open_clip can load: by name and tag or checkpoint, from the hub, or from a local folder."""

import difflib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from matcher.encoders.fingerprint import weights_digest
from matcher.encoders.model import LoadedModel
from matcher.encoders.spec import BUILT_IN, EncoderSpec, EncoderUnavailable

_CONFIG_FILE = "open_clip_config.json"


def load_clip(spec: EncoderSpec) -> LoadedModel:
    """The model in fp32 on the CPU; downloads what a tag or the hub has and the cache has not.

    Random weights depend on the seed and on torch's version. Raises EncoderUnavailable.
    """
    import open_clip

    name = _checked_name(spec)
    try:
        with torch.random.fork_rng(devices=[]):
            if spec.seed is not None:
                torch.manual_seed(spec.seed)
            model = open_clip.create_model(
                name,
                pretrained=spec.pretrained,
                precision="fp32",
                device="cpu",
                force_custom_text=True,  # the towers apart, so that each can have its own precision
                force_image_size=spec.image_size,
                pretrained_text=False,  # either the whole checkpoint or random weights, never half of each
                require_pretrained=spec.seed is None,
                weights_only=True,
            )
        config = open_clip.get_model_config(name)
        tokenizer = open_clip.get_tokenizer(name)
    except Exception as error:  # open_clip, timm, transformers, torch and the hub each raise kinds of their own
        raise EncoderUnavailable(_explain(spec, error)) from error
    return _loaded(spec, model.eval(), tokenizer, config)


def nearest(wanted: str, known: Iterable[str]) -> str:
    """The known names nearest to one that is not, as the end of a message; all of them when they are few."""
    names = list(known)
    lower = {name.lower(): name for name in names}
    close = [lower[n] for n in difflib.get_close_matches(wanted.lower(), lower, n=5, cutoff=0.5)]
    if len(names) <= 8:
        close = names
    return f" (nearest: {', '.join(close)})" if close else ""


def _loaded(spec: EncoderSpec, model: Any, tokenizer: Any, config: dict[str, Any]) -> LoadedModel:
    look = model.visual.preprocess_cfg
    size = look["size"] if isinstance(look["size"], int) else look["size"][0]
    if not isinstance(look["size"], int) and len(set(look["size"])) > 1:
        raise EncoderUnavailable(f"expected a model for square photos, `{spec.name}` wants {look['size']}")
    transformer = getattr(model.text, "transformer", None)
    padding = getattr(getattr(transformer, "config", None), "pad_token_id", None)  # Hugging Face towers mask it
    backend = getattr(getattr(tokenizer, "tokenizer", None), "backend_tokenizer", None)
    rules = backend.to_str() if backend is not None else type(tokenizer).__name__
    return LoadedModel(
        name=spec.name,
        model=model,
        tokenize=tokenizer,
        padding=padding,
        image_size=size,
        mean=tuple(look["mean"]),
        std=tuple(look["std"]),
        interpolation=look["interpolation"],
        resize_mode=look["resize_mode"],
        fill=look["fill_color"],
        identity=(
            # Not the path of a folder: it may be moved.
            "local-dir" if spec.folder is not None else spec.name,
            json.dumps(config, sort_keys=True, default=str),
            weights_digest(model.state_dict()),
            f"{rules} {getattr(tokenizer, 'context_length', None)}",
        ),
    )


def _checked_name(spec: EncoderSpec) -> str:
    """The name in open_clip's terms, after checking all that can be told without loading anything."""
    import open_clip

    if spec.folder is not None:
        folder = spec.folder
        if not (folder / _CONFIG_FILE).is_file():
            raise EncoderUnavailable(f"expected a folder in open_clip's format: no {folder / _CONFIG_FILE}")
        return f"local-dir:{folder}"
    if spec.name.startswith("hf-hub:"):
        if not re.fullmatch(r"hf-hub:[\w.-]+/[\w.-]+", spec.name):
            raise EncoderUnavailable(f"expected hf-hub:organisation/name, got {spec.name!r}")
        return spec.name
    known = open_clip.list_models()
    if spec.name not in known:
        raise EncoderUnavailable(
            f"expected starter, dummy, an open_clip model, hf-hub:organisation/name or a folder, got {spec.name!r}"
            + nearest(spec.name, (*BUILT_IN, *known))
        )
    tags = open_clip.list_pretrained_tags_by_model(spec.name)
    if spec.pretrained is not None and spec.pretrained not in tags and not Path(spec.pretrained).is_file():
        raise EncoderUnavailable(
            f"expected the path of a checkpoint or a tag of {spec.name}, got {spec.pretrained!r}"
            + nearest(spec.pretrained, tags)
        )
    return spec.name


def _explain(spec: EncoderSpec, error: Exception) -> str:
    cause = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
    if spec.folder is not None or (spec.pretrained is not None and Path(spec.pretrained).is_file()):
        return f"expected weights of `{spec.name}` (safetensors, or a state_dict saved by torch): {cause}"
    weights = f" with weights `{spec.pretrained}`" if spec.pretrained else ""
    return f"expected `{spec.name}`{weights} in the local cache, or a hub that can be reached: {cause}"
