"""The file `projection.safetensors` of a bundle: the weights of a learned projection, fp32, read without pickle."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from matcher.model.kinds import Linear, Perceptron
from matcher.model.network import Layer, Network

WEIGHTS_FILE = "projection.safetensors"


def write_network(network: Network, projection: Linear | Perceptron, folder: Path) -> None:
    """Writes the weights. ValueError when they are not those that the projection names."""
    if network.digest != projection.weights:
        raise ValueError(f"expected the weights {projection.weights[:16]}…, got {network.digest[:16]}…")
    tensors = {}
    for name, layer in zip(_names(projection), network.layers, strict=True):
        tensors[f"{name}weight"] = np.ascontiguousarray(layer.matrix, np.float32)
        tensors[f"{name}bias"] = np.ascontiguousarray(layer.bias, np.float32)
    (folder / WEIGHTS_FILE).write_bytes(save(tensors))


def read_network(projection: Linear | Perceptron, width: int, folder: Path) -> Network:
    """Reads and checks the weights; `width`: how many inputs there are. ValueError says what was expected."""
    path = folder / WEIGHTS_FILE
    try:
        tensors = load(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{folder}: expected a readable {WEIGHTS_FILE} ({error.strerror})") from None
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected safetensors: {error}") from None
    sizes = [width, projection.dim] if isinstance(projection, Linear) else [width, projection.hidden, projection.dim]
    expected: dict[str, tuple[int, ...]] = {}
    for name, columns, rows in zip(_names(projection), sizes, sizes[1:], strict=False):
        expected |= {f"{name}weight": (rows, columns), f"{name}bias": (rows,)}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != expected or any(tensor.dtype != np.float32 for tensor in tensors.values()):
        got = {name: (tensor.shape, str(tensor.dtype)) for name, tensor in tensors.items()}
        raise ValueError(f"{path}: expected float32 tensors of shapes {expected}, got {got}")
    try:
        network = Network([Layer(tensors[f"{name}weight"], tensors[f"{name}bias"]) for name in _names(projection)])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if network.digest != projection.weights:
        raise ValueError(
            f"{path}: expected the weights {projection.weights[:16]}…, got {network.digest[:16]}…: damaged"
        )
    return network


def _names(projection: Linear | Perceptron) -> tuple[str, ...]:
    """What the tensors of each layer begin with."""
    return ("",) if isinstance(projection, Linear) else ("hidden.", "output.")
