"""Loopback ports: which are free, and which are taken."""

import random
import socket
from collections.abc import Collection

HOST = "127.0.0.1"

# Below the range from which Linux and macOS take the ports of outgoing connections: a client that retries the address
# of a stopped broker could otherwise be given that very port, connect to itself, and keep the broker from its place.
_LOWEST = 20_000
_HIGHEST = 32_767


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def accepts(port: int) -> bool:
    """Whether somebody listens on this port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def free_ports(count: int, avoid: Collection[int] = ()) -> list[int]:
    """`count` different free ports, none of them in `avoid`. Raises RuntimeError when there are not that many."""
    candidates = list(range(_LOWEST, _HIGHEST + 1))
    random.SystemRandom().shuffle(candidates)
    found: list[int] = []
    for port in candidates:
        if len(found) == count:
            break
        if port not in avoid and is_free(port):
            found.append(port)
    if len(found) < count:
        raise RuntimeError(f"only {len(found)} of {count} ports wanted are free between {_LOWEST} and {_HIGHEST}")
    return found
