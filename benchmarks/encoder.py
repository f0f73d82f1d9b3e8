"""`offermatch bench encoder`: photos and texts a second, in the precision that is chosen here against fp32."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from benchmarks.results import Benchmark, Result, interleaved, machine, versions
from matcher.arrays import AnyArray
from matcher.clock import Clock
from matcher.encoders import Encoder, EncoderSpec, load_encoder

PHOTOS = 128
BATCHES = (4, 16, 64, 128)


def bench_encoder(spec: EncoderSpec, rounds: int, clock: Clock) -> Benchmark:
    """Encodes the same 128 photos (noise) and texts in batches of several sizes. Raises `EncoderUnavailable`."""
    chosen = load_encoder(spec)
    plain = load_encoder(msgspec.structs.replace(spec, precision="fp32"))
    noise = np.random.default_rng(0)
    pixels = noise.integers(0, 256, (PHOTOS, 3, chosen.image_size, chosen.image_size), dtype=np.uint8)
    texts = [f"Okapi Sierra Classic backpack, blue canvas, model {number}" for number in range(PHOTOS)]
    about = chosen.describe()
    results: list[Result] = []
    for kind, precision in (("photos", about.image_precision), ("texts", about.text_precision)):
        passes = [_pass(encoder, kind, pixels, texts, batch) for batch in BATCHES for encoder in (chosen, plain)]
        seconds = interleaved(passes, rounds, clock)
        for batch, ours, reference in zip(BATCHES, seconds[::2], seconds[1::2], strict=True):
            results.append(
                Result(
                    name=f"{about.name} {kind}, {precision}, batch {batch}",
                    ours=PHOTOS / ours,
                    reference=PHOTOS / reference,
                    reference_name="fp32, same batch",
                    ratio=reference / ours,
                    unit=f"{kind}/s",
                )
            )
    return Benchmark(
        results=tuple(results), machine=machine(), versions=versions("torch", "open_clip_torch", "timm", "transformers")
    )


def _pass(encoder: Encoder, kind: str, pixels: AnyArray, texts: Sequence[str], batch: int) -> Callable[[], None]:
    """Everything once, in batches."""

    def run() -> None:
        for start in range(0, PHOTOS, batch):
            if kind == "photos":
                encoder.encode_images(pixels[start : start + batch])
            else:
                encoder.encode_texts(texts[start : start + batch])

    return run
