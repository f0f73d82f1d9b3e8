"""The loss is that of a naive one with loops, forward and backward, and holds nothing of the size of batch squared."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from matcher.training.loss import Earlier, supervised_contrastive
from tests.examples import examples

MODES = ["keep", "no_positives", "no_pairs"]


def naive(z, products, temperature, sellers=None, same_seller="keep"):
    """The formula of the paper, one anchor and one positive at a time."""
    losses = []
    for i in range(len(z)):
        own = [sellers is not None and sellers[i] >= 0 and sellers[i] == sellers[j] for j in range(len(z))]
        same = [bool(products[i] == products[j]) for j in range(len(z))]
        seen = []
        for j in range(len(z)):
            left_out = (same_seller == "no_pairs" and own[j]) or (same_seller == "no_positives" and own[j] and same[j])
            if j != i and not left_out:
                seen.append(j)
        positives = [j for j in seen if same[j]]
        if not positives:
            continue
        below = torch.logsumexp(torch.stack([z[i] @ z[j] / temperature for j in seen]), dim=0)
        losses.append(torch.stack([below - z[i] @ z[j] / temperature for j in positives]).mean())
    return torch.stack(losses).mean() if losses else z.sum() * 0 + temperature * 0


def a_batch(n, seed, dim=5, dtype=torch.float64):
    random = torch.Generator().manual_seed(seed)
    raw = torch.randn((n, dim), generator=random, dtype=torch.float64).to(dtype).requires_grad_()
    products = torch.randint(0, max(1, n // 2), (n,), generator=random)
    sellers = torch.randint(-1, 3, (n,), generator=random)
    return raw, products, sellers


def gradients(loss, *leaves):
    return torch.autograd.grad(3.0 * loss, leaves, retain_graph=True)


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(2, 13), st.integers(1, 15), st.integers(0, 10**6), st.sampled_from(MODES))
def test_value_and_gradients_are_those_of_the_formula_however_the_strips_are_cut(n, rows, seed, mode) -> None:
    raw, products, sellers = a_batch(n, seed)
    temperature = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    z = torch.nn.functional.normalize(raw, dim=1)
    expected = naive(z, products, temperature, sellers, mode)
    got = supervised_contrastive(z, products, temperature, sellers=sellers, same_seller=mode, rows=rows)
    torch.testing.assert_close(got, expected)
    for ours, theirs in zip(gradients(got, raw, temperature), gradients(expected, raw, temperature), strict=True):
        torch.testing.assert_close(ours, theirs)


@settings(max_examples=examples(40), deadline=None)
@given(st.integers(2, 9), st.integers(1, 9), st.integers(1, 12), st.integers(0, 10**6), st.sampled_from(MODES))
def test_what_came_earlier_is_compared_with_but_not_learned_from_nor_an_offer_with_itself(n, m, rows, seed, mode):
    raw, products, sellers = a_batch(n, seed)
    old, old_products, old_sellers = a_batch(m, seed + 1)
    random = torch.Generator().manual_seed(seed)
    batch, offers = torch.arange(n), torch.randint(0, n + m, (m,), generator=random)
    z, before = (torch.nn.functional.normalize(each, dim=1) for each in (raw, old.detach()))
    earlier = Earlier(embeddings=before, products=old_products, sellers=old_sellers, offers=offers, batch=batch)
    got = supervised_contrastive(z, products, 0.3, sellers=sellers, same_seller=mode, earlier=earlier, rows=rows)
    losses = []
    everyone = torch.cat([z, before])
    labels, shops, who = (
        torch.cat([products, old_products]),
        torch.cat([sellers, old_sellers]),
        torch.cat([batch, offers]),
    )
    for i in range(n):
        own = [bool(shops[i] >= 0 and shops[i] == shops[j]) for j in range(n + m)]
        same = [bool(labels[i] == labels[j]) for j in range(n + m)]
        away = [own[j] and (mode == "no_pairs" or (mode == "no_positives" and same[j])) for j in range(n + m)]
        seen = [j for j in range(n + m) if who[j] != i and not away[j]]
        if positives := [j for j in seen if same[j]]:
            logits = everyone @ z[i] / 0.3
            losses.append((torch.logsumexp(logits[seen], dim=0) - logits[positives]).mean())
    expected = torch.stack(losses).mean() if losses else z.sum() * 0
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(gradients(got, raw), gradients(expected, raw))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2), (torch.float16, 3e-3)])
def test_half_precision_is_summed_in_fp32_and_returned_as_it_came(dtype, tolerance) -> None:
    raw, products, _ = a_batch(40, 1)
    z = torch.nn.functional.normalize(raw.detach(), dim=1)
    exact = z.clone().requires_grad_()
    rounded = z.to(dtype).requires_grad_()
    expected = supervised_contrastive(exact, products, 0.2)
    got = supervised_contrastive(rounded, products, 0.2, rows=7)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), expected, rtol=tolerance, atol=tolerance)
    (ours,) = torch.autograd.grad(got, rounded)
    (theirs,) = torch.autograd.grad(expected, exact)
    assert ours.dtype == dtype
    torch.testing.assert_close(ours.double(), theirs, rtol=tolerance, atol=tolerance)


def test_known_angles_give_the_known_loss() -> None:
    """Two offers of one product 60° apart, a third of another opposite the first."""
    angles = torch.tensor([0.0, math.pi / 3, math.pi], dtype=torch.float64)
    z = torch.stack([angles.cos(), angles.sin()], dim=1)
    got = supervised_contrastive(z, torch.tensor([0, 0, 1]), 0.5)
    first = math.log(math.exp(1) + math.exp(-2)) - 1
    second = math.log(math.exp(1) + math.exp(-1)) - 1
    assert got.item() == pytest.approx((first + second) / 2)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_without_any_positive_the_loss_is_zero_and_pulls_nowhere(n) -> None:
    z = torch.nn.functional.normalize(torch.randn(n, 3), dim=1).requires_grad_()
    loss = supervised_contrastive(z, torch.arange(n), 0.001)
    assert loss.item() == 0
    (gradient,) = torch.autograd.grad(loss, z)
    assert torch.equal(gradient, torch.zeros(n, 3))


def test_a_cold_temperature_overflows_nothing() -> None:
    raw, products, _ = a_batch(30, 2, dtype=torch.float32)
    z = torch.nn.functional.normalize(raw, dim=1)
    loss = supervised_contrastive(z, products, 1e-3)
    assert torch.isfinite(loss)
    assert torch.isfinite(torch.autograd.grad(loss, raw)[0]).all()


def test_an_offer_without_positive_pushes_others_away_but_is_no_anchor() -> None:
    z = torch.eye(3, dtype=torch.float64)[[0, 0, 0]].clone().requires_grad_()
    with_lone = supervised_contrastive(z, torch.tensor([0, 0, 1]), 1.0)
    assert with_lone.item() == pytest.approx(math.log(2))
    assert supervised_contrastive(z[:2], torch.tensor([0, 0]), 1.0).item() == pytest.approx(0)


def test_unknown_sellers_are_no_ones() -> None:
    raw, products, _ = a_batch(12, 3)
    z = torch.nn.functional.normalize(raw, dim=1)
    unknown = torch.full((12,), -1)
    for mode in MODES:
        masked = supervised_contrastive(z, products, 0.1, sellers=unknown, same_seller=mode)
        torch.testing.assert_close(masked, supervised_contrastive(z, products, 0.1))


class Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that any operation made."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return made


@pytest.mark.parametrize(("n", "rows"), [(1000, 10), (2000, 10), (2000, 25)])
def test_no_tensor_is_larger_than_a_strip_or_the_batch_though_all_are_positives(n, rows) -> None:
    z = torch.nn.functional.normalize(torch.randn(n, 8), dim=1).requires_grad_()
    with Largest() as largest:
        supervised_contrastive(z, torch.zeros(n, dtype=torch.long), 0.1, rows=rows).backward()
    assert largest.elements == max(rows * n, 8 * n)


def test_what_does_not_fit_is_refused() -> None:
    z = torch.eye(3)
    with pytest.raises(ValueError, match="expected embeddings"):
        supervised_contrastive(z, torch.zeros(2), 0.1)
    with pytest.raises(ValueError, match="expected sellers"):
        supervised_contrastive(z, torch.zeros(3), 0.1, same_seller="no_pairs")
