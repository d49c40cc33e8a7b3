"""``python -m local up``: what a script or a person starts and ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.e2e.stack import curl, local_up
from tests.support.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
OUTPUTS = {
    "apiAuth",
    "apiUrl",
    "awsEndpointUrl",
    "dashboardName",
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
    "customerKeyArn",
    "zipperRoleArn",
}


def free_port() -> int:
    """A port that is free, and whose neighbour is."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            try:
                other.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_one_json_line_and_stops_all_its_processes(
    stop: signal.Signals,
) -> None:
    port = free_port()
    command = [sys.executable, "-m", "local", "up", "--port", str(port), "--json"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            outputs = json.loads(process.stdout.readline())
            assert set(outputs) == OUTPUTS
            assert outputs["awsEndpointUrl"] == f"http://127.0.0.1:{port}"
            with urllib.request.urlopen(outputs["awsEndpointUrl"]) as answer:
                assert answer.status == 200
            family = psutil.Process(process.pid).children(recursive=True)
            assert family
        except BaseException:
            process.terminate()  # nobody else would end it
            raise
        if stop is signal.SIGINT:  # as a terminal does it: to the whole group
            os.killpg(process.pid, stop)
        else:
            process.send_signal(stop)
        rest = process.stdout.read()
        errors = process.stderr.read()
        assert process.wait(PATIENCE_SECONDS) == 0
    assert rest == b""
    assert b"Traceback" not in errors
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
    assert alive == []


def test_port_in_use_is_reported() -> None:
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


def test_it_prints_the_next_commands() -> None:
    command = [sys.executable, "-m", "local", "up", "--port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        seen = ""
        while "receive-message" not in seen and (line := process.stdout.readline()):
            seen += line
        process.terminate()
    assert "aws s3 cp" in seen
    assert "apiAuth: iam" in seen
    signed = (
        'curl -s --aws-sigv4 "aws:amz:us-east-1:execute-api" --user local:local http://127.0.0.1:'
    )
    assert signed in seen


def test_every_server_refuses_foreign_pages() -> None:
    with local_up("apiAuth=none") as (outputs, _):
        (process,) = [child for child in psutil.Process().children() if "local" in child.cmdline()]
        ports = {
            connection.laddr.port
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        of_aws_and_api = {urlsplit(outputs[name]).port for name in ("awsEndpointUrl", "apiUrl")}
        assert ports > of_aws_and_api, "each function has a Runtime API, too"
        for port in ports:
            for header in ("Origin: https://evil.example", "Host: evil.example"):
                assert curl(f"http://127.0.0.1:{port}/zip-jobs", "-H", header)[0] == 403
        assert curl(f"{outputs['apiUrl']}/zip-jobs", "-H", "Origin: http://localhost:1")[0] == 200
