"""What speaks with one address: Weaviate's client, and beside it a gRPC channel of its own for searches and writes.

One thread sends and reads many searches that are under way at once; the client would need a thread for each, which
costs as much again as a search. A write is sent once; the client would repeat it, of which a node that was killed
meanwhile makes objects that no search finds.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import grpc
import weaviate
from weaviate import WeaviateClient
from weaviate.classes.init import AdditionalConfig, Auth, GrpcConfig, Timeout
from weaviate.exceptions import InsufficientPermissionsError, WeaviateBatchError, WeaviateQueryError
from weaviate.proto.v1 import batch_pb2, search_get_pb2, weaviate_pb2_grpc

from index_store.weaviate.settings import Endpoint

SearchRequest = search_get_pb2.SearchRequest
SearchReply = search_get_pb2.SearchReply

_ATTEMPT: Final = 15.0  # seconds for one request
_REFUSED: Final = (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED)


class Client(WeaviateClient):
    """As Weaviate's, with `replies`. Searches may be asked for in several threads."""

    def __init__(self, address: Endpoint, api_key: str) -> None:
        """Opens nothing yet: see `connect`. The variable SSL_CERT_FILE names the certificates that are trusted."""
        named = os.environ.get("SSL_CERT_FILE") if address.secure else None
        certificates = grpc.ssl_channel_credentials(Path(named).read_bytes()) if named else None
        super().__init__(
            connection_params=weaviate.connect.ConnectionParams.from_params(
                http_host=address.host,
                http_port=address.port,
                http_secure=address.secure,
                grpc_host=address.grpc_host,
                grpc_port=address.grpc_port,
                grpc_secure=address.secure,
            ),
            auth_client_secret=Auth.api_key(api_key) if api_key else None,
            additional_config=AdditionalConfig(
                timeout=Timeout(init=5, query=_ATTEMPT, insert=_ATTEMPT),
                # httpx and gRPC have variables of their own for certificates that the system does not know: one will do
                trust_env=bool(named),
                grpc_config=GrpcConfig(credentials=certificates) if certificates else None,
            ),
            skip_init_checks=True,  # they ask the internet for newer clients
        )
        target = f"{address.grpc_host}:{address.grpc_port}"
        options = [("grpc.default_authority", address.grpc_host), ("grpc.max_receive_message_length", -1)]
        self._channel = (
            grpc.secure_channel(target, certificates or grpc.ssl_channel_credentials(), options)
            if address.secure
            else grpc.insecure_channel(target, options)
        )
        stub = weaviate_pb2_grpc.WeaviateStub(self._channel)  # type: ignore[no-untyped-call]
        self._search, self._write = stub.Search, stub.BatchObjects
        self._key = (("authorization", f"Bearer {api_key}"),) if api_key else ()

    def replies(
        self, requests: Iterable[search_get_pb2.SearchRequest], most: int
    ) -> Iterator[search_get_pb2.SearchReply]:
        """The answer to each, in their order, with up to `most` (at least 1) of them under way.

        Raises what the client raises: `InsufficientPermissionsError`, `WeaviateQueryError`; `ValueError` once it is
        closed. What is under way then is given up.
        """
        under_way: deque[grpc.Future] = deque()
        try:
            for request in requests:
                if len(under_way) >= most:
                    yield under_way.popleft().result()
                under_way.append(self._search.future(request, timeout=_ATTEMPT, metadata=self._key))
            while under_way:
                yield under_way.popleft().result()
        except grpc.FutureCancelledError as error:
            raise WeaviateQueryError("the connection was closed", "GRPC search") from error
        except grpc.RpcError as error:
            if error.code() in _REFUSED:
                raise InsufficientPermissionsError(error) from error
            raise WeaviateQueryError(str(error.details()), "GRPC search") from error
        finally:
            for each in under_way:
                each.cancel()

    def write(self, request: batch_pb2.BatchObjectsRequest) -> batch_pb2.BatchObjectsReply:
        """The answer; asked once. After an error nobody knows what was written.

        Raises what the client raises: `InsufficientPermissionsError`, `WeaviateBatchError`; `ValueError` once it is
        closed.
        """
        try:
            reply: batch_pb2.BatchObjectsReply = self._write(request, timeout=_ATTEMPT, metadata=self._key)
            return reply
        except grpc.RpcError as error:
            if error.code() in _REFUSED:
                raise InsufficientPermissionsError(error) from error
            raise WeaviateBatchError(str(error.details())) from error

    def close(self) -> None:
        """Ends both connections. Closing twice is allowed."""
        self._channel.close()
        super().close()
