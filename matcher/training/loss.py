"""Supervised contrastive loss over cosine similarities, in strips: memory grows with the batch, not with its square.

Khosla et al. 2020, "Supervised Contrastive Learning", the loss they call L_out: for each anchor, the mean over its
positives of -log softmax(cosine / temperature), where the softmax runs over all other rows of the batch.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: What becomes of two offers of one seller: compared like all others; never pulled together; never compared.
SameSeller = Literal["keep", "no_positives", "no_pairs"]
#: Similarities held at once: 16 MB in fp32 for each of the few matrices of a strip. CPUs want them to stay small.
STRIP_CPU, STRIP_GPU = 2**22, 2**27


@dataclass(frozen=True, eq=False)
class Earlier:
    """Embeddings of earlier batches, to be compared with but not learned from (Wang et al. 2020, "Cross-Batch Memory").

    `embeddings` float[m, dim]; `products`, `sellers` and `offers` i64[m]; `batch` i64[n]: the offers of the batch
    itself, since nobody is compared with what it was before.
    """

    embeddings: Tensor
    products: Tensor
    sellers: Tensor
    offers: Tensor
    batch: Tensor


def supervised_contrastive(
    embeddings: Tensor,
    products: Tensor,
    temperature: Tensor | float,
    *,
    sellers: Tensor | None = None,
    same_seller: SameSeller = "keep",
    earlier: Earlier | None = None,
    rows: int | None = None,
) -> Tensor:
    """The mean loss over all rows that have a positive; 0 (with zero gradients) when none has.

    `embeddings` float[n, dim], L2-normalised by the caller; `products` i64[n]; `sellers` i64[n], negative where unknown
    (an unknown seller equals no one). Rows without a positive are no anchors but stand in the softmax of the others.
    `temperature` may be a tensor that learns. `rows`: anchors per strip, by default as many as a fixed number of
    similarities allows. Half precision is computed in fp32. ValueError when the shapes do not fit.

    `earlier`: further rows that are positives and negatives of the anchors, but no anchors, and get no gradient.

    Time n·(n + m)·dim, memory (n + m)·(dim + rows): a strip's row of the softmax is complete, so loss and gradient
    come out of one pass and nothing of size n² or positives x negatives is kept for `backward`.
    """
    n = len(embeddings)
    if embeddings.ndim != 2 or products.shape != (n,) or (sellers is not None and sellers.shape != (n,)):
        raise ValueError(
            f"expected embeddings [n, dim] with products and sellers [n], got {tuple(embeddings.shape)}, "
            f"{tuple(products.shape)} and {None if sellers is None else tuple(sellers.shape)}"
        )
    if same_seller != "keep" and sellers is None:
        raise ValueError(f"expected sellers for same_seller={same_seller!r}")
    if rows is None:
        compared = n + (0 if earlier is None else len(earlier.products))
        rows = max(1, (STRIP_CPU if embeddings.device.type == "cpu" else STRIP_GPU) // max(1, compared))
    sharpness = 1.0 / torch.as_tensor(temperature, dtype=_wide(embeddings.dtype), device=embeddings.device)
    loss: Tensor = _Strips.apply(embeddings, sharpness, products, sellers, same_seller, earlier, rows)
    return loss


class _Strips(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(  # noqa: PLR0917
        ctx: Any,
        embeddings: Tensor,
        sharpness: Tensor,
        products: Tensor,
        sellers: Tensor | None,
        same_seller: SameSeller,
        earlier: Earlier | None,
        rows: int,
    ) -> Tensor:
        wanted = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        z = embeddings.detach().to(sharpness.dtype)
        columns = z if earlier is None else torch.cat([z, earlier.embeddings.to(z.dtype)])
        masks = _Masks(products, sellers, same_seller, earlier)
        grad = torch.zeros_like(z) if wanted else None
        grad_sharpness, total, anchors = (torch.zeros((), dtype=z.dtype, device=z.device) for _ in range(3))
        for start in range(0, len(z), rows):
            part = z[start : start + rows]
            positive, hidden = masks.strip(start, len(part))
            logits = torch.mm(part * sharpness, columns.T).masked_fill_(hidden, -torch.inf)
            del hidden
            counts = positive.sum(dim=1)
            anchor = counts > 0
            share = anchor / counts.clamp(min=1)
            log_sum = torch.logsumexp(logits, dim=1)
            pulled = torch.where(positive, logits, 0.0).sum(dim=1) * share
            total += torch.where(anchor, log_sum - pulled, 0.0).sum()
            anchors += anchor.sum()
            if grad is None:
                continue
            # d loss / d logits: softmax less the positives' share. Rows that are no anchors become zeros.
            logits -= torch.where(anchor, log_sum, torch.inf)[:, None]
            slope = logits.nan_to_num_(nan=-torch.inf).exp_()
            slope -= positive * share[:, None]
            towards = slope @ columns
            grad_sharpness += (part * towards).sum()
            grad[start : start + rows] += towards
            grad.addmm_(slope[:, : len(z)].T, part)
        count = anchors.clamp(min=1)
        if grad is not None:
            ctx.save_for_backward(grad.mul_(sharpness / count).to(embeddings.dtype), grad_sharpness / count)
        return total / count

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        grad, grad_sharpness = ctx.saved_tensors
        return upstream.to(grad.dtype) * grad, upstream * grad_sharpness, None, None, None, None, None


class _Masks:
    """Whom the anchors are compared with: the rows of the batch, and then what came earlier."""

    def __init__(
        self, products: Tensor, sellers: Tensor | None, same_seller: SameSeller, earlier: Earlier | None
    ) -> None:
        self._earlier = earlier
        self._same_seller = same_seller
        self._products, self._all_products = products, products
        self._sellers, self._all_sellers = sellers, sellers
        if earlier is not None:
            self._all_products = torch.cat([products, earlier.products])
            self._all_sellers = None if sellers is None else torch.cat([sellers, earlier.sellers])

    def strip(self, start: int, count: int) -> tuple[Tensor, Tensor]:
        """For some anchors bool[count, n + m]: which rows are positives, and which are left out of the softmax."""
        part = slice(start, start + count)
        positive = self._products[part, None] == self._all_products[None, :]
        hidden = torch.zeros_like(positive)
        if self._sellers is not None and self._all_sellers is not None and self._same_seller != "keep":
            own = self._sellers[part, None]
            hidden = (own == self._all_sellers[None, :]) & (own >= 0)
            if self._same_seller == "no_positives":
                hidden &= positive
        n = len(self._products)
        hidden[:, :n].diagonal(offset=start).fill_(True)
        if self._earlier is not None:
            hidden[:, n:] |= self._earlier.batch[part, None] == self._earlier.offers[None, :]
        positive &= ~hidden
        return positive, hidden


def _wide(dtype: torch.dtype) -> torch.dtype:
    """Sums over a softmax of thousands need fp32 at least."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
