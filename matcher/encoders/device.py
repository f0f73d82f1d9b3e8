"""Where a model runs and in which precision, decided by what the machine can do and by a short measurement."""

import copy
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from msgspec import Struct

from matcher.encoders.spec import EncoderUnavailable, Precision

#: bf16 must be this much faster than fp32 to be chosen on a CPU; less is noise, and not worth the lost digits.
WORTH_IT = 1.2
#: Trials of a tower begin no further round after this.
TRIAL_SECONDS = 3.0
_CPU_BF16 = ("amx_bf16", "avx512_bf16", "avx10_2", "sve_bf16", "svebf16", "bf16")


class PlacedTower(Struct, frozen=True):
    """A tower in the precision that was chosen, and why."""

    module: torch.nn.Module
    dtype: torch.dtype
    why: str


def pick_device(wanted: str) -> torch.device:
    """`auto` takes CUDA, then MPS, then the CPU. Raises EncoderUnavailable when the device is not there."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted == "auto":
        return torch.device("cuda:0" if cuda else "mps" if mps else "cpu")
    here = [
        "cpu",
        *(f"cuda:{n}" for n in range(torch.cuda.device_count() if cuda else 0)),
        *(["mps"] if mps else []),
    ]
    name = "cuda:0" if wanted == "cuda" else wanted
    if name not in here:
        raise EncoderUnavailable(f"expected a device that is here (auto, {', '.join(here)}), got {wanted!r}")
    return torch.device(name)


def bf16_hardware(device: torch.device) -> str | None:
    """What makes bf16 fast on the device, such as `avx512_bf16`; None when nothing does."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        # Below 8.0 bf16 is emulated; torch says "supported" all the same.
        return f"compute capability {major}.{minor}" if major >= 8 else None
    if device.type == "cpu":
        flags = _cpu_flags()
        return next((flag for flag in _CPU_BF16 if flag in flags), None)
    return None


def place(
    tower: torch.nn.Module,
    device: torch.device,
    wanted: Precision,
    run: Callable[[torch.nn.Module, torch.dtype], object],
) -> PlacedTower:
    """Moves the tower to the device in the precision that is wanted, or the better one for `auto`.

    On a GPU the capability decides. On a CPU even one with bf16 instructions can be slower with them, depending on the
    network, so `run(tower, dtype)` (one small batch) is timed in both; the best of three counts.
    """
    hardware = bf16_hardware(device)
    if wanted == "fp32":
        return PlacedTower(tower.to(device), torch.float32, "fp32: as set")
    if wanted == "bf16":
        note = f"as set ({hardware})" if hardware else "as set, although nothing here makes it fast"
        return PlacedTower(tower.to(device, torch.bfloat16), torch.bfloat16, f"bf16: {note}")
    if hardware is None:
        return PlacedTower(tower.to(device), torch.float32, f"fp32: nothing makes bf16 fast on this {device.type}")
    if device.type != "cpu":
        return PlacedTower(tower.to(device, torch.bfloat16), torch.bfloat16, f"bf16: {hardware}")
    halved = copy.deepcopy(tower).to(torch.bfloat16)
    gain = _speed_up(lambda: run(tower, torch.float32), lambda: run(halved, torch.bfloat16))
    measured = f"bf16 runs {gain:.2f} times as fast as fp32 here ({hardware}); expected at least {WORTH_IT}"
    if gain >= WORTH_IT:
        return PlacedTower(halved, torch.bfloat16, f"bf16: {measured}")
    return PlacedTower(tower, torch.float32, f"fp32: {measured}")


def _speed_up(slow: Callable[[], object], fast: Callable[[], object]) -> float:
    """How many times as long the first takes; best of three each, in turns, so that a busy moment hits both.

    The first round pays for lazy initialisation and counts only if it used up the time for trials.
    """
    begin = time.perf_counter()
    rounds: list[tuple[float, float]] = []
    while len(rounds) < 4 and (not rounds or time.perf_counter() - begin < TRIAL_SECONDS):
        rounds.append((_seconds(slow), _seconds(fast)))
    counted = rounds[1:] or rounds
    return min(times[0] for times in counted) / max(min(times[1] for times in counted), 1e-9)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _cpu_flags() -> set[str]:
    """Lower-case names of the CPU's instruction sets; empty when they cannot be told."""
    ask = getattr(torch.cpu, "get_capabilities", None)  # torch 2.9 and later
    if ask is not None:
        return {name.lower() for name, there in ask().items() if there is True}
    if platform.system() != "Linux":
        return set()
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    return {flag for line in lines if line.startswith(("flags", "Features")) for flag in line.partition(":")[2].split()}
