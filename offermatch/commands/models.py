"""Models: learned, measured, taken apart, and rehearsed before they are switched."""

from pathlib import Path
from typing import Annotated

import typer

from offermatch.console import Config, Json, print_json


def rollout(
    bundle: Annotated[str, typer.Option(help="The new bundle: a folder, or the name of one that comes along.")],
    state: Annotated[Path | None, typer.Option(help="Folder for the temporary state; without it the system's.")] = None,
    examples: Annotated[int, typer.Option(min=0, help="Examples of each kind of change, at most.")] = 3,
    html: Annotated[Path | None, typer.Option(help="File for the same as a page.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show how decisions would change under a new bundle, before it is switched. Publishes nothing."""
    from rich.console import Console

    from consumers.rollout.rehearsal import rehearse
    from consumers.rollout.render import rollout_view
    from matcher.rollout.page import rollout_page
    from matcher.settings import load_settings

    with Console(stderr=True).status("reading") as status:

        def show(records: int) -> None:
            status.update(f"{records:,} records decided")

        found = rehearse(load_settings(config), bundle, state=state, examples=examples, reached=show)
    Console().print(rollout_view(found))
    if html is not None:
        html.write_text(rollout_page(found), encoding="utf-8")
        print(f"page: {html}")
    if json:
        print_json(found)


def train(
    folders: Annotated[list[Path], typer.Argument(help="Offer tables, or folders that hold one each.")],
    out: Annotated[Path, typer.Option(help="Folder for the bundle.")],
    calibrate: Annotated[
        list[Path] | None, typer.Option(help="A table that calibrates and tests, and teaches nothing; repeatable.")
    ] = None,
    match_rate: Annotated[
        float, typer.Option(min=0.001, max=1, help="Share of offers with a match, in the stream.")
    ] = 0.1,
    target: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Precision promised of automatic matches.")] = 0.99,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="How sure the promise is.")] = 0.95,
    reviews: Annotated[float, typer.Option(min=0, max=1000, help="Reviews per 1,000 offers that people can do.")] = 100,
    text_weight: Annotated[
        float, typer.Option(min=0.01, max=1, help="Of text in what the projection reads, where photos have 1.")
    ] = 1.0,
    verifier: Annotated[bool, typer.Option(help="Let a pair verifier judge the nearest offers.")] = True,
    own_seller: Annotated[bool, typer.Option(help="Let a seller's offers match each other.")] = False,
    brand_blocks: Annotated[
        bool, typer.Option("--brand-blocks", help="Compare an offer with a brand with compatible brands and none only.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    config: Config = None,
    json: Json = False,
) -> None:
    """Learn from offers whose products are known, calibrate and test on products not learned from, write a bundle."""
    from rich.console import Console

    from matcher.model.bundle import Search
    from matcher.settings import load_settings
    from matcher.training.options import ProjectionOptions
    from matcher.training.recipe import Recipe
    from matcher.training.thresholds import Aim
    from matcher.verifier.training import VerifierOptions
    from offermatch.learning import train_bundle, trained_view

    recipe = Recipe(
        projection=ProjectionOptions(seeds=(seed,), text_weight=text_weight),
        verifier=VerifierOptions() if verifier else None,
        aim=Aim(target=target, confidence=confidence, match_rate=match_rate),
        reviews=reviews,
        search=Search(exclude_own_seller=not own_seller, brand_blocks=brand_blocks),
        seed=seed,
    )
    bundle, trained = train_bundle(
        folders, out, recipe, load_settings(config), Console(stderr=True), calibrating=calibrate or []
    )
    print(f"{out}: {trained_view(bundle, trained)}")
    if json:
        print_json(
            {
                "fingerprint": bundle.fingerprint,
                "offers": trained.fitted.offers,
                "products": trained.fitted.products,
                "calibrated_on": trained.calibrated_on,
                "accept": bundle.thresholds.accept,
                "review": bundle.thresholds.review,
                "promise": bundle.promise,
                "metrics": bundle.training.metrics if bundle.training else {},
            }
        )


def evaluate(
    folder: Annotated[Path, typer.Argument(help="Offer table with product ids, or a folder that holds one.")],
    bundle: Annotated[str, typer.Option(help="A bundle folder, or the name of one that comes along.")],
    stream: Annotated[bool, typer.Option("--stream", help="Each offer sees only those before it.")] = False,
    blocks: Annotated[
        bool, typer.Option("--blocks", help="Tell what brand blocks would lose, also where the bundle has none.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="File for a report with curves and galleries.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Measure a bundle on offers whose products are known."""
    from rich.console import Console

    from matcher.evaluation.html import report_page
    from matcher.evaluation.render import evaluation_view
    from matcher.model import load_bundle
    from matcher.settings import load_settings
    from offermatch.learning import evaluate_bundle

    found = evaluate_bundle(
        folder,
        load_bundle(bundle),
        load_settings(config),
        Console(stderr=True),
        "stream" if stream else "all",
        consider_blocks=blocks,
    )
    Console().print(evaluation_view(found.evaluation))
    if html is not None:
        html.write_text(report_page(found), encoding="utf-8")
        print(f"report: {html}")
    if json:
        print_json(found.evaluation)


def ablate(
    folders: Annotated[list[Path], typer.Argument(help="Offer tables with product ids; each is learned by halves.")],
    unseen: Annotated[
        list[Path] | None,
        typer.Option(help="A table that is asked with alone, after learning from all folders; repeatable."),
    ] = None,
    rows: Annotated[
        str | None, typer.Option(help="Regular expression: rows whose section or name it is found in.")
    ] = None,
    modalities: Annotated[
        str, typer.Option(help="What rows may use; `image` where titles give the answer away.")
    ] = "image,text,numbers",
    plain: Annotated[bool, typer.Option(help="Beside sibling groups, part the products too, which flatters.")] = True,
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions, with other halves and other seeds.")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute again what earlier runs kept.")] = False,
    html: Annotated[Path | None, typer.Option(help="File for the tables as a page.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="File for the tables as Markdown.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Train variants of the model on one part of the products and ask the other: what every idea brings."""
    from rich.console import Console

    from matcher.ablation.report import ablation_markdown, ablation_page, ablation_view
    from matcher.settings import load_settings
    from offermatch.ablation import Asking, ablate_tables

    asking = Asking(modalities=modalities, plain=plain, seeds=seeds, pattern=rows, fresh=fresh)
    found = ablate_tables(folders, unseen or [], asking, load_settings(config), Console(stderr=True))
    Console().print(ablation_view(found))
    for file, document in ((html, ablation_page), (markdown, ablation_markdown)):
        if file is not None:
            file.write_text(document(found), encoding="utf-8")
            print(f"report: {file}")
    if json:
        print_json(found)
