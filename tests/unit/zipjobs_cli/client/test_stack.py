"""Finding the stack: options, environment, local stacks, Pulumi."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.announcement import announced
from zipjobs_cli.client import local_stacks, pulumi
from zipjobs_cli.client.stack import LOCAL_KEY, Stack, StackSelector, find_stack
from zipjobs_cli.errors import CliError, MissingOutput

OUTPUTS = {
    "apiUrl": "https://abc.execute-api.eu-central-1.amazonaws.com",
    "apiAuth": "jwt",
    "region": "eu-central-1",
    "sourceBucket": "source",
    "manifestPrefix": "manifests/",
    "deadLetterQueueUrl": "https://sqs/dead",
    "somethingNew": 1,
}


pytestmark = pytest.mark.usefixtures("bare")


@pytest.fixture
def port() -> Iterator[int]:
    """A port in use."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def announce(folder: Path, url: str, pid: int | None = None, started: float = 1.5) -> None:
    outputs = {**OUTPUTS, "apiUrl": url, "apiAuth": "iam", "awsEndpointUrl": url}
    content = {"pid": pid or os.getpid(), "started": started, "outputs": outputs}
    (folder / f"{pid or os.getpid()}-{started}.json").write_text(json.dumps(content))


def install_pulumi(tmp_path: Path, script: str) -> Path:
    """Install a fake Pulumi. Return the file with its folder and arguments."""
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    calls = tmp_path / "calls"
    program.write_text(f'#!/bin/sh\necho "$PWD: $*" > {calls}\n{script}\n')
    program.chmod(0o755)
    return calls


def test_the_url_of_the_api_is_enough() -> None:
    stack = find_stack(StackSelector(api_url=f"{OUTPUTS['apiUrl']}/"))
    assert stack.api_url == OUTPUTS["apiUrl"]
    assert (stack.api_auth, stack.region) == ("iam", "eu-central-1")
    assert stack.source == "--api-url"
    with pytest.raises(
        MissingOutput, match="sourceBucket .* is not known.*Set ZIPJOBS_SOURCE_BUCKET"
    ):
        stack.require("source_bucket")


def test_the_environment_describes_a_stack(
    monkeypatch: pytest.MonkeyPatch, bare: Path, port: int
) -> None:
    announce(bare, f"http://127.0.0.1:{port}")
    monkeypatch.setenv("ZIPJOBS_API_URL", "http://localhost:1")
    monkeypatch.setenv("ZIPJOBS_SOURCE_BUCKET", "theirs")
    monkeypatch.setenv("ZIPJOBS_TOKEN", "t")
    stack = find_stack()
    assert (stack.api_url, stack.source_bucket) == ("http://localhost:1", "theirs")
    assert (stack.api_auth, stack.token) == ("jwt", "t")
    assert "'t'" not in repr(stack)


def test_the_environment_is_ignored_for_another_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZIPJOBS_API_URL", "http://localhost:1")
    monkeypatch.setenv("ZIPJOBS_SOURCE_BUCKET", "theirs")
    assert find_stack(StackSelector(api_url="http://localhost:1")).source_bucket == "theirs"
    assert find_stack(StackSelector(api_url="http://localhost:2")).source_bucket is None


def test_an_announced_local_stack_is_found(bare: Path, port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    with announced({**OUTPUTS, "apiUrl": url, "apiAuth": "iam", "awsEndpointUrl": url}):
        stack = find_stack()
    assert list(bare.iterdir()) == []
    assert stack.api_url == url
    assert stack.endpoint_url == url
    assert "local stack" in stack.source
    assert stack.require("dead_letter_queue_url") == "https://sqs/dead"
    credentials = stack.credentials()
    assert (credentials.access_key, credentials.secret_key) == (LOCAL_KEY, LOCAL_KEY)
    assert stack.client("s3", 3).meta.endpoint_url == stack.endpoint_url


def test_order_of_several_local_stacks(
    monkeypatch: pytest.MonkeyPatch,
    bare: Path,
    port: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = f"http://127.0.0.1:{port}"
    announce(bare, f"{url}/newer", started=2.5)
    announce(bare, f"{url}/older", started=1.5)
    assert find_stack().api_url == f"{url}/older"
    assert f"2 local stacks are running. Using the one at {url}/older." in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as default:
        default_port = default.getsockname()[1]
        monkeypatch.setattr(local_stacks, "DEFAULT_PORT", default_port)
        announce(bare, f"http://127.0.0.1:{default_port}", started=3.5)
        assert find_stack().api_url == f"http://127.0.0.1:{default_port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"{url}/newer")
        assert find_stack().api_url == f"{url}/newer"


def test_credentials_of_the_environment_override_local_ones(
    monkeypatch: pytest.MonkeyPatch, bare: Path, port: int
) -> None:
    announce(bare, f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert find_stack().credentials().access_key == "mine"


def test_local_stacks_that_ended_are_ignored_with_a_note(
    bare: Path, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    announce(bare, f"http://127.0.0.1:{port}", pid=dead.pid)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        closed_port = closed.getsockname()[1]
    announce(bare, f"http://127.0.0.1:{closed_port}")
    (bare / "cut off.json").write_text('{"pid":')
    with pytest.raises(CliError, match="No stack found"):
        find_stack()
    notes = capsys.readouterr().err
    for pid in (dead.pid, os.getpid()):
        assert f"Process {pid} no longer runs" in notes


def test_the_selected_pulumi_stack_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # Pulumi runs in the folder of this project anyway
    calls = install_pulumi(tmp_path, f"echo '{json.dumps(OUTPUTS)}'")
    stack = find_stack()
    assert (stack.api_auth, stack.region, stack.source_bucket) == ("jwt", "eu-central-1", "source")
    assert stack.source == "selected Pulumi stack"
    assert stack.endpoint_url is None
    where, _, command = calls.read_text().strip().partition(": ")
    assert (Path(where) / "Pulumi.yaml").is_file()
    assert command == "--non-interactive stack output --json"


@pytest.mark.parametrize("by", ["flag", "environment"])
def test_a_named_stack_precedes_a_local_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bare: Path, port: int, by: str
) -> None:
    announce(bare, f"http://127.0.0.1:{port}")
    calls = install_pulumi(tmp_path, f"echo '{json.dumps(OUTPUTS)}'")
    if by == "environment":
        monkeypatch.setenv("ZIPJOBS_STACK", "prod")
    else:
        monkeypatch.setenv("ZIPJOBS_API_URL", "http://localhost:1")
    stack = find_stack(StackSelector(stack="prod" if by == "flag" else None))
    assert stack.source == "Pulumi stack prod"
    assert calls.read_text().strip().endswith("stack output --json --stack prod")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'error: no stack selected' >&2; exit 255", "error: no stack selected"),
        ("echo '{}'", "has no outputs"),
        ("echo hello", "is not JSON"),
        ("""echo '{"bucket": "other"}'""", "no output apiUrl"),
        ("""echo '{"apiUrl": "nonsense"}'""", "not an https:// or http:// URL"),
        ("""echo '{"apiUrl": "http://a", "apiAuth": "magic"}'""", "apiAuth is 'magic'"),
    ],
)
def test_errors_of_pulumi(tmp_path: Path, script: str, message: str) -> None:
    install_pulumi(tmp_path, script)
    with pytest.raises(CliError, match=message):
        find_stack()


def test_pulumi_has_a_timeout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install_pulumi(tmp_path, "exec /bin/sleep 60")
    monkeypatch.setattr(pulumi, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(CliError, match="within 0.2 seconds"):
        find_stack()


def test_the_error_without_a_stack_lists_all_options() -> None:
    with pytest.raises(CliError) as refused:
        find_stack()
    for way in ("--api-url", "ZIPJOBS_API_URL", "make local", "--stack", "ZIPJOBS_STACK", "Pulumi"):
        assert way in str(refused.value)


@pytest.mark.parametrize(
    "url", ["ftp://a", "a.b", "https://", "http://u:p@h", "http://h?q", "http://[", "http://h:x"]
)
def test_invalid_urls_are_rejected(url: str) -> None:
    with pytest.raises(CliError, match="not an https:// or http:// URL"):
        find_stack(StackSelector(api_url=url))


def test_an_unknown_profile_is_an_error() -> None:
    with pytest.raises(CliError, match=r"profile \(nope\) could not be found"):
        find_stack(StackSelector(api_url="http://localhost:1", profile="nope"))


def test_the_error_without_credentials_says_how_to_set_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CliError, match="Set AWS_ACCESS_KEY_ID"):
        Stack("a test", "http://localhost:1").credentials()


def test_the_error_without_a_region_says_how_to_set_it() -> None:
    stack = find_stack(StackSelector(api_url="http://localhost:1"))
    with pytest.raises(MissingOutput, match="region .* is not known.*Set AWS_REGION"):
        stack.client("s3")


def test_options_override_the_outputs(bare: Path, port: int) -> None:
    announce(bare, f"http://127.0.0.1:{port}")
    stack = find_stack(StackSelector(region="sa-east-1", token="t"))
    assert (stack.region, stack.token) == ("sa-east-1", "t")


def test_url_and_name_exclude_each_other() -> None:
    with pytest.raises(CliError, match="not both"):
        find_stack(StackSelector(api_url="http://localhost:1", stack="dev"))
