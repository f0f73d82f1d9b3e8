"""A rehearsal as one HTML page without scripts, with nothing from outside; what came with an offer is escaped."""

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from matcher.rollout.result import Rollout
from matcher.rollout.words import KINDS, limits, notes


def rollout_page(rollout: Rollout) -> str:
    """The whole document. Photos are linked, not shown: their addresses are the sellers' own words."""
    environment = Environment(
        loader=PackageLoader("matcher.rollout", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "count": "{:,}".format, "signed": "{:+,}".format, "web": _on_the_web}
    style = (files("matcher.evaluation") / "html" / "style.css").read_text("utf-8")
    return environment.get_template("page.html").render(
        r=rollout, kinds=KINDS, notes=notes(rollout), limits=limits(), style=Markup(style)
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def _on_the_web(urls: tuple[str, ...]) -> list[str]:
    return [url for url in urls if url.lower().startswith(("http://", "https://"))]
