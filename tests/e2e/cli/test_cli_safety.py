"""Operating a stack on the command line, and errors, against the embedded AWS."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cli.command import ROOT, begun, piped, typed
from tests.e2e.stack import Client
from tests.support.waiting import PATIENCE_SECONDS


@pytest.fixture
def dead_letters(client: Client) -> Iterator[str]:
    """A dead-letter queue without a function."""
    url: str = client.sqs.create_queue(QueueName=f"dead-{uuid.uuid4()}")["QueueUrl"]
    yield url
    client.sqs.delete_queue(QueueUrl=url)


def test_redriven_dead_letters_become_jobs(client: Client, dead_letters: str) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    bucket = client.outputs["manifestBucket"]
    key = (
        f"{client.outputs['manifestPrefix']}{uuid.uuid4()}.text"  # not .json, so S3 sends no event
    )
    body = json.dumps({"keys": [prefix + "one.pdf"]}).encode()
    put = client.s3.put_object(Bucket=bucket, Key=key, Body=body)
    event: dict[str, Any] = json.loads(
        (ROOT / "tests/support/events/object_created.json").read_text()
    )
    event["detail"]["bucket"]["name"] = bucket
    event["detail"]["object"] = {
        "key": key,
        "etag": put["ETag"].strip('"'),
        "version-id": put["VersionId"],
        "sequencer": "0",
    }
    for text in (json.dumps(event), "nonsense"):
        client.sqs.send_message(QueueUrl=dead_letters, MessageBody=text)
    variables = {"ZIPJOBS_DEAD_LETTER_QUEUE_URL": dead_letters}

    looked = piped(client, "", "redrive", "--dry-run", **variables)
    assert (looked.code, looked.out) == (0, "2 messages in the dead-letter queue.\n")
    moved = piped(client, "", "redrive", "--json", **variables)
    assert moved.code == 0, moved.err
    assert (moved.json["moved"], moved.json["waiting"]) == (2, 0)
    (job_id,) = moved.json["jobs"]
    assert client.finished(job_id)["status"] == "READY"
    again = piped(client, "", "redrive", **variables)
    assert (again.code, again.out) == (0, "0 messages moved to the job queue.\n")


def test_doctor_has_no_warnings_for_a_complete_stack(client: Client) -> None:
    done = typed(client, "doctor", "--json")
    findings = {one["what"]: one for one in map(json.loads, done.out.splitlines())}
    assert done.code == 0, findings
    health = {what: one["health"] for what, one in findings.items() if what != "pulumi"}
    assert set(health.values()) == {"ok"}, findings
    assert {"api", "credentials", "source bucket", "manifest events", "table"} <= set(health)


def test_doctor_prints_failures_with_advice(client: Client) -> None:
    variables = {"ZIPJOBS_SOURCE_BUCKET": "no-such-bucket", "AWS_ACCESS_KEY_ID": "nobody"}
    done = piped(client, "", "doctor", **variables)
    assert done.code == 1
    assert re.search(r"^fail  api .*403", done.out, re.MULTILINE)
    assert re.search(r"^fail  source bucket .*\(404\)", done.out, re.MULTILINE)
    assert "Check the account and the region" in done.out


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["status", str(uuid.uuid4())], {}, "(404 JOB_NOT_FOUND)"),
        (["list"], {"AWS_ACCESS_KEY_ID": "nobody"}, "(403 FORBIDDEN)"),
        (["list"], {"AWS_SECRET_ACCESS_KEY": "wrong"}, "(403 FORBIDDEN)"),
        (["redrive"], {"ZIPJOBS_DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:1/x"}, "queue"),
        (["download", str(uuid.uuid4())], {}, "(404 JOB_NOT_FOUND)"),
    ],
)
def test_errors_have_exit_code_2_and_no_traceback(
    client: Client, arguments: list[str], variables: dict[str, str], message: str
) -> None:
    done = piped(client, "", *arguments, **variables)
    assert (done.code, done.out) == (2, "")
    assert message in re.sub(r"[│\s]+", " ", done.err)
    assert "Traceback" not in done.err


def test_docs_serves_the_page_and_signs_requests(client: Client) -> None:
    with begun(client, "docs", "--no-browser", "--json") as proxy:
        assert proxy.stdout is not None
        url = json.loads(proxy.stdout.readline())["url"]
        origin = url.partition("/open")[0]
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with browser.open(url) as opened:
            assert b"url=/docs" in opened.read()
        with browser.open(f"{origin}/docs") as page:
            assert b"swagger-ui" in page.read()
        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            browser.open(url)
        assert b"Run `python -m zipjobs_cli docs` again." in refused.value.read()
        with browser.open(f"{origin}/zip-jobs?limit=1") as answer:
            assert len(json.load(answer)["jobs"]) <= 1
        proxy.send_signal(signal.SIGINT)
        _, errors = proxy.communicate(timeout=PATIENCE_SECONDS)
    assert proxy.returncode == 0
    assert "Traceback" not in errors


def test_a_local_stack_is_found_without_settings(tmp_path: Path) -> None:
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ZIPJOBS_LOCAL": str(tmp_path)}
    up = [sys.executable, "-m", "local", "up", "--port", "0", "--json"]
    with subprocess.Popen(
        up, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as stack:
        assert stack.stdout is not None
        outputs = json.loads(stack.stdout.readline())
        assert (tmp_path / f"{stack.pid}.json").exists()
        done = subprocess.run(
            [sys.executable, "-m", "zipjobs_cli", "doctor", "--json"],
            cwd=ROOT,
            env=variables,
            capture_output=True,
            check=False,
            text=True,
        )
        stack.send_signal(signal.SIGTERM)
        stack.wait(PATIENCE_SECONDS)
    findings = {one["what"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, findings
    assert outputs["apiUrl"] in findings["stack"]["found"]
    assert f"process {stack.pid}" in findings["stack"]["found"]
    assert list(tmp_path.glob("*.json")) == []
