"""Logging of a process: one line an event on standard error, with the time in UTC."""

import logging
import time


def configure_logging(process: str, level: str) -> None:
    """Sets up the root logger; `level` is DEBUG, INFO, WARNING or ERROR."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=level,
        format=f"%(asctime)s.%(msecs)03dZ %(levelname)-7s {process}: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    for chatty in ("httpx2", "httpcore2", "urllib3", "PIL"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # At INFO it tells of every build that it tried and did not find.
    logging.getLogger("faiss.loader").setLevel(logging.ERROR)
