"""`python -m broker.weaviate`: a Weaviate in the foreground, until it is interrupted."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from broker.errors import ClusterRefused
from broker.lock import FolderInUse
from broker.weaviate.binary import ServerMissing, ensure_server
from broker.weaviate.cluster import NotReady, WeaviateCluster
from broker.weaviate.node import NodeDied


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m broker.weaviate", description=__doc__)
    parser.add_argument("--nodes", type=int, default=1, help="1, or 3 for replicas (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=Path("offermatch-data/weaviate"), help="default: %(default)s")
    parser.add_argument("--build", action="store_true", help="only see to it that the server is there")
    arguments = parser.parse_args()
    asked_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_stop.set())
    try:
        server = ensure_server()
        if arguments.build:
            print(server)  # noqa: T201
            return 0
        with WeaviateCluster(arguments.data, arguments.nodes, server) as cluster:
            cluster.start()
            print(f"WEAVIATE_URL='{cluster.url}'", flush=True)  # noqa: T201
            while not asked_to_stop.wait(0.5):
                cluster.check()
    except (ServerMissing, ClusterRefused, FolderInUse, NotReady, NodeDied) as error:
        print(f"weaviate: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
