"""The commands `offermatch bench`."""

from pathlib import Path
from typing import Annotated

import typer

from offermatch.console import Config, Json, kafka_jars, print_json

app = typer.Typer(no_args_is_help=True, help="Benchmarks: ratios measured in one run.")


@app.command("encoder")
def bench_encoder(
    config: Config = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; medians count.")] = 5,
    json: Json = False,
) -> None:
    """Photos and texts a second of the encoder in the settings, against the same in fp32."""
    from rich.console import Console

    from benchmarks.encoder import bench_encoder as measure
    from benchmarks.results import table
    from consumers.encoding.process import encoder_spec
    from matcher.clock import SystemClock
    from matcher.settings import load_settings

    benchmark = measure(encoder_spec(load_settings(config).encoder), rounds, SystemClock())
    Console().print(table(benchmark))
    if json:
        print_json(benchmark)


@app.command("matcher")
def bench_matcher(
    folder: Annotated[Path | None, typer.Argument(help="Offer table, or a folder that holds one.")] = None,
    bundle: Annotated[
        str, typer.Option(help="A bundle with a verifier: a folder, or one that comes along.")
    ] = "starter",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; medians count.")] = 5,
    known: Annotated[int, typer.Option(min=0, help="Instead: a matcher process that knows so many offers.")] = 0,
    arriving: Annotated[int, typer.Option(min=100, help="Offers that it then decides.")] = 10_000,
    updates: Annotated[
        float, typer.Option(min=0, max=1, help="Share of these that it knows already, in a new version.")
    ] = 0.0,
    weaviate: Annotated[
        str,
        typer.Option(help="With --known: its index in this cluster (`own`: a new one), against a bare client loop."),
    ] = "",
    config: Config = None,
    json: Json = False,
) -> None:
    """Offers a second that are decided: with the bundle's verifier against without, or behind many known offers."""
    from rich.console import Console

    from benchmarks.results import table
    from matcher.clock import SystemClock

    if known:
        import tempfile

        from benchmarks.known.run import bench_known

        with tempfile.TemporaryDirectory() as space:
            if weaviate:
                if updates:
                    raise typer.BadParameter("--updates and --weaviate do not go together")
                from benchmarks.known.cluster import bench_cluster

                benchmark = bench_cluster(weaviate, known, arriving, rounds, clock=SystemClock(), folder=Path(space))
            else:
                benchmark = bench_known(known, arriving, SystemClock(), Path(space), updates=updates)
    else:
        from benchmarks.matcher import bench_matcher as measure
        from matcher.model import load_bundle
        from matcher.settings import load_settings
        from offermatch.learning import datasets_for

        if folder is None:
            raise typer.BadParameter("expected an offer table, or --known N")
        (dataset,) = datasets_for([folder], load_settings(config), Console(stderr=True))
        benchmark = measure(dataset, load_bundle(bundle), rounds, SystemClock())
    Console().print(table(benchmark))
    if json:
        print_json(benchmark)


@app.command("pipeline")
def bench_pipeline(
    offers: Annotated[int, typer.Option(min=100, help="Offers in each round, for either side.")] = 4000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; medians count.")] = 3,
    seconds: Annotated[float, typer.Option(min=1, help="How long offers come at half load.")] = 20.0,
    starter: Annotated[
        int, typer.Option(min=0, help="Offers with photos for the starter encoder; 0: leave out.")
    ] = 150,
    json: Json = False,
) -> None:
    """Offers a second from end to end on a Kafka of its own: with all guarantees against at-least-once."""
    import tempfile

    from rich.console import Console

    from benchmarks.pipeline.run import Plan
    from benchmarks.pipeline.run import bench_pipeline as measure
    from benchmarks.results import table
    from matcher.clock import SystemClock

    plan = Plan(offers=offers, rounds=rounds, seconds=seconds, starter=starter)
    kafka_jars()
    with tempfile.TemporaryDirectory() as space:
        benchmark = measure(plan, SystemClock(), Path(space), lambda line: typer.echo(line, err=True))
    Console().print(table(benchmark))
    if json:
        print_json(benchmark)


@app.command("index")
def bench_index(
    sizes: Annotated[str, typer.Option(help="Numbers of offers, with commas.")] = "10000,100000,1000000",
    references: Annotated[
        str, typer.Option(help="Of flat, ivf, hnsw, hnswlib, usearch, weaviate, milvus, qdrant; with commas.")
    ] = "flat,ivf,hnsw",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of searches; medians count.")] = 3,
    limit: Annotated[float, typer.Option(min=1, help="Seconds that filling a reference may take.")] = 1200,
    ledger: Annotated[
        Path | None, typer.Option(help="File that keeps each part that is done; what it holds is not measured again.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="SVG: recall, searches and bytes of all.")] = None,
    tables: Annotated[Path | None, typer.Option(help="Markdown: the same as tables.")] = None,
    growth: Annotated[
        str, typer.Option(help="Instead: what a search costs at two sizes, like 1000000,10000000, in turns.")
    ] = "",
    json: Json = False,
) -> None:
    """Searches, upserts, recall and memory of the index, against other indexes in the same run."""
    import tempfile

    from rich.console import Console

    from benchmarks.index.plot import drawing
    from benchmarks.index.session import Plan
    from benchmarks.index.session import bench_index as measure
    from benchmarks.index.tables import markdown
    from benchmarks.results import table
    from matcher.clock import SystemClock

    try:
        numbers = [int(part) for part in (growth or sizes).split(",")]
    except ValueError:
        raise typer.BadParameter(f"expected numbers of offers like 10000,100000, got {growth or sizes!r}") from None
    if growth:
        from benchmarks.index.growth import bench_growth

        if len(numbers) != 2:
            raise typer.BadParameter(f"--growth: expected two numbers of offers, got {growth!r}")
        with tempfile.TemporaryDirectory() as folder:
            grown = bench_growth(numbers[0], numbers[1], rounds, Path(folder))
        Console().print(table(grown))
        if json:
            print_json(grown)
        return
    for file in (ledger, plot, tables):
        if file is not None and not file.absolute().parent.is_dir():  # said now rather than when hours are over
            raise typer.BadParameter(f"there is no folder for {file}")
    plan = Plan(numbers, [part for part in references.split(",") if part], rounds, limit, ledger)
    with tempfile.TemporaryDirectory() as folder:
        benchmark = measure(plan, SystemClock(), Path(folder), lambda line: typer.echo(line, err=True))
    Console().print(table(benchmark))
    if plot is not None:
        plot.write_text(drawing(benchmark.duels), encoding="utf-8")
    if tables is not None:
        tables.write_text(markdown(benchmark.duels), encoding="utf-8")
    if json:
        print_json(benchmark)


@app.command("takeover")
def bench_takeover(
    offers: Annotated[int, typer.Option(min=1, help="Offers in the index before the first kill.")] = 100_000,
    kills: Annotated[int, typer.Option(min=1, help="Take-overs, with standing by and without.")] = 5,
    session: Annotated[float, typer.Option(help="Session time-out in seconds.")] = 6.0,
    seed: Annotated[int, typer.Option(help="Of the moments at which is killed.")] = 0,
    json: Json = False,
) -> None:
    """Seconds from kill -9 of a matcher to the first decision of its standby."""
    import tempfile

    from rich.console import Console

    from benchmarks.results import table
    from benchmarks.takeover import TakeoverOptions
    from benchmarks.takeover import bench_takeover as measure
    from matcher.clock import SystemClock

    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as folder:
        options = TakeoverOptions(offers=offers, kills=kills, session=session, seed=seed, folder=Path(folder))
        benchmark = measure(options, SystemClock(), console.print)
    Console().print(table(benchmark))
    if json:
        print_json(benchmark)
