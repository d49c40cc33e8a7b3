"""Checks of doctor without a stack, or with an incomplete one."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.support.http_server import ScriptedServer, closed_port, reply, response
from zipjobs_cli.checks.health import Finding, Health, examine
from zipjobs_cli.client.stack import StackSelector

PAGE = json.dumps({"jobs": [], "nextCursor": None}).encode()

pytestmark = pytest.mark.usefixtures("bare")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer(reply(response(PAGE)))
    yield server
    server.close()


@pytest.fixture(autouse=True)
def settings(bare: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API without authorization, and no AWS credentials."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("ZIPJOBS_API_AUTH", "none")


def findings_for(selector: StackSelector) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(selector)}


def test_without_a_stack_the_advice_says_how_to_name_one() -> None:
    findings = findings_for(StackSelector())
    assert findings["stack"].health is Health.FAIL
    assert "ZIPJOBS_API_URL" in findings["stack"].advice
    assert findings["python"].health is Health.OK
    assert findings["pulumi"].health is Health.WARN
    assert "api" not in findings


def test_an_open_api_needs_no_aws_credentials(server: ScriptedServer) -> None:
    findings = findings_for(StackSelector(api_url=server.url, region="eu-west-1"))
    assert findings["api"].health is Health.OK
    assert findings["credentials"].health is Health.WARN
    assert "does not require them" in findings["credentials"].advice
    assert "source bucket" not in findings


def test_an_api_that_does_not_respond_fails() -> None:
    with closed_port() as port:
        findings = findings_for(StackSelector(api_url=f"http://127.0.0.1:{port}"))
    assert findings["api"].health is Health.FAIL
    assert "does not respond" in findings["api"].found


@pytest.mark.parametrize(("minutes", "word"), [(-9, "ahead"), (9, "behind")])
def test_a_wrong_clock_fails(server: ScriptedServer, minutes: int, word: str) -> None:
    server_time = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    server.follow(reply(response(PAGE, 200, {"Date": server_time})))
    clock = findings_for(StackSelector(api_url=server.url))["clock"]
    assert clock.health is Health.FAIL
    assert clock.found.endswith(f"seconds {word}")


def test_unknown_outputs_are_warnings(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = (
        b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::1:user/me</Arn>"
        b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    server.follow(reply(response(PAGE)), reply(response(identity)))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    findings = findings_for(StackSelector(api_url=server.url, region="eu-west-1"))
    assert findings["credentials"].found == "arn:aws:iam::1:user/me"
    for what in ("source bucket", "manifest events", "table", "job queue", "event bus"):
        assert findings[what].health is Health.WARN
        assert findings[what].found == "not known"
        assert "Set ZIPJOBS_" in findings[what].advice
