"""What the commands that learn and measure have in common: their offer tables as datasets, with progress bars."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from consumers.datasets import Account, Needs, load_datasets
from consumers.datasets import Progress as Reached
from consumers.encoding.process import encoder_spec
from matcher.evaluation.blocking import brand_rule
from matcher.evaluation.evaluate import Evaluated, Model, evaluate
from matcher.evaluation.result import Mode
from matcher.model import Bundle, BundleUnusable, save_bundle
from matcher.model.calibration import probabilities
from matcher.model.projection import project_arrays
from matcher.settings import Settings
from matcher.training.dataset import Dataset
from matcher.training.drafts import scorer_of
from matcher.training.recipe import Doing, Recipe, Trained, train
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
    folders: Sequence[Path],
    out: Path,
    recipe: Recipe,
    settings: Settings,
    console: Console,
    *,
    calibrating: Sequence[Path] = (),
) -> tuple[Bundle, Trained]:
    """Learns from the tables, calibrates and tests on others, and writes a bundle.

    Raises `DatasetUnusable`, `EncoderUnavailable`, `Unlearnable`.
    """
    datasets = datasets_for([*folders, *calibrating], settings, console)
    with _bars(console) as bars:
        tasks: dict[str, TaskID] = {}

        def show(doing: Doing) -> None:
            if doing.what not in tasks:
                tasks[doing.what] = bars.add_task(doing.what, total=doing.of)
            bars.update(tasks[doing.what], completed=doing.done, total=doing.of)

        trained = train(datasets[: len(folders)], out.name, recipe, datasets[len(folders) :], show)
    return save_bundle(trained.bundle, out), trained


def trained_view(bundle: Bundle, trained: Trained) -> str:
    """What training came to, in a few lines."""
    figures = bundle.training.metrics if bundle.training else {}
    said = ", ".join(f"{name.removeprefix('out_of_fold_')} {value:.3f}" for name, value in figures.items())
    review = trained.review
    return "\n".join(
        [
            f"bundle {bundle.fingerprint}, learned from {trained.fitted.offers:,} offers of "
            f"{trained.fitted.products:,} products, calibrated on {trained.calibrated_on:,} decisions",
            f"on products that were not learned from: {said or 'nothing to measure'}",
            f"review from probability {review.threshold:.3f} on: {review.per_thousand:.0f} of 1,000 offers",
            bundle.note,
        ]
    )


def evaluate_bundle(
    folder: Path, bundle: Bundle, settings: Settings, console: Console, mode: Mode, *, consider_blocks: bool = False
) -> Evaluated:
    """Measures a bundle on a table. Nothing is fitted on it. Raises `BundleUnusable` for another encoder's bundle.

    `consider_blocks`: tell what brand blocks would lose, also where the bundle has none.
    """
    (dataset,) = datasets_for([folder], settings, console, Needs(products=True))
    if dataset.encoder.fingerprint != bundle.encoder.fingerprint:
        raise BundleUnusable(
            f"expected a bundle for encoder {dataset.encoder.model} ({dataset.encoder.fingerprint}), bundle "
            f"{bundle.name!r} is for {bundle.encoder.model} ({bundle.encoder.fingerprint})"
        )
    model = Model(
        fingerprint=bundle.fingerprint,
        scorer=scorer_of(bundle),
        calibrate=partial(probabilities, calibration=bundle.calibration),
        accept=bundle.thresholds.accept,
        review=bundle.thresholds.review,
        margin=bundle.thresholds.margin,
        match_rate=bundle.match_rate,
        pair_threshold=bundle.pair_threshold,
        candidates=bundle.search.candidates,
        exclude_own_seller=bundle.search.exclude_own_seller,
        allowed=brand_rule(dataset.offers) if bundle.search.brand_blocks else None,
        considered=brand_rule(dataset.offers) if consider_blocks else None,
    )
    embeddings = project_arrays(dataset.features, bundle)
    return evaluate(dataset, embeddings, model, groups=dataset_groups(dataset, product_labels(dataset)), mode=mode)
