"""A stranger's client reads the result: kcat, which knows nothing of us, on the public topic `matches`."""

import json
import shutil
import subprocess
import uuid

import pytest

from tests.pipeline.harness import Pipeline, offer

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed (Debian: apt-get install kcat)"),
]


def test_kcat_shows_json_bodies_and_cloudevents_headers(running: Pipeline):
    offer_id = f"stranger-{uuid.uuid4().hex}"
    (decision,) = running.decide(offer(offer_id, f"Rubber boots {uuid.uuid4().hex}"))
    command = [
        "kcat",
        "-b",
        running.kafka.bootstrap,
        "-t",
        running.topics.matches,
        "-C",
        "-e",
        "-q",
        "-f",
        r"%k\t%h\t%s\n",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(offer_id))
    key, headers, body = line.split("\t")
    assert key == offer_id
    assert "ce_type=offer.new_product" in headers
    assert "content-type=application/json" in headers
    assert json.loads(body)["product_id"] == decision.product_id
