"""An encoder on two towers of an open_clip model: pixels and tokens in, features out."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from PIL import Image

from matcher.arrays import AnyArray, F32Array
from matcher.encoders.base import EncoderDescription
from matcher.encoders.device import place
from matcher.encoders.fingerprint import fingerprint_of
from matcher.encoders.model import LoadedModel
from matcher.encoders.spec import Precision

#: Photos, and texts, that go through a tower at once; more are split, which bounds memory.
MAX_BATCH = 128
#: Photos longer than this are cut to their middle first: resizing one of 20,000 by 1 pixels would need gigabytes.
MAX_ASPECT = 8
#: Part of the fingerprint: raise it when `preprocess` gives other pixels for the same photo.
_PREPROCESS_VERSION = 1
_TRIAL_PHOTOS, _TRIAL_TEXTS, _TRIAL_TOKENS = 8, 8, 24


class TowerEncoder:
    """See `Encoder`."""

    def __init__(self, loaded: LoadedModel, device: torch.device, precision: Precision) -> None:
        """Places both towers, each in the precision that suits it; `loaded` must not be used afterwards."""
        self._loaded = loaded
        self._device = device
        self._to_square = _geometry(loaded)
        look = (
            loaded.image_size,
            loaded.mean,
            loaded.std,
            loaded.interpolation,
            loaded.resize_mode,
            loaded.fill,
        )
        self._fingerprint = fingerprint_of((*loaded.identity, f"preprocess {_PREPROCESS_VERSION} {look}"))
        model = loaded.model.requires_grad_(False)
        model.visual.to(memory_format=torch.channels_last)  # half again as fast for convolutions, the same for ViTs
        self._mean = torch.tensor(loaded.mean, device=device).view(1, 3, 1, 1) * 255
        self._scale = 1 / (torch.tensor(loaded.std, device=device).view(1, 3, 1, 1) * 255)

        shape = (_TRIAL_PHOTOS, 3, loaded.image_size, loaded.image_size)
        pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        tokens = loaded.tokenize(["seven plain words make a usual title"] * _TRIAL_TEXTS)[:, : _usual(loaded)]
        self._image = place(model.visual, device, precision, partial(self._run_image, pixels=pixels))
        self._text = place(model.text, device, precision, partial(self._run_text, tokens=tokens))
        model.visual, model.text = self._image.module, self._text.module
        self._image_dim = int(self._run_image(model.visual, self._image.dtype, pixels[:1]).shape[1])
        self._text_dim = int(self._run_text(model.text, self._text.dtype, tokens[:1]).shape[1])

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    @property
    def image_dim(self) -> int:
        return self._image_dim

    @property
    def text_dim(self) -> int:
        return self._text_dim

    @property
    def image_size(self) -> int:
        return self._loaded.image_size

    def preprocess(self, image: Image.Image) -> AnyArray:
        """A photo to `u8[3, S, S]`: resized as the model wants it; normalised later, on the device."""
        square = self._to_square(_not_too_long(image.convert("RGB")))
        return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))

    def encode_images(self, pixels: AnyArray) -> F32Array:
        """`u8[n, 3, S, S]` to `f32[n, image_dim]`. ValueError on another shape or type."""
        size = self.image_size
        if pixels.ndim != 4 or pixels.shape[1:] != (3, size, size) or pixels.dtype != np.uint8:
            raise ValueError(f"expected u8 pixels of shape (n, 3, {size}, {size}), got {pixels.dtype} {pixels.shape}")
        result = np.empty((len(pixels), self._image_dim), np.float32)
        for start in range(0, len(pixels), MAX_BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(pixels[start : start + MAX_BATCH]))
            result[start : start + MAX_BATCH] = self._run_image(self._image.module, self._image.dtype, batch).numpy()
        return _finite(result, self._loaded.name)

    def encode_texts(self, texts: Sequence[str]) -> F32Array:
        """n texts to `f32[n, text_dim]`; texts beyond the model's context are cut."""
        result = np.empty((len(texts), self._text_dim), np.float32)
        if not texts:
            return result
        tokens = self._loaded.tokenize(list(texts))
        lengths = _lengths(tokens, self._loaded.padding)
        # Texts of like length together: the padding that a long one forces on the others is work for nothing.
        order = np.argsort(lengths, kind="stable")
        for start in range(0, len(texts), MAX_BATCH):
            rows = order[start : start + MAX_BATCH]
            batch = tokens[torch.from_numpy(rows), : int(lengths[rows].max())]
            result[rows] = self._run_text(self._text.module, self._text.dtype, batch).numpy()
        return _finite(result, self._loaded.name)

    def warm_up(self) -> None:
        """Encodes one photo and one text."""
        self.encode_images(np.zeros((1, 3, self.image_size, self.image_size), np.uint8))
        self.encode_texts(["warm up"])

    def describe(self) -> EncoderDescription:
        return EncoderDescription(
            name=self._loaded.name,
            fingerprint=self._fingerprint,
            device=str(self._device),
            image_precision=_short(self._image.dtype),
            text_precision=_short(self._text.dtype),
            image_dim=self._image_dim,
            text_dim=self._text_dim,
            image_size=self.image_size,
            why=(f"photos in {self._image.why}", f"texts in {self._text.why}"),
        )

    def _run_image(self, tower: torch.nn.Module, dtype: torch.dtype, pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            batch = pixels.to(self._device).contiguous(memory_format=torch.channels_last)
            return _first(tower(((batch.float() - self._mean) * self._scale).to(dtype))).float().cpu()

    def _run_text(self, tower: torch.nn.Module, _: torch.dtype, tokens: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return _first(tower(tokens.to(self._device))).float().cpu()


def _geometry(loaded: LoadedModel) -> Callable[[Image.Image], Image.Image]:
    """open_clip's own resizing and cropping, without its last two steps (to a tensor, normalise)."""
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from torchvision.transforms import Compose

    look = PreprocessCfg(
        size=loaded.image_size,
        mean=loaded.mean,
        std=loaded.std,
        interpolation=loaded.interpolation,
        resize_mode=loaded.resize_mode,
        fill_color=loaded.fill,
    )
    steps: Callable[[Image.Image], Image.Image] = Compose(image_transform_v2(look, is_train=False).transforms[:-2])
    return steps


def _not_too_long(image: Image.Image) -> Image.Image:
    width, height = image.size
    wide, high = min(width, MAX_ASPECT * height), min(height, MAX_ASPECT * width)
    if (wide, high) == (width, height):
        return image
    left, top = (width - wide) // 2, (height - high) // 2
    return image.crop((left, top, left + wide, top + high))


def _lengths(tokens: torch.Tensor, padding: int | None) -> AnyArray:
    """Columns that each row needs, `i64[n]`: all of them, unless trailing padding may be cut off."""
    if padding is None:
        return np.full(len(tokens), tokens.shape[1])
    columns = np.arange(1, tokens.shape[1] + 1)
    longest: AnyArray = (columns * (tokens != padding).numpy()).max(axis=1)
    return np.maximum(longest, 1)


def _usual(loaded: LoadedModel) -> int | None:
    """Tokens of the trial texts: as many as usual titles have, where shorter ones cost less."""
    return None if loaded.padding is None else _TRIAL_TOKENS


def _first(output: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Some towers (CoCa's) return tokens beside the pooled features."""
    return output[0] if isinstance(output, tuple) else output


def _finite(features: F32Array, name: str) -> F32Array:
    if not np.isfinite(features).all():
        raise FloatingPointError(f"expected finite features, the weights of `{name}` give others")
    return features


def _short(dtype: torch.dtype) -> str:
    return {torch.float32: "fp32", torch.bfloat16: "bf16"}[dtype]
