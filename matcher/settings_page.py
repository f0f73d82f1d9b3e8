"""The page docs/settings.md, written from the Structs: `python -m matcher.settings_page` (`--check` only compares)."""

import sys
import types
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct

from matcher.kafka_settings import FIXED
from matcher.secret import Secret
from matcher.settings import ALIASES, PREFIX, Settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"

HEAD = f"""# Settings
A setting `[matcher] batch_size = 256` of the TOML file (`--config FILE` or `${PREFIX}_CONFIG`) is
`{PREFIX}_MATCHER_BATCH_SIZE` in the environment, which wins. Unknown names and values out of range stop the process
with a message that names them. This page is written from `matcher/settings.py` by `make schemas`.
"""


def page() -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for section, struct in get_type_hints(Settings).items():
        parts.append(_section(section, struct))
        if section == "kafka":
            parts.append(f"Refused among `properties`: {', '.join(f'`{name}`' for name in FIXED)}.\n")
    return "\n".join(parts)


def _section(section: str, struct: type[Struct]) -> str:
    about = " ".join((struct.__doc__ or "").split())
    lines = [f"## [{section}]", about, "", "| setting | accepts | default | environment |", "|---|---|---|---|"]
    default = struct()
    aliases = {place: alias for alias, place in ALIASES.items()}
    for field, hint in get_type_hints(struct, include_extras=True).items():
        variable = f"`{PREFIX}_{section}_{field}`".upper()
        if (section, field) in aliases:
            variable += f", `{aliases[section, field]}`"
        value = getattr(default, field)
        shown = "" if value in ("", None) or value == {} else f"`{value}`"
        lines.append(f"| `{field}` | {_accepts(hint)} | {shown} | {variable} |")
    return "\n".join(lines) + "\n"


def _accepts(hint: Any) -> str:
    if get_origin(hint) in (Union, types.UnionType):
        return _accepts(next(arg for arg in get_args(hint) if arg is not type(None))) + ", or nothing"
    if get_origin(hint) is Annotated:
        base, *metas = get_args(hint)
        return _accepts(base) + "".join(_limits(meta) for meta in metas if isinstance(meta, Meta))
    if get_origin(hint) is dict:
        return "table of texts (in the environment: a JSON object)"
    return {int: "whole number", float: "number", str: "text", Secret: "text, never shown"}.get(hint, str(hint))


def _limits(meta: Meta) -> str:
    words = []
    if meta.ge is not None:
        words.append(f"from {meta.ge:,}")
    if meta.gt is not None:
        words.append(f"above {meta.gt:,}")
    if meta.le is not None:
        words.append(f"to {meta.le:,}")
    if meta.pattern is not None:
        words.append(f"matching `{meta.pattern}`".replace("|", "\\|"))
    return " " + " ".join(words) if words else ""


def main() -> None:
    """Writes the page, or with `--check` fails where it is out of step."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page():
        sys.exit(f"{PAGE.name} is out of step with matcher/settings.py: run `make schemas`")


if __name__ == "__main__":
    main()
