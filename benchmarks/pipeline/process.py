"""`python -m benchmarks.pipeline.process encoder|matcher`: the process as it is, but at-least-once."""

import sys

from benchmarks.pipeline.reference import AtLeastOnce, PlainLoop
from consumers.encoding.process import run_encoder
from consumers.logs import configure_logging
from consumers.matching.process import run_matcher
from consumers.stopping import Stopping
from matcher.settings import load_settings


def main(command: str) -> None:
    """Runs until it is told to stop."""
    settings = load_settings()
    configure_logging(f"{command} (at-least-once)", settings.process.log_level)
    stopping = Stopping()
    stopping.install()
    run = {"encoder": run_encoder, "matcher": run_matcher}[command]
    run(settings, stopping, make_loop=PlainLoop, make_transactions=AtLeastOnce)


if __name__ == "__main__":
    main(sys.argv[1])
