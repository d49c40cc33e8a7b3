"""A scenario of steps that together use each permission of the stack."""

import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from local.faults.plan import FaultPlan
from local.iam.permissions import Evaluation
from tests.e2e.stack import FINAL, STALLED_READ, Client
from tests.support.waiting import wait_for
from zipjobs.archive.parts.sizing import MIB
from zipjobs.jobs.messages import manifest_job_id
from zipjobs.s3.retry import MAX_CHECKS
from zipjobs.s3.target import OWNER_TAG

REJECTED_PART = FaultPlan.parse(
    """
    faults:
    - {service: s3, operation: CompleteMultipartUpload, caller: zipper, times: 1,
       error: {code: InvalidPart, status: 400}}
    """
)
DELAYED = FaultPlan.parse("faults: [{queue: jobs, delay: {seconds: 10}}]")

BUSY_SECONDS = 5
COPIED_BYTES = 17 * MIB
"""From 16 MiB on, the body of an object is copied."""


def run_scenario(client: Client) -> Counter[Evaluation]:
    """Run all steps. Count the evaluated requests."""
    evaluations: Counter[Evaluation] = Counter()
    permissions = client.stack.permissions
    permissions.on_evaluation = lambda evaluation: evaluations.update([evaluation])
    try:
        for step in STEPS:
            step(client)
    finally:
        client.stack.faults.clear()
        permissions.on_evaluation = lambda evaluation: None
    return evaluations


def restart_functions(client: Client) -> None:
    """Each then assumes its role and creates a log stream."""
    for function in client.stack.functions.values():
        for environment in list(function._all):
            environment.kill()
            environment._process.wait()


def request_the_api_description(client: Client) -> None:
    for path in ("/docs", "/openapi.json"):
        assert client.curl(path)[0] == 200


def submit_and_download(client: Client) -> None:
    """From an object with and one without a version. The status function signs the links."""
    source = client.outputs["sourceBucket"]
    prefix = client.put_sources({"one.pdf": b"one"})
    with versioned(client, source):
        put = client.s3.put_object(Bucket=source, Key=f"{prefix}two.pdf", Body=b"two")
    entries = [{"key": f"{prefix}one.pdf"}, {"key": f"{prefix}two.pdf"}]
    entries[1]["versionId"] = put["VersionId"]
    job = client.finished(client.post({"entries": entries, "tags": {"team": "accounting"}}))
    assert job["status"] == "READY", job
    assert client.curl(job["archives"][0]["receiptUrl"])[0] == 200
    status, _, page = client.curl("/zip-jobs")
    assert status == 200
    assert job["jobId"] in {found["jobId"] for found in page["jobs"]}


def download_a_version(client: Client) -> None:
    """In a versioned target bucket."""
    prefix = client.put_sources({"one.pdf": b"one"})
    with versioned(client, client.outputs["targetBucket"]):
        job = client.finished(client.post({"keys": [f"{prefix}one.pdf"]}))
    (archive,) = job["archives"]
    assert archive["versionId"] in archive["downloadUrl"]
    for link in ("downloadUrl", "receiptUrl"):
        assert client.curl(archive[link])[0] == 200


def repeat_a_request(client: Client) -> None:
    """Once while the record exists, and once after it expired but before DynamoDB deleted it."""
    prefix = client.put_sources({"one.pdf": b"one"})
    key, body = str(uuid.uuid4()), json.dumps({"keys": [f"{prefix}one.pdf"]})

    def post() -> str:
        status, _, answer = client.curl("/zip-jobs", "-H", f"Idempotency-Key: {key}", "-d", body)
        assert status == 202, answer
        job_id: str = answer["jobId"]
        return job_id

    job_id = post()
    client.finished(job_id)
    assert post() == job_id
    change(client, job_id, expiresAt=1)
    assert post() == job_id
    client.finished(job_id)


def plan_a_job_and_reject_a_part(client: Client) -> None:
    """Jobs with several archives are always planned. S3 copies one object."""
    copied = random.Random(1).randbytes(COPIED_BYTES)
    prefix = client.put_sources({"copied.pdf": copied, "one.pdf": b"one"})
    client.stack.faults.install(REJECTED_PART)
    job = client.finished(client.post({"prefix": prefix, "maxArchiveBytes": 64 * MIB}))
    client.stack.faults.clear()
    assert job["status"] == "READY", job


def reconcile_a_lost_message(client: Client) -> None:
    """A job whose message is delayed."""
    prefix = client.put_sources({"one.pdf": b"one"})
    client.stack.faults.install(DELAYED)
    job_id = client.post({"keys": [f"{prefix}one.pdf"]})
    client.stack.faults.clear()
    change(client, job_id, sweepAt=1)
    reconcile(client)
    assert client.finished(job_id)["status"] == "READY"


def finish_jobs_without_success(client: Client) -> None:
    """Cancelled, failed by the dead-letter function, by the reconciler and by a worker."""
    _finish_without_success(client)
    with versioned(client, client.outputs["targetBucket"]):
        _finish_without_success(client)


def _finish_without_success(client: Client) -> None:
    client.stack.faults.install(STALLED_READ)
    jobs = [_stalled_job(client) for _ in range(4)]
    for job_id, _ in jobs:
        wait_for("the job's start", partial(_is_running, client, job_id))
        leave_output(client, job_id)
    (cancelled, _), (exhausted, message), (stuck, _), (failed, again) = jobs
    change(client, failed, leaseUntil=int(time.time()) + BUSY_SECONDS)
    client.sqs.send_message(QueueUrl=client.outputs["queueUrl"], MessageBody=again)
    assert client.curl(f"/zip-jobs/{cancelled}", "-X", "DELETE")[0] == 200
    change(client, exhausted, leaseUntil=1)
    client.sqs.send_message(QueueUrl=client.outputs["deadLetterQueueUrl"], MessageBody=message)
    change(client, stuck, sweepAt=1, sweeps=MAX_CHECKS, leaseUntil=1)
    reconcile(client)
    wait_for("the dead-letter function", lambda: _is_finished(client, exhausted))
    assert client.finished(stuck)["status"] == "FAILED"
    client.stack.faults.clear()
    assert client.finished(failed)["error"]["code"] == "SOURCE_NOT_FOUND"
    bucket = client.outputs["targetBucket"]
    for job_id, _ in jobs:
        remaining = partial(_remaining_output, client, bucket, job_id)
        assert wait_for("the clean-up", remaining) == []


def lose_an_event(client: Client) -> None:
    """The queue's policy denies the rule for a moment, so the event goes to the dead letters."""
    attributes = {"QueueUrl": client.outputs["queueUrl"], "AttributeNames": ["Policy"]}
    policy = client.sqs.get_queue_attributes(**attributes)["Attributes"]["Policy"]
    queue_url = client.outputs["queueUrl"]
    client.sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": ""})
    try:
        key = client.upload_manifest(b'{"keys": ["one.pdf"]}')
    finally:
        client.sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": policy})
    assert client.event_of_manifest(key)["detail"]["error"]["code"] == "RETRIES_EXHAUSTED"


def wait_for_duplicate_messages(client: Client) -> None:
    """Duplicate messages are delivered again and find that their jobs are finished."""
    client.end_visibility_timeouts()
    client.wait_for_empty_queue()


STEPS: tuple[Callable[[Client], None], ...] = (
    restart_functions,
    request_the_api_description,
    submit_and_download,
    download_a_version,
    repeat_a_request,
    plan_a_job_and_reject_a_part,
    reconcile_a_lost_message,
    finish_jobs_without_success,
    lose_an_event,
    wait_for_duplicate_messages,
)


@contextmanager
def versioned(client: Client, bucket: str) -> Iterator[None]:
    """Enable versioning of a bucket during the block."""

    def put(status: str) -> None:
        client.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})

    put("Enabled")
    try:
        yield
    finally:
        put("Suspended")


def reconcile(client: Client) -> None:
    """Invoke the functions that have a schedule."""
    for schedule in client.stack.schedules.values():
        schedule.invoke()


def leave_output(client: Client, job_id: str) -> None:
    """Create the output of a crashed worker: an upload, an archive and a segment."""
    bucket, key = client.outputs["targetBucket"], f"zips/{job_id}.zip"
    job = client.dynamodb.get_item(
        TableName=client.outputs["tableName"], Key={"jobId": {"S": job_id}}
    )["Item"]
    owner_tag = f"{job_id}/{job['createdAt']['S']}"
    client.s3.put_object(Bucket=bucket, Key=key, Body=b"", Metadata={OWNER_TAG: owner_tag})
    client.s3.create_multipart_upload(Bucket=bucket, Key=key)
    work = f"work/{job_id}/left"
    client.s3.put_object(Bucket=client.outputs["manifestBucket"], Key=work, Body=b"")


def change(client: Client, job_id: str, **numbers: int) -> None:
    """Set number attributes of a job record."""
    client.dynamodb.update_item(
        TableName=client.outputs["tableName"],
        Key={"jobId": {"S": job_id}},
        UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in numbers),
        ExpressionAttributeValues={
            f":{name}": {"N": str(number)} for name, number in numbers.items()
        },
    )


def _stalled_job(client: Client) -> tuple[str, str]:
    """Start a manifest job whose only object stalls. Return its ID and S3's event."""
    manifest = json.dumps({"keys": [f"{uuid.uuid4()}/never.pdf"]}).encode()
    bucket = client.outputs["manifestBucket"]
    key = f"{client.outputs['manifestPrefix']}{uuid.uuid4()}.json"
    version_id = client.s3.put_object(Bucket=bucket, Key=key, Body=manifest)["VersionId"]
    found = {"key": key, "version-id": version_id, "etag": "e", "sequencer": "1"}
    event: dict[str, Any] = {
        "detail-type": "Object Created",
        "time": "2026-11-23T12:00:00Z",
        "detail": {"bucket": {"name": bucket}, "object": found},
    }
    return manifest_job_id(bucket, key, version_id, "", ""), json.dumps(event)


def _is_running(client: Client, job_id: str) -> bool | None:
    status, _, job = client.curl(f"/zip-jobs/{job_id}")
    return (status == 200 and job["status"] == "RUNNING") or None


def _is_finished(client: Client, job_id: str) -> bool | None:
    return client.curl(f"/zip-jobs/{job_id}")[2]["status"] in FINAL or None


def _remaining_output(client: Client, bucket: str, job_id: str) -> list[Any] | None:
    """Return an empty list once the archive and its upload are gone, and None before."""
    prefix = f"zips/{job_id}"
    objects = client.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    uploads = client.s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])
    return None if objects or uploads else []
