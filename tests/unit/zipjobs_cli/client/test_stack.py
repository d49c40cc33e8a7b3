"""How a command finds its stack: by flags, the environment, itself, or Pulumi; in this order."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    """One that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def leave_word(folder: Path, url: str, pid: int | None = None, started: float = 1.5) -> None:
    outputs = {**OUTPUTS, "apiUrl": url, "apiAuth": "iam", "awsEndpointUrl": url}
    word = {"pid": pid or os.getpid(), "started": started, "outputs": outputs}
    (folder / f"{pid or os.getpid()}-{started}.json").write_text(json.dumps(word))


def install_pulumi(tmp_path: Path, script: str) -> Path:
    """A program of that name, which writes down what it was asked."""
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    asked = tmp_path / "asked"
    program.write_text(f'#!/bin/sh\necho "$PWD: $*" > {asked}\n{script}\n')
    program.chmod(0o755)
    return asked


def test_an_address_is_enough() -> None:
    stack = find_stack(StackSelector(api_url=f"{OUTPUTS['apiUrl']}/"))
    assert stack.api_url == OUTPUTS["apiUrl"]
    assert (stack.api_auth, stack.region) == ("iam", "eu-central-1")
    assert stack.found == "--api-url"
    with pytest.raises(
        MissingOutput, match="does not tell its sourceBucket. Set ZIPJOBS_SOURCE_BUCKET"
    ):
        stack.need("source_bucket")


def test_the_environment_tells_all(monkeypatch: pytest.MonkeyPatch, bare: Path, port: int) -> None:
    leave_word(bare, f"http://127.0.0.1:{port}")
    monkeypatch.setenv("ZIPJOBS_API_URL", "http://localhost:1")
    monkeypatch.setenv("ZIPJOBS_SOURCE_BUCKET", "theirs")
    monkeypatch.setenv("ZIPJOBS_TOKEN", "t")
    stack = find_stack()
    assert (stack.api_url, stack.source_bucket) == ("http://localhost:1", "theirs")
    assert (stack.api_auth, stack.token) == ("jwt", "t")
    assert "'t'" not in repr(stack)


def test_what_the_environment_tells_of_one_stack_is_not_said_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZIPJOBS_API_URL", "http://localhost:1")
    monkeypatch.setenv("ZIPJOBS_SOURCE_BUCKET", "theirs")
    assert find_stack(StackSelector(api_url="http://localhost:1")).source_bucket == "theirs"
    assert find_stack(StackSelector(api_url="http://localhost:2")).source_bucket is None


def test_a_local_stack_is_found_by_itself(bare: Path, port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    leave_word(bare, url)
    stack = find_stack()
    assert stack.api_url == url
    assert stack.endpoint_url == url
    assert "local stack" in stack.found
    assert stack.need("dead_letter_queue_url") == "https://sqs/dead"
    credentials = stack.credentials()
    assert (credentials.access_key, credentials.secret_key) == (LOCAL_KEY, LOCAL_KEY)
    assert stack.client("s3", 3).meta.endpoint_url == stack.endpoint_url


def test_of_several_it_is_that_of_the_aws_cli_or_on_the_default_port_or_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
    bare: Path,
    port: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = f"http://127.0.0.1:{port}"
    leave_word(bare, f"{url}/newer", started=2.5)
    leave_word(bare, f"{url}/older", started=1.5)
    assert find_stack().api_url == f"{url}/older"
    assert (
        f"2 local stacks run here; this is about the one at {url}/older. "
        in capsys.readouterr().err
    )
    with socket.create_server(("127.0.0.1", 0)) as usual:
        usual_port = usual.getsockname()[1]
        monkeypatch.setattr(local_stacks, "DEFAULT_PORT", usual_port)
        leave_word(bare, f"http://127.0.0.1:{usual_port}", started=3.5)
        assert find_stack().api_url == f"http://127.0.0.1:{usual_port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"{url}/newer")
        assert find_stack().api_url == f"{url}/newer"


def test_a_local_stack_takes_the_credentials_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, bare: Path, port: int
) -> None:
    leave_word(bare, f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert find_stack().credentials().access_key == "mine"


def test_a_local_stack_that_died_is_passed_over_with_a_word(
    bare: Path, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    leave_word(bare, f"http://127.0.0.1:{port}", pid=dead.pid)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        closed_port = closed.getsockname()[1]
    leave_word(bare, f"http://127.0.0.1:{closed_port}")
    (bare / "cut off.json").write_text('{"pid":')
    with pytest.raises(CliError, match="No stack was found"):
        find_stack()
    words = capsys.readouterr().err
    assert f"process {dead.pid} has ended unheard" in words
    assert f"process {os.getpid()} has ended unheard" in words


def test_pulumi_is_asked_for_the_stack_that_is_selected(tmp_path: Path) -> None:
    asked = install_pulumi(tmp_path, f"echo '{json.dumps(OUTPUTS)}'")
    stack = find_stack()
    assert (stack.api_auth, stack.region, stack.source_bucket) == ("jwt", "eu-central-1", "source")
    assert stack.found == "Pulumi's selected stack"
    assert stack.endpoint_url is None
    where, _, command = asked.read_text().strip().partition(": ")
    assert (Path(where) / "Pulumi.yaml").is_file()
    assert command == "--non-interactive stack output --json"


@pytest.mark.parametrize("by", ["flag", "environment"])
def test_a_named_stack_comes_before_a_local_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bare: Path, port: int, by: str
) -> None:
    leave_word(bare, f"http://127.0.0.1:{port}")
    asked = install_pulumi(tmp_path, f"echo '{json.dumps(OUTPUTS)}'")
    if by == "environment":
        monkeypatch.setenv("ZIPJOBS_STACK", "prod")
    else:
        monkeypatch.setenv("ZIPJOBS_API_URL", "http://localhost:1")
    stack = find_stack(StackSelector(stack="prod" if by == "flag" else None))
    assert stack.found == "Pulumi's stack prod"
    assert asked.read_text().strip().endswith("stack output --json --stack prod")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'error: no stack selected' >&2; exit 255", "Pulumi says: error: no stack selected"),
        ("echo '{}'", "has no outputs"),
        ("echo hello", "is not JSON"),
        ("""echo '{"bucket": "other"}'""", "no apiUrl"),
        ("""echo '{"apiUrl": "nonsense"}'""", "no address of an API"),
        ("""echo '{"apiUrl": "http://a", "apiAuth": "magic"}'""", "'magic' is no way to sign in"),
    ],
)
def test_what_pulumi_cannot_tell_is_a_clear_error(tmp_path: Path, script: str, said: str) -> None:
    install_pulumi(tmp_path, script)
    with pytest.raises(CliError, match=said):
        find_stack()


def test_pulumi_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_pulumi(tmp_path, "exec /bin/sleep 60")
    monkeypatch.setattr(pulumi, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(CliError, match="Pulumi did not tell of a stack in 0.2 seconds"):
        find_stack()


def test_where_nothing_is_found_all_ways_are_told() -> None:
    with pytest.raises(CliError) as refused:
        find_stack()
    for way in ("--api-url", "ZIPJOBS_API_URL", "make local", "--stack", "ZIPJOBS_STACK", "Pulumi"):
        assert way in str(refused.value)


@pytest.mark.parametrize(
    "url", ["ftp://a", "a.b", "https://", "http://u:p@h", "http://h?q", "http://[", "http://h:x"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(CliError, match="no address of an API"):
        find_stack(StackSelector(api_url=url))


def test_a_profile_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(CliError, match=r"profile \(nope\) could not be found"):
        find_stack(StackSelector(api_url="http://localhost:1", profile="nope"))


def test_without_credentials_it_is_said_how_to_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CliError, match="There are no AWS credentials. Set AWS_ACCESS_KEY_ID"):
        Stack("a test", "http://localhost:1").credentials()


def test_without_a_region_it_is_said_how_to_name_one() -> None:
    stack = find_stack(StackSelector(api_url="http://localhost:1"))
    with pytest.raises(MissingOutput, match="does not tell its region. Set AWS_REGION"):
        stack.client("s3")


def test_flags_come_before_what_is_found(bare: Path, port: int) -> None:
    leave_word(bare, f"http://127.0.0.1:{port}")
    stack = find_stack(StackSelector(region="sa-east-1", token="t"))
    assert (stack.region, stack.token) == ("sa-east-1", "t")


def test_an_address_and_a_name_are_not_given_both() -> None:
    with pytest.raises(CliError, match="not both"):
        find_stack(StackSelector(api_url="http://localhost:1", stack="dev"))
