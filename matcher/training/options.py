"""How a projection is to be trained; the defaults are what did best on products that were not trained on."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from matcher.training.loss import SameSeller

#: What is drawn into one batch together: see `ProjectionOptions`.
DrawnBy = Literal["products", "siblings", "brand_price"]
Modality = Literal["image", "text", "numbers"]
Above0 = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, lt=1)]
Count = Annotated[int, Meta(ge=1)]


class ProjectionOptions(Struct, frozen=True, kw_only=True):
    """Everything that decides what comes out of training, beside the data.

    Modalities that no training offer has are left out. `number_weight`: of the block of numbers, where image and text
    have 1. `missing`: whether the vector that stands for a missing modality is learned, or zero. `drop`: the share of
    offers from which image, text (never both) and the numbers are taken away at random in each step, as happens in
    life. Single photos cannot be dropped: raw features are means over an offer's photos.

    `batch`: offers; None stands for an eighth of them, but 256 to 16,384. `drawn_by`: what comes into a batch together,
    so that small batches hold hard negatives: `products` one by one, `siblings` that stand close together in raw
    features (takes products² · dim operations once: leave it out, with large batches, from some 100,000 products on),
    or products of one brand and about one price (`brand_price`). `memory`: so many embeddings of earlier batches are
    compared with too, from when there are so many. The steps are `epochs` over the data, but `least_steps` at least.

    `start`: random, or the `whitened` principal components of the inputs, with `shrinkage` of their variances towards
    the mean. `pull`: towards the starting weights, instead of towards zero as `weight_decay` does.

    `validation`: the share of products held back to stop early, after `patience` looks without a smaller loss; with 0
    all are learned from and all steps are done. `ema`: decay per step of a moving average of the weights, which then
    replaces them. `seeds`: with several, the projection is trained as often and the similarities are averaged (linear).
    `lone_negatives`: offers without a positive are kept. `same_seller`: see `supervised_contrastive`.
    """

    kind: Literal["linear", "perceptron"] = "linear"
    dim: Count = 192
    hidden: Count = 512
    modalities: tuple[Modality, ...] = ("image", "text", "numbers")
    image_weight: Annotated[float, Meta(gt=0, le=1)] = 1.0
    text_weight: Annotated[float, Meta(gt=0, le=1)] = 1.0
    number_weight: Annotated[float, Meta(gt=0, le=1)] = 0.1
    missing: Literal["learned", "zero"] = "learned"
    drop: Share = 0.1
    temperature: Above0 = 0.1
    learn_temperature: bool = False
    batch: Annotated[int, Meta(ge=2)] | None = None
    lone_negatives: bool = False
    drawn_by: DrawnBy = "siblings"
    memory: Annotated[int, Meta(ge=0)] = 0
    same_seller: SameSeller = "keep"
    epochs: Count = 40
    least_steps: Count = 300
    learning_rate: Above0 = 1e-3
    weight_decay: Annotated[float, Meta(ge=0)] = 0.01
    start: Literal["random", "whitened"] = "random"
    shrinkage: Annotated[float, Meta(ge=0, le=1)] = 0.2
    pull: Annotated[float, Meta(ge=0)] = 0.0
    validation: Share = 0.0
    patience: Count = 5
    ema: Share = 0.0
    seeds: tuple[int, ...] = (0,)
    device: str = "cpu"

    def batch_size(self, offers: int) -> int:
        """How many offers a batch holds, of so many in all."""
        return self.batch or min(max(offers // 8, 256), 16_384)

    def __post_init__(self) -> None:
        """ValueError on what means nothing together."""
        if not self.seeds:
            raise ValueError("expected at least one seed")
        if not {"image", "text"} & set(self.modalities):
            raise ValueError(f"expected image or text among the modalities, got {list(self.modalities)}")
        if self.kind == "perceptron" and (len(self.seeds) > 1 or self.start == "whitened"):
            raise ValueError("expected one seed and a random start for a perceptron: only linear maps can be averaged")
