"""Reading the processes' own metrics, as an operator's Prometheus would."""

import urllib.error
import urllib.request
from collections.abc import Mapping

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from matcher.metrics import STAGES

Labels = tuple[tuple[str, str], ...]


class Reading(Struct, frozen=True):
    """All samples of one moment, of one process or several added up. `at` is in seconds of a monotonic clock."""

    at: float
    samples: Mapping[tuple[str, Labels], float]

    def total(self, name: str, **labels: str) -> float:
        """The sum of all series of a sample name that carry these labels."""
        wanted = set(labels.items())
        return sum(v for (n, have), v in self.samples.items() if n == name and wanted <= set(have))

    def by(self, name: str, label: str) -> dict[str, float]:
        """The series of a sample name, added up by the value of one label."""
        result: dict[str, float] = {}
        for (n, have), value in self.samples.items():
            key = dict(have).get(label)
            if n == name and key is not None:
                result[key] = result.get(key, 0.0) + value
        return result


def read_all(urls: Mapping[str, str], at: float) -> Reading:
    """Scrapes every process in `urls` (name → /metrics); one that does not answer is left out."""
    samples: dict[tuple[str, Labels], float] = {}
    for process, url in urls.items():
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                text = answer.read().decode()
        except (urllib.error.URLError, OSError):
            continue
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = (*sorted(sample.labels.items()), ("process", process))
                samples[sample.name, labels] = sample.value
    return Reading(at, samples)


class Rates(Struct, frozen=True):
    """What happened between two readings: per second, and means over that time (None: nothing happened)."""

    offers: float
    decisions: float
    photos: float
    batch: dict[str, float | None]
    stage_seconds: dict[str, float | None]


def rates(before: Reading, now: Reading) -> Rates:
    """The change from `before` to `now`, which must be later."""
    seconds = max(1e-6, now.at - before.at)

    def delta(name: str, **labels: str) -> float:
        return now.total(name, **labels) - before.total(name, **labels)

    def mean(name: str, **labels: str) -> float | None:
        count = delta(f"{name}_count", **labels)
        return delta(f"{name}_sum", **labels) / count if count > 0 else None

    return Rates(
        offers=delta("offermatch_offers_encoded_total") / seconds,
        decisions=delta("offermatch_offers_decided_total") / seconds,
        photos=delta("offermatch_photos_loaded_total", result="ok") / seconds,
        batch={name: mean("offermatch_batch_offers", process=name) for name in ("encoder", "matcher")},
        stage_seconds={stage: mean(f"offermatch_{stage}_seconds") for stage in STAGES},
    )
