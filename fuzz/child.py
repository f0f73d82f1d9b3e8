"""One target under atheris, in a process of its own: `python -m fuzz.child TARGET [libFuzzer's options and folders]`.

A file instead of a folder is tried once: that is how a finding is looked at again.
"""

import sys
from random import Random

import atheris

# What is imported in here tells the fuzzer which branches an input has taken.
with atheris.instrument_imports(include=["fuzz", "matcher", "consumers", "producers", "PIL"]):
    from fuzz.target import Target
    from fuzz.targets import TARGETS


def main() -> None:
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.check, custom_mutator=_mutator(target))
    atheris.Fuzz()


def _mutator(target: Target):  # type: ignore[no-untyped-def] # noqa: ANN202 -- atheris says what it is
    def change(data: bytes, max_size: int, seed: int) -> bytes:
        random = Random(seed)
        changed = target.change(data, random) if random.random() < 0.5 else None
        if changed is None or len(changed) > max_size:
            return bytes(atheris.Mutate(data, max_size))
        return changed

    return change


if __name__ == "__main__":
    main()
