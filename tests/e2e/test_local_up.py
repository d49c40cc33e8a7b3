"""``python -m local up``: its output, its end, its errors, and stacks with other settings."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import yaml

from local.__main__ import main
from local.faults.plan import FaultPlan
from tests.e2e.stack import ROOT, Client, background, curl
from tests.support.waiting import WAIT_SECONDS, wait_for

UP = (sys.executable, "-m", "local", "up")
SEED = 7
OUTPUTS = {
    "apiAuth",
    "apiUrl",
    "awsEndpointUrl",
    "dashboardName",
    "region",
    "sourceBucket",
    "targetBucket",
    "targetPrefix",
    "archiveRetentionDays",
    "manifestBucket",
    "manifestPrefix",
    "tableName",
    "queueUrl",
    "deadLetterQueueUrl",
    "eventBusName",
    "eventsQueueUrl",
    "customerKeyArn",
    "zipperRoleArn",
    "zipperMaxConcurrency",
}


def free_port() -> int:
    """Return a free port whose next port is free, too.

    The kernel gives no other process one of these ports: they are below those for connections.
    """
    for port in range(20_000 + os.getpid() % 10_000, 32_000, 2):
        with socket.socket() as one, socket.socket() as other, suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no port is free")


def stop(process: "subprocess.Popen[str]", by: signal.Signals) -> tuple[str, str]:
    """Stop a stack. Return the rest of its output and errors, after all its processes ended."""
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    if by is signal.SIGINT:
        os.killpg(process.pid, by)  # a terminal sends it to the whole group
    else:
        process.send_signal(by)
    out, errors = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(family, timeout=WAIT_SECONDS)
    assert alive == []
    return out, errors


def test_json_is_one_line_and_sigterm_stops_all_processes() -> None:
    port = free_port()
    command = [*UP, "--port", str(port), "--json", "--faults", "random", "--seed", str(SEED)]
    with background(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        outputs = json.loads(process.stdout.readline())
        assert set(outputs) == OUTPUTS
        assert outputs["awsEndpointUrl"] == f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(outputs["awsEndpointUrl"]) as response:
            assert response.status == 200
        out, errors = stop(process, signal.SIGTERM)
    assert out == ""
    plan, _, _ = errors.partition("\n\n")
    assert FaultPlan.model_validate(yaml.safe_load(plan)) == FaultPlan.random(SEED)


def test_it_prints_next_commands_and_stops_on_ctrl_c() -> None:
    command = [*UP, "--port", "0"]
    with background(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        printed = ""
        while "receive-message" not in printed and (line := process.stdout.readline()):
            printed += line
        stop(process, signal.SIGINT)
    assert "aws s3 cp" in printed
    assert "apiAuth: iam" in printed
    signed = (
        'curl -s --aws-sigv4 "aws:amz:us-east-1:execute-api" --user local:local http://127.0.0.1:'
    )
    assert signed in printed


# Errors


def failed_up(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run([*UP, *arguments], cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "70000"], "'70000' must be a port number from 0 to 65534"),
        (["--port", "-1"], "'-1' must be a port number from 0 to 65534"),
        (["--set", "apiAuth"], "'apiAuth' must have the form NAME=VALUE"),
        (["--seed", "1"], "--seed requires --faults"),
    ],
)
def test_invalid_options_are_reported(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["local", "up", *arguments])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert message in " ".join(capsys.readouterr().err.split())


def test_invalid_setting_is_reported() -> None:
    done = failed_up("--port", "0", "--set", "apiAuth=open")
    message = 'Setting apiAuth is "open", but it must be iam, jwt or none.'
    assert message in " ".join(done.stderr.split())


def test_invalid_fault_plan_is_reported(tmp_path: Path) -> None:
    plan = tmp_path / "bad.yaml"
    plan.write_text("faults: [{service: s3, operaton: GetObject, reset: true}]")
    done = failed_up("--port", "0", "--faults", plan)
    assert f"{plan}: faults[0].operaton is unknown. The fields are service" in done.stderr


def test_port_in_use_is_reported() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = failed_up("--port", str(port))
    assert f"Port {port}" in done.stderr


# A stack with apiAuth=none


def test_api_auth_none_allows_everyone_and_warns(open_stack: Client) -> None:
    url = open_stack.outputs["apiUrl"]
    assert open_stack.outputs["apiAuth"] == "none"
    status, _, job = curl(f"{url}/zip-jobs", "-d", '{"keys": ["none.pdf"], "onMissing": "skip"}')
    assert status == 202, job
    assert curl(f"{url}/zip-jobs/{job['jobId']}")[0] == 200
    warning = "apiAuth is none: anyone who knows the API's URL can submit jobs"
    wait_for("the warning", lambda: any(warning in line for line in open_stack.log) or None)


def test_every_server_refuses_requests_of_foreign_pages(open_stack: Client) -> None:
    outputs = open_stack.outputs
    known = {urlsplit(outputs[name]).port for name in ("awsEndpointUrl", "apiUrl")}
    ports = next(
        ports for ports in map(listening_ports, psutil.Process().children()) if known & ports
    )
    assert ports > known, "each function has a Runtime API, too"
    for port in ports:
        for header in ("Origin: https://evil.example", "Host: evil.example"):
            assert curl(f"http://127.0.0.1:{port}/zip-jobs", "-H", header)[0] == 403
    assert curl(f"{outputs['apiUrl']}/zip-jobs", "-H", "Origin: http://localhost:1")[0] == 200


def listening_ports(process: psutil.Process) -> set[int]:
    return {
        connection.laddr.port
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
