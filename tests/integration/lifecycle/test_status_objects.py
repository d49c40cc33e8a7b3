"""Status objects of manifest jobs."""

import json
from typing import Any
from unittest.mock import patch

import pytest

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.integration.worker_setup import ONE_PDF, Workers, dying
from tests.support.builders import CREATED, FINISHED, ready_job
from tests.support.s3_clients import client_error
from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.events import CompletionDetail
from zipjobs.jobs.job import Job, Status, Submission, Trigger
from zipjobs.lifecycle.status_objects import StatusObjects
from zipjobs.requests.storage import ObjectRef
from zipjobs.s3.target import OWNER_TAG

KEY = "zips/q3/invoices.status.json"
MANIFEST = "manifests/q3/invoices.json"


def upload(workers: Workers, content: Any = ONE_PDF, number: int = 1) -> Submission:
    """Upload a manifest and return the message of its job. ``number`` counts the uploads."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    etag = workers.s3.put_object(Bucket="manifests", Key=MANIFEST, Body=body)["ETag"]
    return Submission(
        job_id=f"job-{number}",
        trigger=Trigger.MANIFEST,
        request=ObjectRef(bucket="manifests", key=MANIFEST, etag=etag),
        sequencer=f"{number:04X}",
        submitted_at=CREATED,
    )


def status_object(workers: Workers) -> Any:
    return json.loads(workers.target(KEY))


def job_and_status(workers: Workers) -> tuple[str, str]:
    found = status_object(workers)
    return found["jobId"], found["status"]


def refuse_put(faults: FaultInjector, code: str, status: int) -> None:
    error = f"{{code: {code}, status: {status}}}"
    plan = f"faults: [{{operation: PutObject, key: dst/{KEY}, error: {error}}}]"
    faults.install(FaultPlan.parse(plan))


def test_a_ready_job_has_the_events_details(workers: Workers) -> None:
    job = workers.run(upload(workers, {"keys": ["a/one.pdf", "gone.pdf"], "onMissing": "skip"}))
    found = status_object(workers)
    assert found == json.loads(CompletionDetail.of(job).model_dump_json(by_alias=True))
    assert (found["status"], found["skipped"]) == (Status.READY, 1)
    assert found["manifest"]["key"] == MANIFEST
    (archive,) = found["archives"]
    workers.s3.head_object(Bucket=found["targetBucket"], Key=archive["key"])
    workers.s3.head_object(Bucket=found["targetBucket"], Key=archive["receiptKey"])


def test_an_invalid_manifest_has_one_below_the_default_prefix(workers: Workers) -> None:
    workers.run(upload(workers, b'{"targetPrefix": "zips/mine/", "kyes": []}'))
    found = status_object(workers)
    assert (found["status"], found["error"]["code"]) == (Status.FAILED, "INVALID_MANIFEST")
    assert workers.target_keys() == [KEY]


def test_the_target_prefix_does_not_change_its_key(workers: Workers) -> None:
    workers.run(upload(workers, {"keys": ["a/one.pdf"], "targetPrefix": "zips/mine/"}))
    assert status_object(workers)["archives"][0]["key"] == "zips/mine/job-1.zip"


def test_exhausted_and_cancelled_jobs_have_one(workers: Workers) -> None:
    workers.fail_exhausted(upload(workers))
    assert status_object(workers)["error"]["code"] == "RETRIES_EXHAUSTED"
    with dying(workers.store, "ready"):
        workers.run(upload(workers, number=2))
    workers.finalizer.cancel("job-2")
    assert job_and_status(workers) == ("job-2", "CANCELLED")
    assert workers.target_keys() == [KEY]


def test_api_jobs_have_none(workers: Workers) -> None:
    workers.run_all()
    assert workers.target_keys() == ["zips/job-1.receipt.json", "zips/job-1.zip"]


@pytest.mark.parametrize(
    ("manifest", "key"),
    [
        ("manifests/q3/invoices.json", "zips/q3/invoices.status.json"),
        ("manifests/a.json.json", "zips/a.json.status.json"),
        ("manifests/.json", "zips/.status.json"),
        ("elsewhere/a.json", "zips/elsewhere/a.status.json"),
    ],
)
def test_its_key_is_derived_from_the_manifests_key(
    workers: Workers, manifest: str, key: str
) -> None:
    assert StatusObjects(workers.s3, "dst", "zips/", "manifests/").key_of(manifest) == key


def test_it_describes_the_last_upload_in_any_order_of_completion(workers: Workers) -> None:
    first, second = upload(workers), upload(workers, number=2)
    workers.run(second)
    assert job_and_status(workers) == ("job-2", "READY")
    workers.run(first)
    assert job_and_status(workers) == ("job-2", "READY")
    workers.run(upload(workers, number=3))
    assert job_and_status(workers) == ("job-3", "READY")


def job_of_upload(number: int, sequencer: str | None, **changes: Any) -> Job:
    return ready_job(
        job_id=f"job-{number}",
        trigger=Trigger.MANIFEST,
        request=ObjectRef(bucket="manifests", key=MANIFEST),
        sequencer=sequencer,
    ).model_copy(update=changes)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (job_of_upload(1, "0F"), job_of_upload(2, "1")),  # S3 says: pad to the right
        (job_of_upload(1, "9"), job_of_upload(2, "9A")),
        (job_of_upload(1, "2", created_at=FINISHED), job_of_upload(2, "3")),  # clocks differ
        (job_of_upload(1, None), job_of_upload(2, None, created_at=FINISHED)),
        (
            job_of_upload(1, "2", request=ObjectRef(bucket="before", key=MANIFEST)),
            job_of_upload(2, "1", created_at=FINISHED),
        ),
    ],
)
def test_the_sequencer_decides_which_upload_is_the_last(
    workers: Workers, first: Job, second: Job
) -> None:
    statuses = StatusObjects(workers.s3, "dst", "zips/", "manifests/")
    for job in (first, second, first):
        statuses.put(job)
    assert job_and_status(workers) == ("job-2", "READY")


def test_concurrent_writes_leave_the_last_upload(workers: Workers) -> None:
    """The second job writes between the first one's read and write."""
    statuses = StatusObjects(workers.s3, "dst", "zips/", "manifests/")
    head, first = workers.s3.head_object, iter([True])

    def head_object(**arguments: Any) -> Any:
        try:
            return head(**arguments)
        finally:
            if next(first, False):
                statuses.put(job_of_upload(2, "2"))

    with patch.object(workers.s3, "head_object", head_object):
        statuses.put(job_of_upload(1, "1"))
    assert job_and_status(workers) == ("job-2", "READY")


def test_it_is_written_once_and_before_the_event(workers: Workers) -> None:
    message = upload(workers)
    workers.bus.failures = 1
    with pytest.raises(ServiceUnavailable):
        workers.run(message)
    assert job_and_status(workers) == ("job-1", "READY")
    with patch.object(workers.s3, "put_object", side_effect=AssertionError):
        workers.run(message)
    assert len(workers.bus.published) == 1


def test_a_lost_response_is_retried(workers: Workers, faults: FaultInjector) -> None:
    plan = f"faults: [{{operation: PutObject, key: dst/{KEY}, nth: 1, when: after, reset: true}}]"
    faults.install(FaultPlan.parse(plan))
    workers.run(upload(workers))
    assert len(faults.injected) == 1
    assert job_and_status(workers) == ("job-1", "READY")


def test_the_event_is_sent_after_s3_has_recovered(workers: Workers, faults: FaultInjector) -> None:
    message = upload(workers)
    refuse_put(faults, "SlowDown", 503)
    with pytest.raises(ServiceUnavailable, match=KEY):
        workers.run(message)
    assert workers.bus.published == []
    faults.clear()
    workers.run(message)
    assert job_and_status(workers) == ("job-1", "READY")
    assert len(workers.bus.published) == 1


@pytest.mark.parametrize(
    ("code", "status"),
    [("AccessDenied", 403), ("KeyTooLongError", 400), ("KMS.DisabledException", 400)],
)
def test_a_refused_status_object_is_logged_and_the_job_is_ready(
    workers: Workers,
    faults: FaultInjector,
    caplog: pytest.LogCaptureFixture,
    code: str,
    status: int,
) -> None:
    refuse_put(faults, code, status)
    assert workers.run(upload(workers)).status is Status.READY
    assert f"s3://dst/{KEY} could not be written" in caplog.text
    assert len(workers.bus.published) == 1


def test_a_status_object_that_cannot_be_read_is_not_replaced(workers: Workers) -> None:
    workers.run(upload(workers))
    forbidden = client_error("403", 403, "HeadObject")
    with patch.object(workers.s3, "head_object", side_effect=forbidden):
        assert workers.run(upload(workers, number=2)).status is Status.READY
    assert job_and_status(workers) == ("job-1", "READY")
    assert len(workers.bus.published) == 2


@pytest.mark.parametrize("metadata", [{}, {OWNER_TAG: "job-0"}])
def test_another_object_with_its_key_is_not_replaced(
    workers: Workers, caplog: pytest.LogCaptureFixture, metadata: dict[str, str]
) -> None:
    workers.s3.put_object(Bucket="dst", Key=KEY, Body=b"theirs", Metadata=metadata)
    workers.run(upload(workers))
    assert workers.target(KEY) == b"theirs"
    assert f"s3://dst/{KEY} is not a status object and is kept" in caplog.text
