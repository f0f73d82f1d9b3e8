"""A gRPC server of the tests that stands for Weaviate's."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from weaviate.proto.v1 import weaviate_pb2_grpc


@contextmanager
def serving(servicer: Any) -> Iterator[str]:
    """The address of a server that answers as `servicer` does; nothing listens on its HTTP port."""
    server = grpc.server(ThreadPoolExecutor(16))
    weaviate_pb2_grpc.add_WeaviateServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port - 1}?grpc_port={port}"
    finally:
        server.stop(0).wait(10)
