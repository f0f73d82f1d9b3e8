"""What the commands that learn and measure have in common: their offer tables as datasets, with progress bars."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from consumers.datasets import Account, Needs, load_datasets
from consumers.datasets import Progress as Reached
from consumers.encoding.process import encoder_spec
from matcher.arrays import F64Array
from matcher.evaluation.evaluate import Evaluated, Model, evaluate
from matcher.evaluation.result import Mode
from matcher.model import Bundle, BundleUnusable, save_bundle
from matcher.model.calibration import probability
from matcher.model.projection import project_arrays
from matcher.settings import Settings
from matcher.training.dataset import Dataset
from matcher.training.projection import Reached as Step
from matcher.training.recipe import Recipe, Trained, train
from matcher.training.splits import dataset_groups, product_labels


def datasets_for(
    folders: Sequence[Path], settings: Settings, console: Console, needs: Needs | None = None
) -> list[Dataset]:
    """The tables in `folders`, encoded by the encoder of the settings or taken from the cache; says what was found.

    Raises `DatasetUnusable` and `EncoderUnavailable`. After Ctrl-C everything that was encoded is kept.
    """
    accounts: dict[str, Account] = {}
    stages: dict[str, tuple[TaskID, str]] = {}
    cache = cache_folder()
    with _bars(console) as bars:

        def show(reached: Reached) -> None:
            accounts[reached.table] = reached.account
            said = f"{reached.table}: {_stage(reached)}"
            if reached.table not in stages:
                stages[reached.table] = bars.add_task(said, total=reached.total), reached.stage
            task, stage = stages[reached.table]
            if stage != reached.stage:  # another unit: the speed so far says nothing about the time that is left
                bars.reset(task, total=reached.total)
                stages[reached.table] = task, reached.stage
            bars.update(task, completed=reached.done, description=said)

        try:
            datasets = load_datasets(
                folders,
                encoder_spec(settings.encoder),
                cache,
                show,
                needs=needs,
                photos=settings.photos,
                batch_size=settings.encoder.batch_size,
            )
        except KeyboardInterrupt:
            bars.console.print(f"stopped; what was encoded is kept in {cache}: the same command goes on from here")
            raise
    for table, account in accounts.items():
        console.print(f"{table}: {summary(account)}", highlight=False)
    return datasets


def cache_folder() -> Path:
    """`$OFFERMATCH_CACHE/features`, or `~/.cache/offermatch/features`."""
    root = os.environ.get("OFFERMATCH_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "offermatch") / "features"


def summary(account: Account) -> str:
    """What a table held, in one line, and after it a line for everything that was not as it should be."""
    parts = [f"{account.offers:,} offers of {account.products:,} products"]
    for name, encoded, cached in (
        ("texts", account.texts_encoded, account.texts_cached),
        ("images", account.images_encoded, account.images_cached),
    ):
        if encoded or cached:
            parts.append(f"{name}: {encoded:,} encoded, {cached:,} from the cache")
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(account.photos_failed.items()))
    notes = [
        (account.malformed, f"rows are no offers ({'; '.join(account.examples)})"),
        (account.photos_lost, f"of {account.photos:,} photos cannot be had ({reasons})"),
        (account.failed, "offers were refused by the encoder"),
        (account.prices_unread, "prices stand for no single amount and count as missing"),
        (account.prices_unconverted, "prices are in no currency with a known rate and count as missing"),
        (account.empty, "offers have neither text nor photo"),
    ]
    for name, pairs in account.pairs.items():
        parts.append(f"{name}: {pairs.pairs:,} pairs, {pairs.positive:,} of one product")
        notes.append((pairs.unknown, f"pairs of {name} name offers that the table has not, and are left out"))
        notes.append((pairs.malformed, f"rows of {name} are no pair with a label of 0 or 1, and are left out"))
    return "; ".join(parts) + "".join(f"\n  {count:,} {what}" for count, what in notes if count)


def _stage(reached: Reached) -> str:
    account = reached.account
    if reached.stage == "reading":
        return "reading"
    encoded = account.texts_encoded if reached.stage == "texts" else account.images_encoded
    cached = account.texts_cached if reached.stage == "texts" else account.images_cached
    if reached.stage == "done":
        encoded, cached = encoded + account.texts_encoded, cached + account.texts_cached
    failed = f", {account.photos_lost:,} photos failed" if account.photos_lost else ""
    return f"{reached.stage}: {encoded:,} encoded, {cached:,} cached{failed}"


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console
    )


def train_bundle(
    folders: Sequence[Path], out: Path, recipe: Recipe, settings: Settings, console: Console
) -> tuple[Bundle, Trained]:
    """Learns from the tables and writes a bundle. Raises `DatasetUnusable`, `EncoderUnavailable`, `Unlearnable`."""
    datasets = datasets_for(folders, settings, console)
    with _bars(console) as bars:
        task = bars.add_task("training", total=None)

        def show(step: Step) -> None:
            said = f"training: loss {step.loss:.3f}"
            bars.update(task, completed=step.step, total=step.steps, description=said)

        trained = train(datasets, out.name, recipe, show)
    return save_bundle(trained.bundle, out), trained


def evaluate_bundle(folder: Path, bundle: Bundle, settings: Settings, console: Console, mode: Mode) -> Evaluated:
    """Measures a bundle on a table. Nothing is fitted on it. Raises `BundleUnusable` for another encoder's bundle."""
    (dataset,) = datasets_for([folder], settings, console)
    if dataset.encoder.fingerprint != bundle.encoder.fingerprint:
        raise BundleUnusable(
            f"expected a bundle for encoder {dataset.encoder.model} ({dataset.encoder.fingerprint}), bundle "
            f"{bundle.name!r} is for {bundle.encoder.model} ({bundle.encoder.fingerprint})"
        )

    def calibrate(scores: F64Array) -> F64Array:
        return np.array([probability(float(score), bundle.calibration) for score in scores])

    model = Model(
        fingerprint=bundle.fingerprint,
        calibrate=calibrate,
        accept=bundle.thresholds.accept,
        review=bundle.thresholds.review,
        match_rate=bundle.match_rate,
        candidates=bundle.search.candidates,
        exclude_own_seller=bundle.search.exclude_own_seller,
    )
    embeddings = project_arrays(dataset.features, bundle)
    return evaluate(dataset, embeddings, model, groups=dataset_groups(dataset, product_labels(dataset)), mode=mode)
