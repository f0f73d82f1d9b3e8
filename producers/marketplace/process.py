"""The simulated marketplace with its photo server, which is a process of its own: drawing photos is work."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from producers.marketplace.market import Marketplace
from producers.marketplace.server import serve_photos

START_SECONDS = 60.0


@contextmanager
def open_market(seed: int, offers: int, sellers: int, port: int = 0) -> Iterator[Marketplace]:
    """A marketplace whose photos are served on 127.0.0.1 as long as the context lasts. Raises `OSError`."""
    # A fresh interpreter: a fork would take along threads and connections of this process.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(seed, offers, sellers, port, there), name="photos", daemon=True)
    server.start()
    there.close()
    try:
        yield Marketplace(seed, offers, sellers, base_url=_address(here, port))
    finally:
        server.terminate()
        server.join()


def _address(here: Connection, port: int) -> str:
    try:
        if here.poll(START_SECONDS):
            return str(here.recv())
    except EOFError:
        pass
    raise OSError(f"the photo server did not start on 127.0.0.1:{port or '(any port)'}: is the port taken?")


def _serve(seed: int, offers: int, sellers: int, port: int, there: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the parent's to answer
    ready: Callable[[str], None] = there.send
    serve_photos(seed, offers, sellers, port, ready)
