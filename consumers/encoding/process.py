"""The encoder process, wired: encoder, photo threads, loop, transactions, metrics."""

import logging
from pathlib import Path

from consumers.encoding.pipeline import Pipeline
from consumers.encoding.worker import EncodeWorker
from consumers.limit import DeadLetterLimit, DeadLetterLimitError, stay_visible
from consumers.loop import Loop
from consumers.photos import PhotoLimits, PhotoLoader
from consumers.status import Status, StatusServer
from consumers.stopping import Stopping
from matcher.clock import SystemClock
from matcher.encoders import EncoderSpec, load_encoder
from matcher.metrics import Metrics
from matcher.settings import Encoder, Photos, Settings, SettingsError
from producers.topic_plan import check_patiently
from producers.transaction import Transactions

log = logging.getLogger(__name__)


def run_encoder(
    settings: Settings,
    stopping: Stopping,
    *,
    make_loop: type[Loop] = Loop,
    make_transactions: type[Transactions] = Transactions,
) -> None:
    """Runs until `stopping`. Raises before it takes any work when topics, encoder or settings do not fit.

    `make_…`: others than these guarantee nothing; a benchmark compares with them.
    """
    clock, metrics, own = SystemClock(), Metrics(), settings.encoder
    status = Status(metrics, clock, settings.process.stall, ["model_warm", "assigned"])
    with StatusServer(status, settings.process.http_host, own.http_port) as server:
        log.info("metrics, livez and readyz on http://%s:%d", settings.process.http_host, server.port)
        needed = {settings.topics.offers, settings.topics.features, settings.topics.dead_letters}
        if not check_patiently(settings, needed, lambda: bool(stopping), clock):
            return
        encoder = load_encoder(encoder_spec(own))
        encoder.warm_up()
        description = encoder.describe()
        log.info("encoder %s (%s) on %s", description.name, description.fingerprint, description.device)
        for reason in description.why:
            log.info("%s", reason)
        metrics.model.info({"encoder": encoder.fingerprint, "model": description.name})
        status.set("model_warm", True)
        transactions = make_transactions(settings.kafka, f"{own.group}-{own.slot}", metrics, clock)
        transactions.init()
        pipeline = Pipeline(
            encoder,
            photo_loader(settings.photos, encoder.image_size),
            metrics,
            batch_size=own.batch_size,
            threads=settings.photos.threads,
            photos=settings.photos.max_per_offer,
        )
        loop = make_loop(
            settings.kafka,
            own.group,
            settings.topics.offers,
            status=status,
            metrics=metrics,
            clock=clock,
            batch=own.in_flight,
        )
        worker = EncodeWorker(
            pipeline,
            transactions,
            loop,
            encoder=encoder.fingerprint,
            topics=settings.topics,
            limit=DeadLetterLimit(settings.dead_letters, settings.topics.offers, loop, metrics),
            in_flight=own.in_flight,
            metrics=metrics,
            clock=clock,
        )
        try:
            loop.run(worker, lambda: bool(stopping), settings.process.drain)
        except DeadLetterLimitError as error:
            linger = settings.dead_letters.linger
            stay_visible(error, linger, lambda: bool(stopping), status=status, metrics=metrics, clock=clock)
            raise
        log.info("stopped")


def encoder_spec(settings: Encoder) -> EncoderSpec:
    """The encoder that the settings ask for. Raises `SettingsError` on a combination that means nothing."""
    try:
        return EncoderSpec(
            name=settings.model,
            pretrained=settings.pretrained or None,
            seed=settings.seed,
            device=settings.device,
            precision=settings.precision,  # type: ignore[arg-type]  # checked by its pattern
        )
    except ValueError as error:
        raise SettingsError(f"OFFERMATCH_ENCODER_MODEL, _PRETRAINED and _SEED: {error}") from None


def photo_loader(photos: Photos, target_side: int) -> PhotoLoader:
    """A loader within the limits of the settings, for an encoder that looks at `target_side` pixels."""
    limits = PhotoLimits(
        max_bytes=photos.max_bytes,
        max_pixels=photos.max_pixels,
        max_photos=photos.max_per_offer,
        timeout=photos.timeout,
        connect_timeout=photos.connect_timeout,
    )
    return PhotoLoader(limits, file_root=Path(photos.file_root) if photos.file_root else None, target_side=target_side)
