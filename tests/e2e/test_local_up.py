"""``python -m local up``: what a script or a person starts and ends."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
OUTPUTS = {
    "apiUrl",
    "awsEndpointUrl",
    "region",
    "sourceBucket",
    "targetBucket",
    "manifestBucket",
    "manifestPrefix",
    "tableName",
    "queueUrl",
    "deadLetterQueueUrl",
    "eventBusName",
    "eventsQueueUrl",
}


def free_port() -> int:
    """A port that is free, and whose neighbour is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_one_json_line_and_ends_with_every_process_it_started(
    stop: signal.Signals,
) -> None:
    port = free_port()
    command = [sys.executable, "-m", "local", "up", "--port", str(port), "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        outputs = json.loads(process.stdout.readline())
        assert set(outputs) == OUTPUTS
        assert outputs["awsEndpointUrl"] == f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(outputs["awsEndpointUrl"]) as answer:
            assert answer.status == 200
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        process.send_signal(stop)
        rest = process.stdout.read()
        assert process.wait(30) == 0
    assert rest == b""
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_a_port_that_is_taken_is_a_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "local", "up", "--port", str(port)],
            cwd=ROOT,
            capture_output=True,
            check=False,
            text=True,
        )
    assert done.returncode == 1
    assert f"Port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_says_what_to_type_next() -> None:
    command = [sys.executable, "-m", "local", "up", "--port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        seen = ""
        give_up = time.monotonic() + 60
        while "receive-message" not in seen and time.monotonic() < give_up:
            seen += process.stdout.readline()
        process.terminate()
    assert "aws s3 cp" in seen
    assert "curl -s http://127.0.0.1:" in seen
