"""The settings of a Weaviate cluster that holds the index."""

from typing import Annotated

from msgspec import Meta, Struct

from index_store.weaviate.settings import WeaviateSettings
from matcher.kafka_settings import Seconds
from matcher.secret import Secret, read_secret
from matcher.settings_error import SettingsError


class Weaviate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Weaviate cluster that holds the index, for more offers than one machine has memory for; see ops/weaviate.md.

    `url`: `http://host:port?grpc_port=port` (or `https`), several separated by commas; empty: the index is in the
    matcher's memory. The key comes from `api_key` or a file. `replicas` of each of `shards` (0: as many as nodes), and
    the `compression` of vectors in the cluster's memory: a collection keeps what it was made with. `consistency`:
    whether a write waits for all replicas or for most. `searches`: queries under way at once. `deadline`: seconds to
    wait for a cluster that does not answer, before the matcher ends. `overlap`: `on` decides the next batch while the
    last one is committed and the cluster takes it; `off` waits for that.
    """

    url: str = ""
    api_key: Secret | None = None
    api_key_file: str = ""
    shards: Annotated[int, Meta(ge=0, le=1_000)] = 0
    replicas: Annotated[int, Meta(ge=1, le=9)] = 1
    compression: Annotated[str, Meta(pattern="^(rq|sq|none)$")] = "rq"
    consistency: Annotated[str, Meta(pattern="^(all|quorum)$")] = "all"
    searches: Annotated[int, Meta(ge=1, le=256)] = 16
    deadline: Seconds = 120.0
    overlap: Annotated[str, Meta(pattern="^(on|off)$")] = "on"


def weaviate_settings(choice: Weaviate) -> WeaviateSettings | None:
    """What the store wants to know; None where the index is in memory. Raises `SettingsError`."""
    if choice.api_key is not None and choice.api_key_file:
        raise SettingsError("OFFERMATCH_WEAVIATE_API_KEY: expected either this or api_key_file, got both")
    key = choice.api_key
    if choice.api_key_file:
        key = read_secret("OFFERMATCH_WEAVIATE_API_KEY_FILE", choice.api_key_file)
    if not choice.url:
        return None
    try:
        return WeaviateSettings(
            url=choice.url,
            api_key=key.reveal() if key else "",
            shards=choice.shards,
            replicas=choice.replicas,
            compression="rq" if choice.compression == "rq" else "sq" if choice.compression == "sq" else "none",
            consistency="quorum" if choice.consistency == "quorum" else "all",
            searches=choice.searches,
            deadline=choice.deadline,
        )
    except ValueError as error:
        raise SettingsError(f"OFFERMATCH_WEAVIATE_URL: {error}") from None
