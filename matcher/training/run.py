"""One training run of a projection: from a seed to its weights."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from msgspec import Struct
from torch import Tensor
from torch.nn import functional

from matcher.arrays import BoolArray, F32Array, I64Array
from matcher.model.network import Layer
from matcher.training.blocks import Columns
from matcher.training.labelled import Labelled, Unlearnable
from matcher.training.loss import Earlier, supervised_contrastive
from matcher.training.options import ProjectionOptions
from matcher.training.sampler import ProductBatches
from matcher.training.splits import folds_of
from matcher.training.start import random_layers, whitened

#: How often a run tells how far it is, and looks at its validation products.
LOOKS = 25
#: Temperatures that learning may reach.
COLDEST, WARMEST = 0.01, 1.0


class Reached(Struct, frozen=True, kw_only=True):
    """How far training has come. `loss` is that of the last batch, `validation` of the products held back, if any."""

    seed: int
    step: int
    steps: int
    loss: float
    validation: float | None = None


class Run(Struct, frozen=True, kw_only=True):
    """What a run came to, with every look on the way."""

    layers: tuple[Layer, ...]
    temperature: float
    steps: int
    looks: tuple[Reached, ...]


class Table:
    """The training rows f32[n, in] on the device, with their labels."""

    def __init__(
        self, rows: F32Array, data: Labelled, columns: Columns, groups: I64Array | None, options: ProjectionOptions
    ) -> None:
        self.rows = torch.from_numpy(rows).to(options.device)
        self.products = torch.from_numpy(data.products).to(options.device)
        self.sellers = torch.from_numpy(data.sellers).to(options.device)
        self.columns = columns
        self.groups = groups
        self.labels = data.products

    def held_back(self, share: float, seed: int) -> BoolArray:
        """bool[n]: about `share` of the products (sibling groups, where there are any); none where the share is 0."""
        if not share:
            return np.zeros(len(self.labels), np.bool_)
        labels = self.labels if self.groups is None else self.groups
        count = len(np.unique(labels))
        if count < 4:
            raise Unlearnable(f"expected at least four products to hold some back for validation, got {count}")
        return np.asarray(folds_of(labels, min(count, max(2, round(1 / share))), seed) == 0)


def run(table: Table, options: ProjectionOptions, seed: int, on_progress: Callable[[Reached], None]) -> Run:
    """Trains with one seed. Raises `Unlearnable` when there are too few products to hold any back."""
    back = table.held_back(options.validation, seed)
    learned, checked = np.flatnonzero(~back), torch.from_numpy(np.flatnonzero(back)).to(options.device)
    student = _Student(table, options, seed, learned)
    groups = None if table.groups is None else table.groups[learned]
    batches = ProductBatches(table.labels[learned], options.batch_size(len(learned)), seed, groups)
    # Batches are drawn anew each epoch, so their number may differ by one or two: the last epoch may end early.
    steps = max(options.epochs * sum(1 for _ in batches.epoch()), options.least_steps)
    stopping = _Stopping(options.patience)
    looks = []
    for step, batch in enumerate(_forever(batches), start=1):
        factor = 0.5 * (1 + float(np.cos(np.pi * (step - 1) / steps)))
        loss = student.learn(torch.from_numpy(learned[batch]).to(options.device), factor, step)
        if step % max(1, steps // LOOKS) == 0 or step == steps:
            validation = student.check(checked) if len(checked) else None
            looks.append(Reached(seed=seed, step=step, steps=steps, loss=float(loss), validation=validation))
            on_progress(looks[-1])
            if validation is not None and stopping.seen(validation, student.average):
                break
        if step == steps:
            break
    weights = [tensor.cpu().numpy().copy() for tensor in stopping.best or student.average]
    return Run(
        layers=tuple(Layer(matrix, bias) for matrix, bias in zip(weights[::2], weights[1::2], strict=True)),
        temperature=student.temperature(),
        steps=looks[-1].step,
        looks=tuple(looks),
    )


class _Student:
    """The weights while they learn: matrix and bias of each layer, and their moving average."""

    def __init__(self, table: Table, options: ProjectionOptions, seed: int, learned: I64Array) -> None:
        self._table, self._options = table, options
        self._random = torch.Generator().manual_seed(seed)
        if options.start == "whitened":
            layers = [whitened(table.rows.cpu().numpy()[learned], options.dim, options.shrinkage)]
        else:
            hidden = [options.hidden] if options.kind == "perceptron" else []
            layers = random_layers([table.rows.shape[1], *hidden, options.dim], seed)
        # What stands for a missing modality starts as zero, and stays so where none is ever missing.
        layers[0].matrix[:, table.columns.flags :] = 0.0
        arrays = [array for layer in layers for array in (layer.matrix, layer.bias)]
        self._weights = [torch.from_numpy(array).to(options.device).requires_grad_() for array in arrays]
        self._first = [weight.detach().clone() for weight in self._weights]
        self._kept = self._weights[0].new_empty((0, options.dim)), torch.empty(0, dtype=torch.long).to(options.device)
        self.average = [weight.detach().clone() for weight in self._weights]
        self._log_temperature = torch.tensor(float(np.log(options.temperature)), device=options.device)
        groups = [{"params": self._weights, "weight_decay": options.weight_decay}]
        if options.learn_temperature:
            groups.append({"params": [self._log_temperature.requires_grad_()], "weight_decay": 0.0})
        self._optimizer = torch.optim.AdamW(groups, lr=options.learning_rate)

    def learn(self, chosen: Tensor, factor: float, step: int) -> Tensor:
        """One step on a batch, at `factor` times the learning rate; returns its loss."""
        rows = self._table.rows[chosen]
        if self._options.drop:
            flagged = self._options.missing == "learned"
            self._table.columns.drop(rows, self._options.drop, self._random, flagged=flagged)
        embedded = _embed(self._weights, rows)
        loss = self._loss(embedded, chosen, self._log_temperature.exp(), self._earlier(chosen))
        self._remember(embedded.detach(), chosen)
        total = loss
        if self._options.pull:
            moved = [(now - then).square().sum() for now, then in zip(self._weights, self._first, strict=True)]
            total = loss + self._options.pull * torch.stack(moved).sum()
        for group in self._optimizer.param_groups:
            group["lr"] = self._options.learning_rate * factor
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()
        self._optimizer.step()
        if self._options.learn_temperature:
            self._log_temperature.data.clamp_(float(np.log(COLDEST)), float(np.log(WARMEST)))
        # Early steps count less than the decay says, else the start would linger.
        decay = min(self._options.ema, step / (step + 10))
        for mean, weight in zip(self.average, self._weights, strict=True):
            mean.lerp_(weight.detach(), 1 - decay)
        return loss.detach()

    def check(self, chosen: Tensor) -> float:
        """The loss of the averaged weights on products held back, at the temperature that the options name.

        The loss, since the AUCPR of a few hundred queries would jump.
        """
        # The averages carry no graph, so nothing is kept for a backward pass.
        embedded = _embed(self.average, self._table.rows[chosen])
        return float(self._loss(embedded, chosen, self._options.temperature, None))

    def temperature(self) -> float:
        return float(self._log_temperature.detach().exp())

    def _loss(self, embedded: Tensor, chosen: Tensor, temperature: Tensor | float, earlier: Earlier | None) -> Tensor:
        return supervised_contrastive(
            embedded,
            self._table.products[chosen],
            temperature,
            sellers=self._table.sellers[chosen],
            same_seller=self._options.same_seller,
            earlier=earlier,
        )

    def _earlier(self, chosen: Tensor) -> Earlier | None:
        """The memory, once it is full: the first embeddings change too fast to be compared with."""
        embeddings, offers = self._kept
        if not self._options.memory or len(offers) < self._options.memory:
            return None
        return Earlier(
            embeddings=embeddings,
            products=self._table.products[offers],
            sellers=self._table.sellers[offers],
            offers=offers,
            batch=chosen,
        )

    def _remember(self, embedded: Tensor, chosen: Tensor) -> None:
        if self._options.memory:
            embeddings, offers = (torch.cat(pair) for pair in zip(self._kept, (embedded, chosen), strict=True))
            self._kept = embeddings[-self._options.memory :], offers[-self._options.memory :]


class _Stopping:
    """Keeps the weights with the smallest validation loss and says when to stop."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._waited = 0
        self._least = np.inf
        self.best: list[Tensor] | None = None

    def seen(self, validation: float, weights: Sequence[Tensor]) -> bool:
        """Whether `patience` looks have passed without an improvement."""
        if validation < self._least:
            self._least, self._waited = validation, 0
            self.best = [weight.clone() for weight in weights]
        else:
            self._waited += 1
        return self._waited >= self._patience


def _embed(weights: Sequence[Tensor], rows: Tensor) -> Tensor:
    for number, (matrix, bias) in enumerate(zip(weights[::2], weights[1::2], strict=True)):
        rows = functional.linear(functional.relu(rows) if number else rows, matrix, bias)
    return functional.normalize(rows, dim=1)


def _forever(batches: ProductBatches) -> Iterator[I64Array]:
    while True:
        yield from batches.epoch()
