"""What the command `ablate` needs: tables in every form that rows want, the questions, and progress bars."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from consumers.datasets import Needs
from consumers.datasets.views import title_alone, with_description, with_texts
from consumers.encoding.process import encoder_spec
from matcher.ablation.kept import Kept
from matcher.ablation.models import TextView
from matcher.ablation.questions import Split, Subject, by_halves, unseen
from matcher.ablation.result import Ablation
from matcher.ablation.rows import MODALITIES
from matcher.ablation.run import Doing, ablate
from matcher.events.offer import Offer
from matcher.settings import Settings
from matcher.training.dataset import Dataset
from matcher.training.labelled import Unlearnable
from matcher.training.options import Modality
from offermatch.learning import cache_folder, datasets_for

_VIEWS: dict[TextView, Callable[[Offer], Offer]] = {
    "title": title_alone,
    "brand_title_description": with_description,
}


class Asking(Struct, frozen=True, kw_only=True):
    """What is asked of the rows, as the command line has it.

    `modalities`: those that may be used, with commas between. `plain`: halves by product too, beside those by sibling
    group. `seeds`: repetitions. `pattern`: of the rows. `fresh`: compute again what is kept.
    """

    modalities: str = ",".join(MODALITIES)
    plain: bool = True
    seeds: int = 1
    pattern: str | None = None
    fresh: bool = False


def ablate_tables(
    folders: Sequence[Path], unseen_folders: Sequence[Path], asking: Asking, settings: Settings, console: Console
) -> Ablation:
    """Every folder by halves; every unseen one after learning from all folders.

    Finished rows are kept beside the features, and a second run computes none of them again. Raises `DatasetUnusable`,
    `EncoderUnavailable`, `Unlearnable`.
    """
    asked = modalities_of(asking.modalities)
    needs = Needs(products=True, images="any" if "image" in asked else "none")
    datasets = datasets_for([*folders, *unseen_folders], settings, console, needs)
    tables = _Views(datasets, settings, console)
    kept = cache_folder().parent / "ablations"
    try:
        subjects = _subjects(datasets, len(folders), asking)
        with _bars(console) as bars:
            tasks: dict[tuple[str, str], TaskID] = {}

            def show(doing: Doing) -> None:
                where = doing.subject, doing.question
                if where not in tasks:
                    tasks[where] = bars.add_task("", total=doing.of)
                said = f"{doing.subject}, {doing.question}: {doing.row} ({doing.computed} computed, the rest kept)"
                bars.update(tasks[where], completed=doing.done, description=said)

            return ablate(
                tables, subjects, Kept(kept), asked=asked, pattern=asking.pattern, fresh=asking.fresh, on_progress=show
            )
    except KeyboardInterrupt:
        console.print(f"stopped; finished rows are kept in {kept}: the same command goes on from here")
        raise
    except ValueError as error:
        raise Unlearnable(str(error)) from None


def modalities_of(said: str) -> tuple[Modality, ...]:
    """`image,text` as modalities. Raises `Unlearnable` on a word that is none."""
    words = [word.strip() for word in said.split(",")]
    wrong = [word for word in words if word not in MODALITIES]
    if wrong:
        raise Unlearnable(f"expected modalities among {', '.join(MODALITIES)}, got {', '.join(map(repr, wrong))}")
    return tuple(each for each in MODALITIES if each in words)


def _subjects(datasets: Sequence[Dataset], learned: int, asking: Asking) -> list[Subject]:
    splits: list[Split] = ["group", "product"] if asking.plain else ["group"]
    halves = [by_halves(datasets, number, splits, asking.seeds) for number in range(learned)]
    apart = [unseen(datasets, range(learned), number, asking.seeds) for number in range(learned, len(datasets))]
    return halves + apart


class _Views:
    """The tables with other text vectors, encoded when a row first asks for them."""

    def __init__(self, datasets: Sequence[Dataset], settings: Settings, console: Console) -> None:
        self._known: dict[TextView, Sequence[Dataset]] = {"brand_title": datasets}
        self._settings, self._console = settings, console

    def __call__(self, view: TextView) -> Sequence[Dataset]:
        if view not in self._known:
            encode = partial(with_texts, batch_size=self._settings.encoder.batch_size)
            spec = encoder_spec(self._settings.encoder)
            self._console.print(f"texts: {view.replace('_', ' + ')}")
            self._known[view] = encode(self._known["brand_title"], _VIEWS[view], spec, cache_folder())
        return self._known[view]


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"), console=console
    )
