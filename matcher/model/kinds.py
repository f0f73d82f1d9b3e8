"""The projections that a bundle can have, and how raw features become the inputs of the learned ones."""

from typing import Annotated

from msgspec import Meta, Struct

from matcher.numbers import NUMERIC_DIM

Share = Annotated[float, Meta(ge=0, le=1)]
Width = Annotated[int, Meta(ge=1, le=65_536)]
#: sha256 in hexadecimal.
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Concatenation(Struct, frozen=True, kw_only=True, tag="concatenation", tag_field="kind"):
    """No learning: each modality L2-normalised, weighted, put side by side, L2-normalised again."""

    image_weight: Share
    text_weight: Share


class NumberScaling(Struct, frozen=True, kw_only=True):
    """How numbers become inputs: (number - mean) / deviation, cut off at ±4, times weight; 0 where missing."""

    means: tuple[float, float, float]
    deviations: tuple[Annotated[float, Meta(gt=0)], Annotated[float, Meta(gt=0)], Annotated[float, Meta(gt=0)]]
    weight: Share


class Inputs(Struct, frozen=True, kw_only=True):
    """What a learned projection reads, in this order; a modality with weight 0 (numbers: None) takes no columns.

    image_dim columns, L2-normalised times `image_weight`; text_dim columns likewise; 3 numbers; then columns that are 1
    where something is missing and else 0: the image, the text, each number (times the numbers' weight). What the
    projection learns for such a column is the vector that stands for the missing modality.
    """

    image_weight: Share
    text_weight: Share
    numbers: NumberScaling | None

    def width(self, image_dim: int, text_dim: int) -> int:
        """How many columns that is."""
        image = image_dim + 1 if self.image_weight else 0
        text = text_dim + 1 if self.text_weight else 0
        return image + text + (2 * NUMERIC_DIM if self.numbers else 0)


class Linear(Struct, frozen=True, kw_only=True, tag="linear", tag_field="kind"):
    """embedding = normalise(W · inputs + b). `weights`: the digest of W and b, which are in projection.safetensors."""

    dim: Width
    inputs: Inputs
    weights: Digest


class Perceptron(Struct, frozen=True, kw_only=True, tag="perceptron", tag_field="kind"):
    """embedding = normalise(V · relu(W · inputs + b) + c), with `hidden` units; `weights` as in `Linear`."""

    dim: Width
    hidden: Width
    inputs: Inputs
    weights: Digest


Projection = Concatenation | Linear | Perceptron
