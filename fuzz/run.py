"""`make fuzz`: every target for a while, each in a child process with limits on time and memory; findings are kept.

`python -m fuzz.run [--seconds S] [--only TARGET] [--folder F] [--replay FILE]`. Exits with 1 if there was a finding.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from fuzz.target import Target
from fuzz.targets import TARGETS

#: Holds what was learnt and found; ignored by git.
FOLDER = Path("fuzz-data")
#: The module that is run in the child process.
CHILD = "fuzz.child"
#: Seconds that one input may take.
ONE_INPUT = 20
#: Seconds that a child may need beside the time it fuzzes: the libraries alone take some on a busy machine.
AROUND = 180


class Outcome(Struct, frozen=True, kw_only=True):
    """How it ended. `runs`: inputs tried; `features`: branches and comparisons that were told apart (libFuzzer's `ft`).

    `finding`: the input that broke the target, None where none did. `said`: the end of what the child said.
    """

    target: str
    runs: int
    features: int
    finding: Path | None
    failed: bool
    said: str


def fuzz(target: Target, seconds: int, folder: Path) -> Outcome:
    """Fuzzes for `seconds`, beginning with the seeds and what earlier runs learnt; one finding at most."""
    corpus, findings = folder / "corpus" / target.name, folder / "findings" / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (corpus / f"seed-{hashlib.sha256(seed).hexdigest()[:16]}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}", f"-rss_limit_mb={target.rss_mb}", f"-timeout={ONE_INPUT}",
        f"-max_len={target.max_length}", f"-artifact_prefix={findings}/", "-len_control=0",
        "-keep_seed=1", "-print_final_stats=1",
    ]  # fmt: skip
    if target.words:
        words = folder / f"{target.name}.words"
        words.write_text("".join(f'"{_quoted(word)}"\n' for word in target.words))
        options.append(f"-dict={words}")
    before = set(findings.iterdir())
    code, said = _child([target.name, *options, str(corpus)], seconds + AROUND)
    found = sorted(set(findings.iterdir()) - before)
    return Outcome(
        target=target.name,
        runs=_number(r"stat::number_of_executed_units:\s*(\d+)", said),
        features=_number(r"\bft: (\d+)", said),
        finding=found[0] if found else None,
        failed=code != 0,
        said=_without_imports(said)[-6_000:],
    )


def replay(target: Target, file: Path) -> Outcome:
    """Tries one input."""
    code, said = _child([target.name, f"-rss_limit_mb={target.rss_mb}", str(file)], AROUND)
    return Outcome(target=target.name, runs=1, features=0, finding=file if code else None, failed=code != 0, said=said)


def _child(arguments: Sequence[str], seconds: int) -> tuple[int, str]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as scratch:
        try:
            done = subprocess.run(
                [sys.executable, "-m", CHILD, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
                env={**os.environ, "TMPDIR": scratch},
            )
        except subprocess.TimeoutExpired as error:
            return 1, f"{(error.stdout or b'').decode('utf-8', 'replace')}\nstopped: still running after {seconds} s"
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _without_imports(said: str) -> str:
    return "".join(line for line in said.splitlines(keepends=True) if not line.startswith("INFO: Instrumenting"))


def _quoted(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _number(pattern: str, text: str) -> int:
    """The last one that is told; 0 where none is."""
    return int(found[-1]) if (found := re.findall(pattern, text)) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz.run", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together (default: %(default)s)")
    parser.add_argument("--only", action="append", choices=sorted(TARGETS), help="this target; may be repeated")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="what is learnt and found (default: %(default)s)")
    parser.add_argument("--replay", type=Path, help="try this one input on the target that --only names")
    chosen = parser.parse_args(arguments)
    targets = [TARGETS[name] for name in chosen.only or TARGETS]
    if chosen.replay is not None:
        if len(targets) != 1:
            parser.error("expected one --only TARGET beside --replay")
        outcome = replay(targets[0], chosen.replay)
        sys.stdout.write(outcome.said)
        return int(outcome.failed)
    each = max(1, chosen.seconds // len(targets))
    broken = 0
    for target in targets:
        outcome = fuzz(target, each, chosen.folder)
        broken += outcome.failed
        sys.stdout.write(told(outcome, each) + "\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(targets)} targets, {each} s each: {broken or 'no'} findings\n")
    return int(broken > 0)


def told(outcome: Outcome, seconds: int) -> str:
    """A line on a target; after a finding what it is and how to try it again."""
    line = f"{outcome.target:16} {outcome.runs:>9,} inputs in {seconds} s, {outcome.features:>6,} features"
    if not outcome.failed:
        return line
    if outcome.finding is None:
        return f"{line}\n{outcome.said}\n{outcome.target}: the child failed and kept no input"
    again = f"python -m fuzz.run --only {outcome.target} --replay {outcome.finding}"
    return f"{line}\n{outcome.said}\n{outcome.target}: broken by {outcome.finding}; try it again with\n    {again}"


if __name__ == "__main__":
    sys.exit(main())
