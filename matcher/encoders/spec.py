"""Which encoder is wanted: its settings, checked, and the error when it cannot be had."""

from pathlib import Path
from typing import Literal

from msgspec import Struct

Precision = Literal["auto", "fp32", "bf16"]

#: Encoders that come with the project and need no weights from elsewhere.
BUILT_IN = ("starter", "dummy")


class EncoderUnavailable(Exception):
    """The encoder that was asked for cannot be loaded; the message says what was expected."""


class EncoderSpec(Struct, frozen=True, kw_only=True):
    """An encoder by name.

    `name`: `starter`, `dummy`, an open_clip model such as `ViT-B-32`, `hf-hub:org/name`, or a folder in open_clip's
    own format (`local-dir:/path`, or just the path).
    `pretrained`: for open_clip names alone, one of its tags or the path of a checkpoint (safetensors, or a state_dict
    saved by torch; nothing else is unpickled). None stands for random weights and needs a `seed`.
    `device`: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
    `precision`: `auto` takes bf16 where the hardware is good at it, for each tower alone.
    `image_size`: pixels, other than the model's own.

    Raises ValueError on a combination that means nothing.
    """

    name: str = "starter"
    pretrained: str | None = None
    seed: int | None = None
    device: str = "auto"
    precision: Precision = "auto"
    image_size: int | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("expected an encoder name such as `starter`, got an empty one")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise ValueError(f"expected precision to be auto, fp32 or bf16, got {self.precision!r}")
        if self.image_size is not None and not 16 <= self.image_size <= 2048:
            raise ValueError(f"expected image_size between 16 and 2048 pixels, got {self.image_size}")
        if self.brings_weights:
            if self.pretrained is not None or self.seed is not None:
                raise ValueError(f"`{self.name}` brings its own weights: expected neither pretrained nor seed")
        elif self.pretrained is None and self.seed is None:
            raise ValueError(
                f"expected `pretrained` for `{self.name}`: an open_clip tag or the path of a checkpoint "
                "(or a seed, for random weights)"
            )
        elif self.pretrained is not None and self.seed is not None:
            raise ValueError("expected either pretrained weights or the seed of random ones, got both")

    @property
    def folder(self) -> Path | None:
        """The folder that the name points to, if it does; it need not exist."""
        if self.name.startswith("local-dir:"):
            return Path(self.name.removeprefix("local-dir:")).expanduser()
        if self.name.startswith(("/", "./", "../", "~")) or (
            self.name not in BUILT_IN and "/" in self.name and ":" not in self.name and Path(self.name).is_dir()
        ):
            return Path(self.name).expanduser()
        return None

    @property
    def brings_weights(self) -> bool:
        """Whether the name alone says which weights are meant."""
        return self.name in BUILT_IN or self.name.startswith("hf-hub:") or self.folder is not None
