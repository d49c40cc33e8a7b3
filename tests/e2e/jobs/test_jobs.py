"""Jobs from request to download, with the API and with manifests."""

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.stack import MAX_RECEIVE_COUNT, Client
from tests.support.readers import READERS, Contents
from tests.support.waiting import wait_for

MIB = 1024 * 1024
EVENTS = Path(__file__).parents[2] / "support/events"
CONTENTS = {
    "a/report.pdf": b"first report",
    "b/report.pdf": b"second report",
    "b/größe.pdf": b"umlauts",
    "b/empty.pdf": b"",
    "c/large.pdf": random.Random(1).randbytes(13 * MIB),
    "c/copied.pdf": random.Random(2).randbytes(21 * MIB),
}
MEMBERS = {
    "report.pdf": CONTENTS["a/report.pdf"],
    "report (2).pdf": CONTENTS["b/report.pdf"],
    "größe.pdf": CONTENTS["b/größe.pdf"],
    "empty.pdf": b"",
    "large.pdf": CONTENTS["c/large.pdf"],
    "copied.pdf": CONTENTS["c/copied.pdf"],
}


def test_posted_job_becomes_a_downloadable_zip(client: Client, tmp_path: Path) -> None:
    prefix = client.put_sources(CONTENTS)
    keys = [prefix + key for key in CONTENTS]
    status, headers, response = client.curl("/zip-jobs", "-d", json.dumps({"keys": keys}))
    assert status == 202
    assert response == {"jobId": response["jobId"], "status": "PENDING"}
    assert headers["location"] == f"/zip-jobs/{response['jobId']}"

    job = client.finished(response["jobId"])
    assert job["status"] == "READY"
    assert job["trigger"] == "api"
    assert job["manifest"] is None
    assert job["entries"] == {"done": 6, "total": 6}
    assert job["bytes"]["done"] == job["bytes"]["total"] == sum(map(len, CONTENTS.values()))
    assert job["targetBucket"] == client.outputs["targetBucket"]
    assert job["targetKey"] == f"zips/{job['jobId']}.zip"
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in job["downloadUrl"]
    assert job["downloadUrlExpiresAt"] > job["updatedAt"]
    assert client.download(job, tmp_path).name == f"{job['jobId']}.zip"


@pytest.fixture(scope="module")
def archive(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Download the archive of a job with all objects."""
    prefix = client.put_sources(CONTENTS)
    job = client.finished(client.post({"keys": [prefix + key for key in CONTENTS]}))
    return client.download(job, tmp_path_factory.mktemp("download"))


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_every_reader_finds_the_requested_entries(
    archive: Path, tmp_path: Path, reader: Callable[[Path, Path], Contents]
) -> None:
    assert reader(archive, tmp_path / "extracted") == MEMBERS


def test_manifest_uploaded_with_aws_cli_becomes_a_zip(client: Client, tmp_path: Path) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    manifest = tmp_path / "q3 invoices.json"
    manifest.write_text(json.dumps({"keys": [f"{prefix}one.pdf"]}))
    folder = f"s3://{client.outputs['manifestBucket']}/{client.outputs['manifestPrefix']}"
    client.aws("s3", "cp", str(manifest), folder)

    event = client.event_of_manifest("manifests/q3 invoices.json")
    assert event["source"] == "s3-zip-jobs"
    assert event["detail-type"] == "Zip Job Ready"
    assert "X-Amz" not in json.dumps(event)
    job = client.finished(event["detail"]["jobId"])
    assert job["trigger"] == "manifest"
    assert job["manifest"]["key"] == "manifests/q3 invoices.json"
    (tmp_path / "download").mkdir()
    assert client.download(job, tmp_path / "download").name == "q3 invoices.zip"


def test_missing_key_fails_the_job_and_leaves_no_upload(client: Client) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    job = client.finished(client.post({"keys": [f"{prefix}one.pdf", f"{prefix}gone.pdf"]}))
    assert job["status"] == "FAILED"
    assert job["error"]["code"] == "SOURCE_NOT_FOUND"
    assert f"{prefix}gone.pdf" in job["error"]["message"]
    assert "downloadUrl" not in job
    event = client.event(lambda detail: detail["jobId"] == job["jobId"])
    assert event["detail-type"] == "Zip Job Failed"
    assert event["detail"]["error"] == job["error"]
    assert client.uploads() == []


def test_invalid_manifest_is_a_failed_job_with_an_event(client: Client) -> None:
    event = client.event_of_manifest(client.upload_manifest(b"not json"))
    assert event["detail"]["error"]["code"] == "INVALID_MANIFEST"
    assert client.finished(event["detail"]["jobId"])["status"] == "FAILED"


def test_event_delivered_three_times_makes_one_archive(client: Client) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    bucket, key = client.outputs["manifestBucket"], f"{client.outputs['manifestPrefix']}thrice.json"
    response = client.s3.put_object(
        Bucket=bucket, Key=key, Body=json.dumps({"keys": [f"{prefix}one.pdf"]}).encode()
    )
    event = json.loads((EVENTS / "object_created.json").read_text())
    event["detail"]["bucket"]["name"] = bucket
    event["detail"]["object"] |= {"key": key, "version-id": response["VersionId"]}
    for _ in range(2):
        client.sqs.send_message(QueueUrl=client.outputs["queueUrl"], MessageBody=json.dumps(event))

    job_id = client.event_of_manifest(key)["detail"]["jobId"]
    client.end_visibility_timeouts()  # of a duplicate that was received while the job ran
    client.wait_for_empty_queue()
    started = [line for line in client.log if f"Job {job_id}: started" in line]
    events = [e for e in client.poll_events() if e["detail"]["jobId"] == job_id]
    assert (len(started), len(events)) == (1, 1)


def test_manifest_uploaded_again_is_a_new_job(client: Client) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    body = json.dumps({"keys": [f"{prefix}one.pdf"]}).encode()
    key = client.upload_manifest(body, "twice")
    first = client.event_of_manifest(key)["detail"]["jobId"]
    client.upload_manifest(body, "twice")
    second = client.event(
        lambda detail: (detail["manifest"] or {}).get("key") == key and detail["jobId"] != first
    )
    assert second["detail"]["status"] == "READY"


def test_other_objects_start_no_job(client: Client) -> None:
    bucket = client.outputs["manifestBucket"]
    client.s3.put_object(Bucket=bucket, Key="manifests/readme.txt", Body=b"{}")
    client.s3.put_object(Bucket=bucket, Key="other/a.json", Body=b"{}")
    key = client.upload_manifest(b"{}")
    client.event_of_manifest(key)
    keys = {(event["detail"]["manifest"] or {}).get("key") for event in client.poll_events()}
    assert not keys & {"manifests/readme.txt", "other/a.json"}


def test_dead_letter_function_fails_the_job(client: Client) -> None:
    request = {"bucket": client.outputs["manifestBucket"], "key": "requests/x.json"}
    message = {
        "jobId": "given-up",
        "trigger": "api",
        "request": request,
        "submittedAt": "2026-11-23T12:00:00Z",
    }
    client.sqs.send_message(
        QueueUrl=client.outputs["deadLetterQueueUrl"], MessageBody=json.dumps(message)
    )
    event = client.event(lambda detail: detail["jobId"] == "given-up")
    assert event["detail"]["error"]["code"] == "RETRIES_EXHAUSTED"
    assert client.finished("given-up")["status"] == "FAILED"


def test_exhausted_job_fails_with_its_last_error(client: Client) -> None:
    """Reading from a bucket with an invalid name fails, and is retried."""
    message = {
        "jobId": "never-succeeds",
        "trigger": "api",
        "request": {"bucket": "Not A Bucket", "key": "requests/x.json"},
        "submittedAt": "2026-11-23T12:00:00Z",
    }
    client.sqs.send_message(QueueUrl=client.outputs["queueUrl"], MessageBody=json.dumps(message))

    def has_failed(attempt: int) -> bool | None:
        failures = [i for i, line in enumerate(client.log) if "Not A Bucket" in line]
        rest = client.log[failures[attempt] :] if len(failures) > attempt else []
        return any(line.startswith("REPORT") for line in rest) or None

    for attempt in range(MAX_RECEIVE_COUNT):
        wait_for("an attempt to fail", partial(has_failed, attempt))
        client.end_visibility_timeouts()  # skips the retry delay
    event = client.event(lambda detail: detail["jobId"] == "never-succeeds")
    assert event["detail-type"] == "Zip Job Failed"
    assert event["detail"]["error"]["code"] == "RETRIES_EXHAUSTED"
    assert "Not A Bucket" in event["detail"]["error"]["message"]
    attempts = [line for line in client.log if "Job never-succeeds: started" in line]
    assert len(attempts) == MAX_RECEIVE_COUNT


def test_log_has_the_report_lines_of_lambda(client: Client) -> None:
    client.curl("/zip-jobs/nope")
    assert any(line.startswith("START RequestId: ") for line in client.log)
    assert any(line.startswith("END RequestId: ") for line in client.log)
    report = next(line for line in client.log if line.startswith("REPORT RequestId: "))
    assert "Duration: " in report
    assert "Max Memory Used: " in report
