"""What keeps a stack well, and what the command line says where something cannot be done."""

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
    """A queue of dead letters that no function looks at."""
    url: str = client.sqs.create_queue(QueueName=f"dead-{uuid.uuid4()}")["QueueUrl"]
    yield url
    client.sqs.delete_queue(QueueUrl=url)


def test_dead_letters_go_back_and_become_jobs(client: Client, dead_letters: str) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    bucket = client.outputs["manifestBucket"]
    key = f"{client.outputs['manifestPrefix']}{uuid.uuid4()}.text"  # which by itself is no event
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
    told = {"ZIPJOBS_DEAD_LETTER_QUEUE_URL": dead_letters}

    looked = piped(client, "", "redrive", "--dry-run", **told)
    assert (looked.code, looked.out) == (0, "2 dead letters wait.\n")
    moved = piped(client, "", "redrive", "--json", **told)
    assert moved.code == 0, moved.err
    assert (moved.json["moved"], moved.json["waiting"]) == (2, 0)
    (job_id,) = moved.json["jobs"]
    assert client.finished(job_id)["status"] == "READY"
    again = piped(client, "", "redrive", **told)
    assert (again.code, again.out) == (0, "0 messages moved to the job queue.\n")


def test_doctor_finds_a_stack_healthy(client: Client) -> None:
    done = typed(client, "doctor", "--json")
    findings = {one["what"]: one for one in map(json.loads, done.out.splitlines())}
    assert done.code == 0, findings
    health = {what: one["health"] for what, one in findings.items() if what != "pulumi"}
    assert set(health.values()) == {"ok"}, findings
    assert {"api", "credentials", "source bucket", "manifest events", "table"} <= set(health)


def test_doctor_names_what_is_wrong(client: Client) -> None:
    told = {"ZIPJOBS_SOURCE_BUCKET": "no-such-bucket", "AWS_ACCESS_KEY_ID": "nobody"}
    done = piped(client, "", "doctor", **told)
    assert done.code == 1
    assert re.search(r"^fail  api .*403", done.out, re.MULTILINE)
    assert re.search(r"^fail  source bucket .*\(404\)", done.out, re.MULTILINE)
    assert "was it deleted, or is this another account or region?" in done.out


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["status", str(uuid.uuid4())], {}, "(404 JOB_NOT_FOUND)"),
        (["status", "x"], {}, "'x' is no job's id"),
        (["list"], {"AWS_ACCESS_KEY_ID": "nobody"}, "(403 FORBIDDEN)"),
        (["list"], {"AWS_SECRET_ACCESS_KEY": "wrong"}, "(403 FORBIDDEN)"),
        (["list", "--api-url", "nonsense"], {}, "--api-url is 'nonsense'"),
        (["list", "--profile", "nope"], {}, "profile (nope) could not be found"),
        (["submit"], {}, "say what to zip in one way"),
        (["submit", "a", "--prefix", "b"], {}, "say what to zip in one way"),
        (["submit", "--from", "/nope"], {}, "/nope cannot be read"),
        (["submit", "a", "--compression", "zstd"], {}, "'zstd' is not one of"),
        (["redrive"], {"ZIPJOBS_QUEUE_URL": ""}, "does not tell its queueUrl"),
        (["redrive"], {"ZIPJOBS_DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:1/x"}, "queue"),
        (["download", str(uuid.uuid4())], {}, "(404 JOB_NOT_FOUND)"),
        (["watch", "x"], {}, "'x' is no job's id"),
        (["docs", "--port", "99999"], {}, "less than or equal to 65535"),
    ],
)
def test_what_cannot_be_done_is_exit_code_2_and_no_traceback(
    client: Client, arguments: list[str], variables: dict[str, str], said: str
) -> None:
    done = piped(client, "", *arguments, **variables)
    assert (done.code, done.out) == (2, "")
    assert said in re.sub(r"[│\s]+", " ", done.err)
    assert "Traceback" not in done.err


def test_the_page_is_opened_through_a_proxy_that_signs(client: Client) -> None:
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


def test_a_local_stack_is_found_by_itself(tmp_path: Path) -> None:
    """As ``make local`` starts it: the command line needs no settings at all."""
    told = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ZIPJOBS_LOCAL": str(tmp_path)}
    up = [sys.executable, "-m", "local", "up", "--port", "0", "--json"]
    with subprocess.Popen(
        up, cwd=ROOT, env=told, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as stack:
        assert stack.stdout is not None
        outputs = json.loads(stack.stdout.readline())
        assert (tmp_path / f"{stack.pid}.json").exists()
        done = subprocess.run(
            [sys.executable, "-m", "zipjobs_cli", "doctor", "--json"],
            cwd=ROOT,
            env=told,
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
