"""Settings: one frozen object, read from a TOML file and then the environment, checked once at start.

A setting `[matcher] batch_size` of the file is `OFFERMATCH_MATCHER_BATCH_SIZE` in the environment, which wins.
"""

import os
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from matcher.kafka_settings import Kafka, Seconds, prepared
from matcher.secret import Secret, decode_secret
from matcher.settings_error import SettingsError
from matcher.weaviate_settings import Weaviate, weaviate_settings

__all__ = [
    "ALIASES", "PREFIX", "DeadLetters", "Encoder", "Kafka", "Matcher", "Photos", "Process", "Settings",
    "SettingsError", "Topics", "Weaviate", "load_settings",
]  # fmt: skip

PREFIX = "OFFERMATCH"
#: The usual name for "the cluster that is already there".
ALIASES = {"KAFKA_BOOTSTRAP": ("kafka", "bootstrap")}

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Port = Annotated[int, Meta(ge=0, le=65_535)]
Lifetime = Annotated[float, Meta(ge=0, le=315_360_000)]
#: Less is a slip, days or hours given as seconds, which would empty the index.
LEAST_LIFETIME = 3_600
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$")]


class Topics(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The names of the topics, and how they are created.

    `prefix` is put before every name. `universes`: partitions of all topics but `offers` and `dead-letters`.
    `replication`: copies of each partition, 0: as the cluster does by default. `tombstone_retention`: seconds for which
    compacted topics keep deletions readable; a matcher's state that was away for more than half of it is built anew.
    """

    prefix: Annotated[str, Meta(max_length=100, pattern=r"^[A-Za-z0-9._-]*$")] = ""
    offers: Name = "offers"
    features: Name = "offer-features"
    matches: Name = "matches"
    needs_review: Name = "needs-review"
    verdicts: Name = "verdicts"
    dead_letters: Name = "dead-letters"
    offers_partitions: Count = 12
    universes: Count = 1
    replication: Annotated[int, Meta(ge=0, le=9)] = 0
    tombstone_retention: Annotated[float, Meta(ge=10, le=315_360_000)] = 604_800.0


class Photos(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be loaded as a photo. `file_root` is the one folder that `file:` URLs may point into; empty: none."""

    file_root: str = ""
    max_bytes: Annotated[int, Meta(ge=1_000, le=200_000_000)] = 10_485_760
    max_pixels: Annotated[int, Meta(ge=1_000, le=500_000_000)] = 40_000_000
    max_per_offer: Annotated[int, Meta(ge=1, le=64)] = 8
    timeout: Seconds = 10.0
    connect_timeout: Seconds = 3.0
    threads: Annotated[int, Meta(ge=1, le=256)] = 16


class Encoder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The encoder process. `model` is `starter`, `dummy` or any open_clip model; `pretrained` a tag or a checkpoint
    path; where that is empty, an open_clip model gets random weights from `seed`.

    `slot` numbers the encoders of a group: each needs its own, since it names the transaction that a successor fences.
    """

    model: str = "starter"
    pretrained: str = ""
    seed: Annotated[int, Meta(ge=0)] | None = None
    device: str = "auto"
    precision: Annotated[str, Meta(pattern="^(auto|fp32|bf16)$")] = "auto"
    group: Name = "offermatch-encoder"
    slot: Annotated[int, Meta(ge=0, le=100_000)] = 0
    batch_size: Annotated[int, Meta(ge=1, le=4_096)] = 64
    in_flight: Annotated[int, Meta(ge=1, le=100_000)] = 512
    http_port: Port = 9101


class Matcher(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The matcher process. `bundle` is the folder of a model bundle, or the name of one that comes with offermatch.

    `standby`: how many partitions that belong to other matchers of the group it follows, to take over from one that
    dies (0: none). Each is a state and an index of its own. `state_folder` belongs to one process.
    `expire_after`: seconds after which an offer leaves that was not sent again, in the stream's own time: a pause of
    the stream counts for a third of it at most. 0: never; else an hour or more.
    """

    bundle: str = "starter"
    group: Name = "offermatch-matcher"
    state_folder: str = "offermatch-data/matcher"
    batch_size: Annotated[int, Meta(ge=1, le=10_000)] = 256
    standby: Annotated[int, Meta(ge=0, le=1_000)] = 1
    expire_after: Lifetime = 0.0
    http_port: Port = 9102


class DeadLetters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a process stops instead of sending more dead letters: `run` in a row in a partition (0: any number), or a
    `share` of its records (1: all of them), as an average in which a record's weight falls by 1/e in `window` records.

    The batch that would go beyond is not committed, and the counts outlive restarts. The stopped process serves
    `/metrics` for `linger` seconds more, so that the alarm is seen. See docs/deadletters.md.
    """

    run: Annotated[int, Meta(ge=0, le=1_000_000)] = 500
    share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    window: Annotated[int, Meta(ge=10, le=1_000_000)] = 2_000
    linger: Annotated[float, Meta(ge=0, le=3_600)] = 60.0


class Process(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all processes share. `drain`: how long a stopping process may take; `stall`: how old a heartbeat may be."""

    http_host: str = "127.0.0.1"
    drain: Seconds = 20.0
    stall: Seconds = 60.0
    log_level: Annotated[str, Meta(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    kafka: Kafka = Kafka()
    topics: Topics = Topics()
    photos: Photos = Photos()
    encoder: Encoder = Encoder()
    matcher: Matcher = Matcher()
    weaviate: Weaviate = Weaviate()
    dead_letters: DeadLetters = DeadLetters()
    process: Process = Process()


def load_settings(file: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the TOML `file` (default: `$OFFERMATCH_CONFIG`, else none), then `environ`. Raises `SettingsError`."""
    environ = os.environ if environ is None else environ
    if file is None and environ.get(f"{PREFIX}_CONFIG"):
        file = Path(environ[f"{PREFIX}_CONFIG"])
    values = _read_file(file) if file is not None else {}
    sections = get_type_hints(Settings)
    origin: dict[tuple[str, str], str] = {}
    for section, given in values.items():
        if section not in sections:
            raise SettingsError(f"{file}: [{section}]: no such section; there are {', '.join(sections)}")
        if not isinstance(given, dict):
            raise SettingsError(f"{file}: {section}: expected a table, like [{section}], got {given!r}")
    for variable, text in _from_environment(environ, sections):
        section, field, value = text
        values.setdefault(section, {})[field] = value
        origin[section, field] = variable
    for section, given in values.items():
        _check_section(section, given, sections[section], origin, file)
    try:
        settings = msgspec.convert(values, Settings, dec_hook=decode_secret)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{file or 'settings'}: {error}") from None
    weaviate_settings(settings.weaviate)  # refuses what cannot be
    if 0 < settings.matcher.expire_after < LEAST_LIFETIME:
        where = origin.get(("matcher", "expire_after")) or f"{file}: [matcher] expire_after"
        given = settings.matcher.expire_after
        raise SettingsError(f"{where}: expected 0 (never), or seconds from {LEAST_LIFETIME:,} on, got {given:g}")
    return msgspec.structs.replace(settings, topics=_prefixed(settings.topics), kafka=prepared(settings.kafka))


def _prefixed(topics: Topics) -> Topics:
    named = ("offers", "features", "matches", "needs_review", "verdicts", "dead_letters")
    return msgspec.structs.replace(topics, **{name: topics.prefix + getattr(topics, name) for name in named})


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: expected a readable TOML file ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: expected TOML in UTF-8: {error}") from None


def _from_environment(
    environ: Mapping[str, str], sections: Mapping[str, Any]
) -> list[tuple[str, tuple[str, str, Any]]]:
    """The settings that the environment names, in an order in which the more specific name wins over an alias."""
    known = {
        f"{PREFIX}_{section}_{field}".upper(): (section, field, hint)
        for section, struct in sections.items()
        for field, hint in get_type_hints(struct, include_extras=True).items()
    }
    for alias, (section, field) in ALIASES.items():
        known = {alias: (section, field, get_type_hints(sections[section])[field]), **known}
    unknown = sorted(
        name for name in environ
        if name.startswith(f"{PREFIX}_") and name not in known and name not in RESERVED
    )  # fmt: skip
    if unknown:
        begun = [prefix for prefix in _prefixes(sections) if unknown[0].startswith(prefix)]
        similar = [name for name in known if begun and name.startswith(begun[0])]
        raise SettingsError(
            f"{unknown[0]}: no such setting; "
            + (f"there are {', '.join(similar)}" if similar else f"they begin with {', '.join(_prefixes(sections))}")
        )
    return [
        (name, (section, field, _parse(name, environ[name], hint)))
        for name, (section, field, hint) in known.items()
        if environ.get(name)
    ]


#: Variables of ours that are no settings.
RESERVED = frozenset({f"{PREFIX}_CONFIG", f"{PREFIX}_CACHE", f"{PREFIX}_FAILPOINTS"})


def _prefixes(sections: Mapping[str, Any]) -> list[str]:
    return [f"{PREFIX}_{section.upper()}_" for section in sections]


def _parse(variable: str, text: str, hint: Any) -> Any:
    """Environment variables are text: numbers are read as numbers, tables as JSON objects."""
    base = _bare(hint)
    if get_origin(base) in (Union, types.UnionType):
        base = _bare(next(arg for arg in get_args(base) if arg is not type(None)))
    try:
        if base is int:
            return int(text)
        if base is float:
            return float(text)
        if get_origin(base) is dict:
            return msgspec.json.decode(text.encode(), type=dict[str, str])
    except (ValueError, msgspec.DecodeError):
        if get_origin(base) is dict:  # it may hold a password: not repeated
            wanted = 'a JSON object of texts, like {"security.protocol": "SSL"}'
            raise SettingsError(f"{variable}: expected {wanted}") from None
        wanted = "a whole number" if base is int else "a number"
        raise SettingsError(f"{variable}: expected {wanted}, got {text[:80]!r}") from None
    return text


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _check_section(
    section: str, given: dict[str, Any], struct: Any, origin: Mapping[tuple[str, str], str], file: Path | None
) -> None:
    """Checks field by field, so that the message can name the variable or the place in the file."""
    hints = get_type_hints(struct, include_extras=True)
    for field, value in given.items():
        where = origin.get((section, field)) or f"{file}: [{section}] {field}"
        if field not in hints:
            raise SettingsError(f"{where}: no such setting; [{section}] has {', '.join(sorted(hints))}")
        try:
            msgspec.convert(value, hints[field], dec_hook=decode_secret)
        except msgspec.ValidationError as error:
            plain = isinstance(value, int | float | str) and Secret not in get_args(hints[field])
            shown = value if plain else type(value).__name__
            raise SettingsError(f"{where}: {str(error)[0].lower()}{str(error)[1:]}, got {shown!r}") from None
