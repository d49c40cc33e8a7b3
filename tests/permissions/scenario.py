"""The life of a stack, step by step, such that each of its permissions is used."""

import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from local.faults.plan import FaultPlan
from local.iam.permissions import Evaluation
from tests.e2e.stack import FINAL, Client
from tests.support.waiting import wait_for
from zipjobs.archive.part_sizing import MIB
from zipjobs.jobs.messages import manifest_job_id
from zipjobs.s3.retry import MAX_CHECKS
from zipjobs.s3.target import OWNER_TAG

STALLED = FaultPlan.parse(
    """
    faults:
    - {service: s3, operation: GetObject, key: "*/never.pdf", caller: zipper, latency: 600}
    """
)
A_PART_IS_ANOTHER = FaultPlan.parse(
    """
    faults:
    - {service: s3, operation: CompleteMultipartUpload, caller: zipper, times: 1,
       error: {code: InvalidPart, status: 400}}
    """
)
HELD_BACK = FaultPlan.parse("faults: [{queue: jobs, delay: {seconds: 10}}]")

BUSY_SECONDS = 5
COPIED_BYTES = 17 * MIB
"""From 16 MiB on, the body of an object is copied."""


def live(client: Client) -> Counter[Evaluation]:
    """Live through it all; what was decided on the way, and how often."""
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


def every_function_starts_anew(client: Client) -> None:
    """With a role that is assumed, and a log stream."""
    for function in client.stack.functions.values():
        for environment in list(function._all):
            environment.kill()
            environment._process.wait()


def the_api_describes_itself(client: Client) -> None:
    for path in ("/docs", "/openapi.json"):
        assert client.curl(path)[0] == 200


def a_posted_job_is_made_and_downloaded(client: Client) -> None:
    """Of objects in and without a version; what it leads to is signed by the status function."""
    source = client.outputs["sourceBucket"]
    prefix = client.put_sources({"one.pdf": b"one"})
    with versioned(client, source):
        put = client.s3.put_object(Bucket=source, Key=f"{prefix}two.pdf", Body=b"two")
    entries = [{"key": f"{prefix}one.pdf"}, {"key": f"{prefix}two.pdf"}]
    entries[1]["versionId"] = put["VersionId"]
    job = client.finished(client.post({"entries": entries}))
    assert job["status"] == "READY", job
    assert client.curl(job["archives"][0]["receiptUrl"])[0] == 200
    status, _, page = client.curl("/zip-jobs")
    assert status == 200
    assert job["jobId"] in {found["jobId"] for found in page["jobs"]}


def an_archive_is_a_version_and_its_links_name_it(client: Client) -> None:
    """In a target bucket that keeps versions."""
    prefix = client.put_sources({"one.pdf": b"one"})
    with versioned(client, client.outputs["targetBucket"]):
        job = client.finished(client.post({"keys": [f"{prefix}one.pdf"]}))
    (archive,) = job["archives"]
    assert archive["versionId"] in archive["downloadUrl"]
    for link in ("downloadUrl", "receiptUrl"):
        assert client.curl(archive[link])[0] == 200


def a_request_is_repeated(client: Client) -> None:
    """While its job is known, and after its record has expired and before DynamoDB dropped it."""
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


def a_job_is_planned_and_a_part_has_another_etag(client: Client) -> None:
    """What is to become numbered archives is always planned; one object is copied."""
    copied = random.Random(1).randbytes(COPIED_BYTES)
    prefix = client.put_sources({"copied.pdf": copied, "one.pdf": b"one"})
    client.stack.faults.install(A_PART_IS_ANOTHER)
    job = client.finished(client.post({"prefix": prefix, "maxArchiveBytes": 64 * MIB}))
    client.stack.faults.clear()
    assert job["status"] == "READY", job


def the_schedule_finds_what_was_lost(client: Client) -> None:
    """A job whose message does not come for a while."""
    prefix = client.put_sources({"one.pdf": b"one"})
    client.stack.faults.install(HELD_BACK)
    job_id = client.post({"keys": [f"{prefix}one.pdf"]})
    client.stack.faults.clear()
    change(client, job_id, sweepAt=1)
    sweep(client)
    assert client.finished(job_id)["status"] == "READY"


def jobs_end_badly(client: Client) -> None:
    """Cancelled, given up by the queue and by the reconciler, and failed. Each leaves something."""
    _end_badly(client)
    with versioned(client, client.outputs["targetBucket"]):
        _end_badly(client)


def _end_badly(client: Client) -> None:
    client.stack.faults.install(STALLED)
    jobs = [_stalled_job(client) for _ in range(4)]
    for job_id, _ in jobs:
        wait_for("the job's start", lambda job_id=job_id: _is_running(client, job_id))  # type: ignore[misc]
        leave_behind(client, job_id)
    (cancelled, _), (dead, message), (swept, _), (failed, again) = jobs
    change(client, failed, leaseUntil=int(time.time()) + BUSY_SECONDS)
    client.sqs.send_message(QueueUrl=client.outputs["queueUrl"], MessageBody=again)
    assert client.curl(f"/zip-jobs/{cancelled}", "-X", "DELETE")[0] == 200
    change(client, dead, leaseUntil=1)
    client.sqs.send_message(QueueUrl=client.outputs["deadLetterQueueUrl"], MessageBody=message)
    change(client, swept, sweepAt=1, sweeps=MAX_CHECKS, leaseUntil=1)
    sweep(client)
    wait_for("the dead letter's end", lambda: _has_ended(client, dead))
    assert client.finished(swept)["status"] == "FAILED"
    client.stack.faults.clear()
    assert client.finished(failed)["error"]["code"] == "SOURCE_NOT_FOUND"
    bucket = client.outputs["targetBucket"]
    for job_id, _ in jobs:
        below = wait_for("a clean end", lambda job_id=job_id: _left(client, bucket, job_id))  # type: ignore[misc]
        assert below == []


def an_event_cannot_be_delivered(client: Client) -> None:
    """The queue takes no event for a while. The dead-letter queue does."""
    attributes = {"QueueUrl": client.outputs["queueUrl"], "AttributeNames": ["Policy"]}
    policy = client.sqs.get_queue_attributes(**attributes)["Attributes"]["Policy"]
    queue_url = client.outputs["queueUrl"]
    client.sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": ""})
    try:
        key = client.drop_manifest(b'{"keys": ["one.pdf"]}')
    finally:
        client.sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": policy})
    assert client.event_of_manifest(key)["detail"]["error"]["code"] == "RETRIES_EXHAUSTED"


def nothing_is_left(client: Client) -> None:
    """Of messages, that is: those that came twice come again, and find that all is done."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def look() -> bool | None:
        answer = client.sqs.get_queue_attributes(
            QueueUrl=client.outputs["queueUrl"], AttributeNames=names
        )
        return not any(int(answer["Attributes"][name]) for name in names) or None

    wait_for("an empty queue", look)


STEPS: tuple[Callable[[Client], None], ...] = (
    every_function_starts_anew,
    the_api_describes_itself,
    a_posted_job_is_made_and_downloaded,
    an_archive_is_a_version_and_its_links_name_it,
    a_request_is_repeated,
    a_job_is_planned_and_a_part_has_another_etag,
    the_schedule_finds_what_was_lost,
    jobs_end_badly,
    an_event_cannot_be_delivered,
    nothing_is_left,
)


@contextmanager
def versioned(client: Client, bucket: str) -> Iterator[None]:
    """A bucket keeps versions while the block lasts."""

    def put(status: str) -> None:
        client.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})

    put("Enabled")
    try:
        yield
    finally:
        put("Suspended")


def sweep(client: Client) -> None:
    """Let the schedule's time come."""
    for schedule in client.stack.schedules:
        schedule.invoke()


def leave_behind(client: Client, job_id: str) -> None:
    """What a worker leaves that dies at a bad moment: an upload, an archive, a working object."""
    bucket, key = client.outputs["targetBucket"], f"zips/{job_id}.zip"
    job = client.dynamodb.get_item(
        TableName=client.outputs["tableName"], Key={"jobId": {"S": job_id}}
    )["Item"]
    mark = f"{job_id}/{job['createdAt']['S']}"
    client.s3.put_object(Bucket=bucket, Key=key, Body=b"", Metadata={OWNER_TAG: mark})
    client.s3.create_multipart_upload(Bucket=bucket, Key=key)
    work = f"work/{job_id}/left"
    client.s3.put_object(Bucket=client.outputs["manifestBucket"], Key=work, Body=b"")


def change(client: Client, job_id: str, **numbers: int) -> None:
    """Set attributes of a job's record."""
    client.dynamodb.update_item(
        TableName=client.outputs["tableName"],
        Key={"jobId": {"S": job_id}},
        UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in numbers),
        ExpressionAttributeValues={
            f":{name}": {"N": str(number)} for name, number in numbers.items()
        },
    )


def _stalled_job(client: Client) -> tuple[str, str]:
    """A job of a manifest whose only object does not come, and S3's event about it."""
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


def _has_ended(client: Client, job_id: str) -> bool | None:
    return client.curl(f"/zip-jobs/{job_id}")[2]["status"] in FINAL or None


def _left(client: Client, bucket: str, job_id: str) -> list[Any] | None:
    """Nothing, once nothing is left of an archive and its upload."""
    prefix = f"zips/{job_id}"
    objects = client.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    uploads = client.s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])
    return None if objects or uploads else []
