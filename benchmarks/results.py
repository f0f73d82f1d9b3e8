"""What a benchmark prints: results as ratios, with the machine and the versions they were measured on."""

import os
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from msgspec import Struct
from rich.table import Table

from matcher.clock import Clock


class Result(Struct, frozen=True, kw_only=True):
    """One comparison; `ratio` is ours ÷ reference. Both are medians over the rounds of one run."""

    name: str
    ours: float
    reference: float
    reference_name: str
    ratio: float
    unit: str


class Benchmark(Struct, frozen=True, kw_only=True):
    """Everything that `offermatch bench … --json` prints."""

    results: tuple[Result, ...]
    machine: str
    versions: dict[str, str]


def compared(name: str, ours: float, reference: float, reference_name: str, unit: str) -> Result:
    """A result with its ratio."""
    ratio = ours / reference
    return Result(name=name, ours=ours, reference=reference, reference_name=reference_name, ratio=ratio, unit=unit)


def interleaved(work: Sequence[Callable[[], object]], rounds: int, clock: Clock) -> list[float]:
    """The median seconds of each piece of work; all take turns, so that a machine that slows down slows all of them."""
    seconds: list[list[float]] = [[] for _ in work]
    for call in work:
        call()
    for _ in range(rounds):
        for call, measured in zip(work, seconds, strict=True):
            begun = clock.monotonic()
            call()
            measured.append(clock.monotonic() - begun)
    return [median(measured) for measured in seconds]


def machine() -> str:
    """Processor, cores and the instructions that decide how fast bf16 is."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    facts = {name.strip(): value.strip() for name, value in lines.items()}
    flags = [flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if flag in facts.get("flags", "").split()]
    return (
        f"{facts.get('model name', platform.machine())}, {os.cpu_count()} cores, {', '.join(flags) or 'no flags known'}"
    )


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of Python and of `packages`."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def table(benchmark: Benchmark) -> Table:
    """For people."""
    shown = Table(title=benchmark.machine, title_justify="left")
    for column in ("what", "ours", "reference", "ratio"):
        shown.add_column(column, justify="left" if column == "what" else "right")
    for result in benchmark.results:
        reference = f"{_short(result.reference)} ({result.reference_name})"
        shown.add_row(result.name, f"{_short(result.ours)} {result.unit}", reference, f"{result.ratio:.2f}")
    return shown


def _short(value: float) -> str:
    return f"{value:,.1f}" if value >= 10 else f"{value:.3f}"
