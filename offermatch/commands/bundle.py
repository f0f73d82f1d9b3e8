"""The commands `offermatch bundle`."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from offermatch.console import Config, Json, print_json

app = typer.Typer(no_args_is_help=True, help="Model bundles.")


@app.command("untrained")
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
        print_json(described(bundle))


@app.command("show")
def bundle_show(
    name: Annotated[str, typer.Argument(help="A bundle folder, or the name of one that comes along.")],
) -> None:
    """Check a bundle and print it."""
    from matcher.model import load_bundle
    from matcher.model.bundle import described

    print(msgspec.json.format(msgspec.json.encode(described(load_bundle(name))), indent=2).decode())
