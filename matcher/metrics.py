"""Every metric, declared once: name, meaning, unit, labels, and buckets that fit the stage.

Labels are bounded sets (outcomes, stages, reasons, topics, partitions), never an id.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics

# A creation time for every series doubles what is scraped and is asked for by nobody here.
disable_created_metrics()  # type: ignore[no-untyped-call]

_MILLISECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_TENTHS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)

#: The timed stages: name → (what is timed, buckets in seconds).
STAGES = {
    "photo_load": ("one photo: fetch, decode, preprocess", _TENTHS),
    "encode_images": ("some photos of one micro-batch on the device", _TENTHS),
    "encode_texts": ("the texts of one micro-batch on the device", _TENTHS),
    "decode": ("one batch of records decoded and checked", _MILLISECONDS),
    "project": ("one batch of features projected", _MILLISECONDS),
    "search": ("the candidates of one batch found, in the index and in the batch itself", _TENTHS),
    "verify": ("the candidates of one batch read, compared with their offers, pair by pair, and ranked", _TENTHS),
    "decide": (
        "one batch decided once its candidates are ranked, and what speaks for and against read and told",
        _TENTHS,
    ),
    "publish": ("one Kafka transaction, from begin to commit", _TENTHS),
    "apply": ("one batch applied to state and index", _TENTHS),
}


class Metrics:
    """The metrics of one process, in a registry of its own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry = registry or CollectorRegistry()
        self.consumed = Counter(
            "offermatch_records_consumed", "Records read from a topic.", ["topic"], registry=registry
        )
        self.encoded = Counter("offermatch_offers_encoded", "Offers whose features were published.", registry=registry)
        self.decided = Counter(
            "offermatch_offers_decided", "Decisions published, by outcome (gone: the offer was deleted).", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self.expired = Counter(
            "offermatch_offers_expired", "Offers that left since they were not seen again in time.", registry=registry
        )
        self.skipped = Counter(
            "offermatch_versions_skipped", "Offer versions that led to no decision (superseded, reindexed).", ["why"],
            registry=registry,
        )  # fmt: skip
        self.dead_letters = Counter(
            "offermatch_dead_letters", "Records sent to the dead-letter topic.", ["stage", "reason"], registry=registry
        )
        self.dead_letter_run = Gauge(
            "offermatch_dead_letter_run_records", "Dead letters in a row, at the end of what is committed.",
            ["topic", "partition"], registry=registry,
        )  # fmt: skip
        self.dead_letter_share = Gauge(
            "offermatch_dead_letter_share_ratio", "Share of dead letters among the last records committed.",
            ["topic", "partition"], registry=registry,
        )  # fmt: skip
        self.dead_letter_limit = Gauge(
            "offermatch_dead_letter_limit_reached", "1 when the process stopped since it sent too many dead letters.",
            registry=registry,
        )  # fmt: skip
        self.repairs = Counter(
            "offermatch_fields_repaired", "Fields of offers that were not as they should be.", ["field"],
            registry=registry,
        )  # fmt: skip
        self.photos = Counter(
            "offermatch_photos_loaded", "Photos, by result (ok, or why it could not be had).", ["result"],
            registry=registry,
        )  # fmt: skip
        self.transactions = Counter(
            "offermatch_transactions", "Kafka transactions, by result (committed, aborted, unknown).", ["result"],
            registry=registry,
        )  # fmt: skip
        self.batch_offers = Histogram(
            "offermatch_batch_offers", "Offers in one batch.", buckets=_SIZES, registry=registry
        )
        self.event_to_decision = Histogram(
            "offermatch_event_to_decision_seconds", "From the offer's event time to its published decision.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.index_offers = Gauge(
            "offermatch_index_offers", "Live offers in the index.", ["partition"], registry=registry
        )
        self.index_bytes = Gauge("offermatch_index_bytes", "Memory of the index.", ["partition"], registry=registry)
        self.index_away = Gauge(
            "offermatch_index_away",
            "1 while the matcher waits for the cluster that holds the index.",
            registry=registry,
        )
        self.standby_offers = Gauge(
            "offermatch_standby_offers", "Live offers in the index of a partition that another process owns.",
            ["partition"], registry=registry,
        )  # fmt: skip
        self.standby_lag = Gauge(
            "offermatch_standby_lag_records",
            "Records of a partition that another process owns which this standby has not applied yet.",
            ["topic", "partition"], registry=registry,
        )  # fmt: skip
        self.index_recall = Gauge(
            "offermatch_index_recall_ratio", "Share of the nearest that searches found, in the last sample.",
            ["partition"], registry=registry,
        )  # fmt: skip
        self.state_busy = Gauge(
            "offermatch_state_busy_seconds", "Spent reading and writing the state file since it was opened.",
            ["partition"], registry=registry,
        )  # fmt: skip
        self.lag = Gauge(
            "offermatch_consumer_lag_records", "Records of an assigned partition still to be read.",
            ["topic", "partition"], registry=registry,
        )  # fmt: skip
        self.in_flight = Gauge("offermatch_in_flight_records", "Records read and not yet committed.", registry=registry)
        self.heartbeat = Gauge(
            "offermatch_loop_heartbeat_timestamp_seconds", "When the loop last turned (Unix time).", registry=registry
        )
        self.ready = Gauge("offermatch_ready", "1 when /readyz says yes.", registry=registry)
        self.match_rate = Gauge(
            "offermatch_match_rate_ratio", "Estimated share of recent offers that have a match.", registry=registry
        )
        self.conditions_kept = Gauge(
            "offermatch_bundle_conditions_kept", "1 while the stream is as the bundle's promise supposes.",
            ["condition"], registry=registry,
        )  # fmt: skip
        self.model = Info("offermatch_model", "Fingerprints of the encoder and the bundle in use.", registry=registry)
        self._stages = {
            name: Histogram(f"offermatch_{name}_seconds", f"Seconds: {what}.", buckets=buckets, registry=registry)
            for name, (what, buckets) in STAGES.items()
        }

    def stage(self, name: str) -> Histogram:
        """The histogram of a stage in `STAGES`; use `.time()` around the work."""
        return self._stages[name]

    def forget_partition(self, topic: str, partition: int) -> None:
        """Removes the series of a partition that now belongs to another process."""
        for series in (self.lag, self.dead_letter_run, self.dead_letter_share):
            series.remove_by_labels({"topic": topic, "partition": str(partition)})
        self.index_offers.remove_by_labels({"partition": str(partition)})
        self.index_bytes.remove_by_labels({"partition": str(partition)})
        self.index_recall.remove_by_labels({"partition": str(partition)})
        self.state_busy.remove_by_labels({"partition": str(partition)})

    def forget_standby(self, partition: int) -> None:
        """Removes the series of a partition that is no longer followed."""
        for series in (self.standby_offers, self.standby_lag):
            series.remove_by_labels({"partition": str(partition)})
