"""The command line `offermatch`. It only wires: every command calls one function of the packages beside it."""

import faulthandler
import io
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Matches product offers of many sellers in real time.",
)
topics_app = typer.Typer(no_args_is_help=True, help="The topics on Kafka.")
bundle_app = typer.Typer(no_args_is_help=True, help="Model bundles.")
index_app = typer.Typer(no_args_is_help=True, help="The matcher's state and index.")
bench_app = typer.Typer(no_args_is_help=True, help="Benchmarks: ratios measured in one run.")
app.add_typer(topics_app, name="topics")
deadletters_app = typer.Typer(no_args_is_help=True, help="Dead letters: look at them, send them back.")
app.add_typer(deadletters_app, name="deadletters")
app.add_typer(bench_app, name="bench")
app.add_typer(bundle_app, name="bundle")
app.add_typer(index_app, name="index")

Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings; the environment wins over it.")]
RATE = "Offers a second at most; 0: as fast as Kafka takes them."

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]


#: Whatever these packages define as an exception is meant for people: its message says what was expected.
OURS = {"matcher", "index_store", "consumers", "producers", "broker", "demo", "benchmarks"}


def main() -> None:
    """Runs the command line; an expected failure is one line on standard error and exit status 1.

    Should a library written in C crash, standard error says where each thread was.
    """
    with suppress(io.UnsupportedOperation):  # standard error may be no file where this is called from Python
        faulthandler.enable()
    try:
        app()
    except Exception as error:
        if not _is_expected(error):
            raise
        print(f"offermatch: {error}", file=sys.stderr)
        sys.exit(1)


def _is_expected(error: Exception) -> bool:
    """Errors of ours, of the operating system (files, ports, time-outs), and Kafka's."""
    origin = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) or origin in OURS or origin in ("cimpl", "confluent_kafka")


@app.command()
def encoder(config: Config = None) -> None:
    """Run an encoder: topic offers → topic offer-features."""
    from consumers.encoding.process import run_encoder
    from consumers.logs import configure_logging
    from consumers.stopping import Stopping
    from matcher.settings import load_settings

    settings = load_settings(config)
    configure_logging("encoder", settings.process.log_level)
    stopping = Stopping()
    stopping.install()
    run_encoder(settings, stopping)


@app.command()
def matcher(config: Config = None) -> None:
    """Run a matcher: topic offer-features → topics matches and needs-review."""
    from consumers.logs import configure_logging
    from consumers.matching.process import run_matcher
    from consumers.stopping import Stopping
    from matcher.settings import load_settings

    settings = load_settings(config)
    configure_logging("matcher", settings.process.log_level)
    stopping = Stopping()
    stopping.install()
    run_matcher(settings, stopping)


@app.command()
def broker(
    data: Annotated[Path, typer.Option(help="Folder for Kafka's data; kept between runs.")] = Path(
        "offermatch-data/kafka"
    ),
    nodes: Annotated[int, typer.Option(min=1, help="Brokers in the cluster, an odd number.")] = 1,
    port: Annotated[
        list[int] | None,
        typer.Option(
            min=1, max=65535, help="Client port, once for each node; without it those of the last run, or free ones."
        ),
    ] = None,
    heap: Annotated[str, typer.Option(help="Largest Java heap of a node.")] = "512m",
    json: Json = False,
) -> None:
    """Run a real Apache Kafka on this machine, until interrupted. Needs no Java, only the extra `kafka`."""
    from broker.cluster import KafkaCluster
    from broker.run import run_foreground
    from producers.topics import can_produce

    def announce(bootstrap: str) -> None:
        print(
            f"Kafka is ready at {bootstrap}; Ctrl-C stops it. "
            f"For other processes:\n  export KAFKA_BOOTSTRAP={bootstrap}"
        )
        if json:
            _print_json({"bootstrap": bootstrap, "nodes": nodes, "data": str(data)})
        sys.stdout.flush()

    cluster = KafkaCluster(data, nodes, port, heap=heap, jars=_kafka_jars())
    if not run_foreground(cluster, lambda bootstrap: can_produce(bootstrap, nodes), announce):
        sys.exit(1)


@topics_app.command("create")
def topics_create(
    config: Config = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for a Kafka that is still starting.")] = 0.0,
    json: Json = False,
) -> None:
    """Create the topics that are missing; those that are there are left as they are, and reported if they are wrong."""
    from matcher.settings import load_settings
    from producers.topic_plan import create

    outcomes = create(load_settings(config), wait)
    for outcome in outcomes:
        print(f"{outcome.name}: {outcome.state}" + "".join(f"\n  {problem}" for problem in outcome.problems))
    if json:
        _print_json({"topics": {outcome.name: outcome.state for outcome in outcomes}})
    if any(outcome.problems for outcome in outcomes):
        sys.exit(1)


@bundle_app.command("untrained")
def bundle_untrained(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    config: Config = None,
    even_score: Annotated[float, typer.Option(help="The score at which a match is as likely as not.")] = 0.8,
    slope: Annotated[float, typer.Option(help="How fast the probability rises around it.")] = 26.0,
    json: Json = False,
) -> None:
    """Write a bundle without training for the encoder of the settings: a start for any open_clip model."""
    from consumers.encoding.process import encoder_spec
    from matcher.encoders import load_encoder
    from matcher.model import save_bundle
    from matcher.model.bundle import described
    from matcher.model.untrained import untrained_bundle
    from matcher.settings import load_settings

    encoder = load_encoder(encoder_spec(load_settings(config).encoder)).describe()
    bundle = save_bundle(untrained_bundle(encoder, even_score=even_score, slope=slope), out)
    print(f"{out}: bundle {bundle.fingerprint} for encoder {encoder.name} ({encoder.fingerprint})\n{bundle.note}")
    if json:
        _print_json(described(bundle))


@bundle_app.command("show")
def bundle_show(
    name: Annotated[str, typer.Argument(help="A bundle folder, or the name of one that comes along.")],
) -> None:
    """Check a bundle and print it."""
    from matcher.model import load_bundle
    from matcher.model.bundle import described

    print(msgspec.json.format(msgspec.json.encode(described(load_bundle(name))), indent=2).decode())


@app.command()
def demo(
    offers: Annotated[int, typer.Option(min=2, help="How many offers.")] = 1000,
    sellers: Annotated[int, typer.Option(min=2, help="How many sellers.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same marketplace.")] = 1,
    rate: Annotated[float, typer.Option(min=0, help="Offers a second at most; 0: as fast as they are decided.")] = 0,
    undecided: Annotated[int, typer.Option(min=0, help="Offers under way at most; 0: any number.")] = 48,
    folder: Annotated[Path, typer.Option(help="Kafka's data, state and logs; emptied at the start.")] = Path(
        "offermatch-data/demo"
    ),
    json: Json = False,
) -> None:
    """Run everything on this machine, fed by a simulated marketplace, and show it working."""
    from rich.console import Console

    from consumers.render import report_view
    from demo.run import DemoFailedError, Options, run_demo

    console = Console()
    options = Options(offers=offers, sellers=sellers, seed=seed, rate=rate, undecided=undecided, folder=folder)
    found = run_demo(options, console, _kafka_jars)
    console.print(report_view(found))
    if json:
        _print_json(found)
    if found.decided < offers:
        raise DemoFailedError(
            f"{found.decided} of {offers} offers were decided, {found.dead_letters} ended as dead letters"
        )


@app.command()
def replay(
    table: Annotated[Path, typer.Argument(help="Offer table (.csv, .jsonl, .parquet), or a folder that holds one.")],
    config: Config = None,
    rate: Annotated[float, typer.Option(min=0, help=RATE)] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Rows at most.")] = None,
    json: Json = False,
) -> None:
    """Send an offer table to the topic offers. A malformed row is reported with its line and stops nothing."""
    from matcher.settings import load_settings
    from producers.replay_table import replay_table

    summary = replay_table(table, load_settings(config), rate=rate or None, limit=limit)
    if json:
        _print_json(summary)
    if summary.refused:
        sys.exit(1)


@app.command()
def simulate(
    offers: Annotated[int, typer.Option(min=1, help="How many offers.")] = 1000,
    sellers: Annotated[int, typer.Option(min=1, help="How many sellers.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same marketplace.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder for an offer table with photos; nothing is sent, no Kafka needed.")
    ] = None,
    per_style: Annotated[
        int | None,
        typer.Option(min=1, help="With --out: of one style so many offers at most, so that more styles fit."),
    ] = None,
    truth: Annotated[Path, typer.Option(help="File for the true product of every offer.")] = Path("truth.csv"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port for the photos; part of their URLs.")] = 8765,
    rate: Annotated[float, typer.Option(min=0, help=RATE)] = 0,
    config: Config = None,
    json: Json = False,
) -> None:
    """Send a simulated marketplace to the topic offers and serve its photos until all are encoded; or write a table."""
    from consumers.simulation import Simulation, simulate_market, write_market
    from matcher.settings import load_settings
    from producers.marketplace.table import Plan

    if out is not None:
        photos = write_market(Plan(seed=seed, offers=offers, sellers=sellers, per_style=per_style), out)
        if json:
            _print_json({"offers": offers, "photos": photos, "table": str(out)})
        return
    if per_style is not None:
        raise typer.BadParameter("--per-style is for tables: give --out too")
    simulation = Simulation(offers=offers, sellers=sellers, seed=seed, port=port, truth=truth, rate=rate or None)
    sent = simulate_market(simulation, load_settings(config))
    if json:
        _print_json({"offers": sent, "truth": str(truth)})


@app.command()
def report(
    truth: Annotated[Path, typer.Option(help="Offer table with offer_id and product_id.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Compare the decisions on the topics with known product ids."""
    from rich.console import Console

    from consumers.render import report_view
    from consumers.report import collect
    from consumers.truth import read_truth
    from matcher.settings import load_settings

    found = collect(settings=load_settings(config), truth=read_truth(truth))
    Console().print(report_view(found))
    if json:
        _print_json(found)


@app.command()
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
        _print_json(found)


@app.command()
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
        _print_json(
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


@app.command()
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
        _print_json(found.evaluation)


@app.command()
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
        _print_json(found)


@bench_app.command("encoder")
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
        _print_json(benchmark)


@bench_app.command("matcher")
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
        _print_json(benchmark)


@bench_app.command("pipeline")
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
    _kafka_jars()
    with tempfile.TemporaryDirectory() as space:
        benchmark = measure(plan, SystemClock(), Path(space), lambda line: typer.echo(line, err=True))
    Console().print(table(benchmark))
    if json:
        _print_json(benchmark)


@bench_app.command("index")
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
            _print_json(grown)
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
        _print_json(benchmark)


@bench_app.command("takeover")
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
        _print_json(benchmark)


Stage = Annotated[str | None, typer.Option(help="Only of this stage: encoder or matcher.")]
Reason = Annotated[str | None, typer.Option(help="Only for this reason, as docs/events.md names them.")]
Since = Annotated[str | None, typer.Option(help="Only from then on: 2026-01-31T12:00:00Z, or how long ago: 90m, 7d.")]
Until = Annotated[str | None, typer.Option(help="Only those before then.")]


@deadletters_app.command("list")
def deadletters_list(
    stage: Stage = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    latest: Annotated[int, typer.Option(min=0, help="How many to show; all are counted.")] = 20,
    config: Config = None,
    json: Json = False,
) -> None:
    """Count dead letters by reason and show the latest."""
    from rich.console import Console

    from consumers.deadletters.letters import read_filter
    from consumers.deadletters.listing import list_letters, listing_view
    from matcher.clock import SystemClock
    from matcher.settings import load_settings

    chosen = read_filter(stage, reason, since, until, now_ms=SystemClock().now_ms())
    found = list_letters(load_settings(config), chosen, latest)
    Console().print(listing_view(found))
    if json:
        _print_json(found)


@deadletters_app.command("show")
def deadletters_show(
    name: Annotated[str, typer.Argument(help="As the list names it, like 0/17.")],
    out: Annotated[Path | None, typer.Option(help="File for the original's bytes.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show one dead letter with everything."""
    from rich.console import Console

    from consumers.deadletters.letters import find_letter
    from consumers.deadletters.listing import letter_view, shown
    from matcher.settings import load_settings

    letter = find_letter(load_settings(config), name)
    Console().print(letter_view(letter))
    if out is not None:
        out.write_bytes(letter.record.value or b"")
    if json:
        _print_json(shown(letter))


@deadletters_app.command("replay")
def deadletters_replay(
    stage: Stage = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
    stop_on_failure: Annotated[
        bool, typer.Option("--stop-on-failure", help="One at a time; stop at the first that fails again.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Send so many at most.")] = None,
    patience: Annotated[float, typer.Option(min=0, help="Seconds to wait for what becomes of one.")] = 60.0,
    config: Config = None,
    json: Json = False,
) -> None:
    """Send dead letters back where they came from. What was superseded or replayed before is left out."""
    from rich.console import Console

    from consumers.deadletters.letters import read_filter
    from consumers.deadletters.listing import replayed_view
    from consumers.deadletters.replay import Options, replay_letters
    from matcher.clock import SystemClock
    from matcher.settings import load_settings

    chosen = read_filter(stage, reason, since, until, now_ms=SystemClock().now_ms())
    options = Options(dry_run=dry_run, stop_on_failure=stop_on_failure, limit=limit, patience=patience)
    with Console(stderr=True).status("reading") as status:

        def show(done: int, of: int) -> None:
            status.update(f"{done:,} of {of:,} dead letters")

        found = replay_letters(load_settings(config), chosen, options, on_progress=show)
    print(replayed_view(found))
    if json:
        _print_json(found)
    if found.failed is not None or found.refused:
        sys.exit(1)


@index_app.command("verify")
def index_verify(config: Config = None, json: Json = False) -> None:
    """Check that state and index of a stopped matcher agree, partition by partition."""
    from consumers.matching.inspection import verify_partitions
    from matcher.settings import load_settings

    result = verify_partitions(load_settings(config))
    for problem in result.problems:
        print(problem)
    print(f"{result.offers} offers, {result.indexed} indexed: {'ok' if result.ok else 'NOT ok'}")
    if json:
        _print_json(result)
    if not result.ok:
        sys.exit(1)


@index_app.command("inspect")
def index_inspect(
    config: Config = None,
    probes: Annotated[int, typer.Option(min=1, help="Offers that are searched for exactly, too.")] = 64,
    json: Json = False,
) -> None:
    """Sizes, blocks, memory, balance and recall of a stopped matcher's index; of one in a cluster, what that tells."""
    from consumers.matching.inspection import inspect_partitions
    from matcher.settings import load_settings

    _inspected(inspect_partitions(load_settings(config), probes), json)


@index_app.command("rebuild")
def index_rebuild(
    config: Config = None,
    probes: Annotated[int, typer.Option(min=1, help="Offers that are searched for exactly, too.")] = 64,
    json: Json = False,
) -> None:
    """Build the cells of a stopped matcher's index anew from its state."""
    from consumers.matching.inspection import rebuild_partitions
    from matcher.settings import load_settings

    _inspected(rebuild_partitions(load_settings(config), probes), json)


def _inspected(found: Any, json: bool) -> None:
    for one in found:
        print(msgspec.json.format(msgspec.json.encode(one), indent=2).decode())
    if json:
        _print_json({"partitions": found})


def _print_json(value: Any) -> None:
    print(msgspec.json.encode(value).decode(), flush=True)


def _kafka_jars() -> Any:
    """Kafka's jars, fetched with a progress bar the first time."""
    from rich.console import Console
    from rich.progress import Progress

    from broker.jars import ensure_jars

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Apache Kafka", total=None, visible=False)

        def show(done: int, total: int, name: str) -> None:
            progress.update(task, description=f"Apache Kafka: {name}", completed=done, total=total, visible=True)

        return ensure_jars(progress=show)
