"""`python -m chaos`, or `make chaos`: one run; its last line is one JSON object."""

import argparse
import logging
import secrets
import sys
from pathlib import Path

import msgspec

from chaos.faults import KINDS
from chaos.run import Options, run_chaos

DEFAULT_OUT = Path("offermatch-data/chaos")


def _arguments() -> Options:
    parser = argparse.ArgumentParser(
        prog="chaos", description="Kills, freezes and confuses a pipeline; then audits it."
    )
    parser.add_argument("--seed", type=int, help="the same seed makes the same schedule and the same offers")
    parser.add_argument("--kills", type=int, default=12, help="SIGKILLs at least (default: %(default)s)")
    parser.add_argument("--offers", type=int, default=3_000, help="events at least (default: %(default)s)")
    parser.add_argument("--ids", type=int, default=0, help="different offers (default: a third, at most 8,000)")
    parser.add_argument("--nodes", type=int, default=1, choices=(1, 3), help="Kafka brokers (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=60.0, help="no fault strikes later (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=DEFAULT_OUT, help="a folder is made in there (default: %(default)s)"
    )
    parser.add_argument("--kinds", default="", help=f"rounds of these faults, with commas between: {', '.join(KINDS)}")
    parser.add_argument("--keep", action="store_true", help="keep Kafka's data also when all went well")
    given = parser.parse_args()
    kinds = tuple(kind for kind in given.kinds.split(",") if kind)
    if wrong := set(kinds) - set(KINDS):
        parser.error(f"--kinds: expected some of {', '.join(KINDS)}, got {', '.join(sorted(wrong))}")
    return Options(
        seed=secrets.randbelow(2**31) if given.seed is None else given.seed,
        kills=given.kills,
        offers=given.offers,
        ids=given.ids,
        nodes=given.nodes,
        minutes=given.minutes,
        out=given.out,
        kinds=kinds,
        keep=given.keep,
    )


def main() -> int:
    """Exit status 0 when the guarantee was kept."""
    options = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.info("seed %d", options.seed)
    result = run_chaos(options)
    if not result.ok:
        again = f"SEED={options.seed} KILLS={options.kills} OFFERS={options.offers} NODES={options.nodes}"
        again += f" IDS={options.ids}" if options.ids else ""
        again += f" KINDS={','.join(options.kinds)}" if options.kinds else ""
        findings = (Path(result.folder) / "findings.txt").read_text().splitlines()
        sys.stderr.write("\n".join([*findings[:20], result.error, f"FAILED; to run it again: make chaos {again}", ""]))
        sys.stderr.write(f"Logs, Kafka's data, states and all findings are in {result.folder}\n")
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main())
