"""``redrive``, ``doctor``, and errors, against the embedded AWS."""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.cli.command import ROOT, zipjobs
from tests.e2e.stack import Client

_, _, _rest = (ROOT / "docs/configuration.md").read_text().partition("lifecycle.json <<'EOF'\n")
LIFECYCLE = _rest.partition("EOF\n")[0]
"""The documented rules for an existing target bucket."""


@pytest.fixture
def dead_letters(client: Client) -> Iterator[str]:
    """Yield the URL of a queue that no function reads."""
    url: str = client.sqs.create_queue(QueueName=f"dead-{uuid.uuid4()}")["QueueUrl"]
    yield url
    client.sqs.delete_queue(QueueUrl=url)


def test_redriven_dead_letters_become_jobs(client: Client, dead_letters: str) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    bucket = client.outputs["manifestBucket"]
    key = f"{client.outputs['manifestPrefix']}{uuid.uuid4()}.text"  # not .json: no event
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

    dry_run = zipjobs(client, "redrive", "--dry-run", **variables)
    assert (dry_run.code, dry_run.out) == (0, "2 messages in the dead-letter queue.\n")
    moved = zipjobs(client, "redrive", "--json", **variables)
    assert moved.code == 0, moved.err
    assert (moved.json["moved"], moved.json["waiting"]) == (2, 0)
    (job_id,) = moved.json["jobs"]
    assert client.finished(job_id)["status"] == "READY"
    again = zipjobs(client, "redrive", **variables)
    assert (again.code, again.out) == (0, "0 messages moved to the job queue.\n")


def test_doctor_has_no_warnings_for_a_complete_stack(client: Client) -> None:
    done = zipjobs(client, "doctor", "--json")
    findings = {one["what"]: one for one in map(json.loads, done.out.splitlines())}
    assert done.code == 0, findings
    other = ("pulumi", "manifest names")  # other tests upload manifests with other names
    health = {name: one["health"] for name, one in findings.items() if name not in other}
    assert set(health.values()) == {"ok"}, findings
    assert {"api", "credentials", "source bucket", "manifest events", "table"} <= set(health)


def test_doctor_prints_failures_with_advice(client: Client) -> None:
    variables = {"ZIPJOBS_SOURCE_BUCKET": "no-such-bucket", "AWS_ACCESS_KEY_ID": "unknown"}
    done = zipjobs(client, "doctor", **variables)
    assert done.code == 1
    assert re.search(r"^fail  api .*403", done.out, re.MULTILINE)
    assert re.search(r"^fail  source bucket .*\(404\)", done.out, re.MULTILINE)
    assert "Check the account and the region" in done.out


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["status", str(uuid.uuid4())], {}, "(404 JOB_NOT_FOUND)"),
        (["list"], {"AWS_ACCESS_KEY_ID": "unknown"}, "(403 FORBIDDEN)"),
        (["list"], {"AWS_SECRET_ACCESS_KEY": "wrong"}, "(403 FORBIDDEN)"),
        (["redrive"], {"ZIPJOBS_DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:1/x"}, "queue"),
        (["download", str(uuid.uuid4())], {}, "(404 JOB_NOT_FOUND)"),
    ],
)
def test_errors_have_exit_code_2_and_no_traceback(
    client: Client, arguments: list[str], variables: dict[str, str], message: str
) -> None:
    done = zipjobs(client, *arguments, **variables)
    assert (done.code, done.out) == (2, "")
    assert message in re.sub(r"[│\s]+", " ", done.err)
    assert "Traceback" not in done.err


def test_doctor_finds_manifests_that_start_no_job(client: Client) -> None:
    key = f"{client.outputs['manifestPrefix']}{uuid.uuid4()}/UPPER.JSON"
    client.s3.put_object(Bucket=client.outputs["manifestBucket"], Key=key, Body=b"{}")
    done = zipjobs(client, "doctor")
    assert re.search(r"warn +manifest names +.* keys do not end with .json, such as ", done.out)
    assert ".JSON is not .json" in done.out


def test_doctor_finds_missing_rules_for_archives_that_expire(client: Client) -> None:
    bucket = f"existing-{uuid.uuid4()}"
    client.s3.create_bucket(Bucket=bucket)
    variables = {"ZIPJOBS_TARGET_BUCKET": bucket, "ZIPJOBS_ARCHIVE_RETENTION_DAYS": "365"}

    def expiry() -> tuple[str, str]:
        done = zipjobs(client, "doctor", "--json", **variables)
        (finding,) = [
            one for one in map(json.loads, done.out.splitlines()) if one["what"] == "archive expiry"
        ]
        return finding["health"], finding["found"]

    assert expiry() == (
        "fail",
        f"no rule deletes {bucket}/zips/ after archiveRetentionDays (365 days)",
    )
    rules = json.loads(LIFECYCLE)["Rules"]
    lifecycle = {"Rules": [rule for rule in rules if rule["ID"] != "expire-after-30-days"]}
    client.s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=lifecycle)
    assert expiry() == ("warn", f"{bucket} has no rule for expiresInDays 30")
    lifecycle = {"Rules": rules}
    client.s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=lifecycle)
    assert expiry() == ("ok", "archives are deleted after 365 days; expiresInDays works")


@pytest.mark.parametrize(
    ("workers", "advice"),
    [(994, r"at least 1,001\. Or set zipperMaxConcurrency to 993\."), (1000, "at least 1,007")],
)
def test_doctor_compares_the_quota_with_the_workers(
    client: Client, workers: int, advice: str
) -> None:
    done = zipjobs(client, "doctor", "--json", ZIPJOBS_ZIPPER_MAX_CONCURRENCY=str(workers))
    findings = {one["what"]: one for one in map(json.loads, done.out.splitlines())}
    assert findings["lambda quota"]["health"] == "warn"
    assert re.search(advice, findings["lambda quota"]["advice"])
