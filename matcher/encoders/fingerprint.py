"""A short name for everything that decides what features an encoder produces."""

import hashlib
from collections.abc import Mapping, Sequence

import torch

from matcher.text import TEMPLATE_VERSION

#: Raised when the meaning of features changes without any of the parts named below changing.
LAYOUT_VERSION = 1
#: Hexadecimal digits, 64 bits: encoders are few.
LENGTH = 16


def weights_digest(weights: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over names, shapes, types and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def fingerprint_of(parts: Sequence[str]) -> str:
    """The fingerprint of an encoder whose identity these texts make up; their order counts."""
    digest = hashlib.sha256()
    for part in (f"layout {LAYOUT_VERSION}", f"text template {TEMPLATE_VERSION}", *parts):
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()[:LENGTH]
