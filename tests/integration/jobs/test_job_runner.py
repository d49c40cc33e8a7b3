"""The job runner: final statuses, retries and repeated deliveries."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.integration.worker_setup import POLICY, Workers, error_of
from tests.support.builders import submission
from zipjobs.errors import JobBusy, ServiceUnavailable
from zipjobs.jobs.job import Job, Status, Submission, Trigger, UploadRef
from zipjobs.requests.schema import JobRequest
from zipjobs.requests.storage import ObjectRef
from zipjobs.s3.object_reader import ObjectReader


def test_a_ready_job_has_an_archive_a_record_and_an_event(workers: Workers) -> None:
    job = workers.run(workers.submit({"keys": ["a/one.pdf", "b/one.pdf"]}))
    assert job.status is Status.READY
    assert workers.member_names() == ["one.pdf", "one (2).pdf"]
    assert (job.entries_done, job.bytes_done, job.bytes_total) == (2, 6, 6)
    assert [published.job_id for published in workers.bus.published] == ["job-1"]
    assert workers.job().event_sent


@pytest.mark.parametrize(
    ("request_", "totals"),
    [({"prefix": "a/"}, (1, 3)), ({"keys": ["a/one.pdf", "b/one.pdf"]}, (2, None))],
)
def test_running_jobs_show_the_totals_that_are_known(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, request_: Any, totals: tuple[int, int | None]
) -> None:
    """A prefix is listed with sizes. Keys are not."""
    shown: set[tuple[int | None, int | None]] = set()
    real = workers.store.record_progress

    def record_and_look(job: Job, *progress: Any) -> None:
        real(job, *progress)
        shown.add((workers.job().entries_total, workers.job().bytes_total))

    monkeypatch.setattr(workers.store, "record_progress", record_and_look)
    workers.options = replace(workers.options, progress_seconds=0.0)
    assert workers.run(workers.submit(request_)).status is Status.READY
    assert shown == {totals}


def test_a_repeated_message_changes_nothing(workers: Workers) -> None:
    message = workers.submit()
    workers.run(message)
    modified = workers.s3.head_object(Bucket="dst", Key="zips/job-1.zip")["LastModified"]
    workers.run(message)
    assert workers.s3.head_object(Bucket="dst", Key="zips/job-1.zip")["LastModified"] == modified
    assert len(workers.bus.published) == 1


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ({"keys": ["gone.pdf"]}, "SOURCE_NOT_FOUND", "s3://src/gone.pdf"),
        (b"not json", "INVALID_MANIFEST", "Invalid JSON"),
        ({"keys": []}, "INVALID_MANIFEST", "keys"),
        ({"keys": ["a"], "sourceBucket": "other"}, "NOT_ALLOWED", "other/a"),
        ({"keys": ["a"], "targetPrefix": "elsewhere/"}, "NOT_ALLOWED", "elsewhere/"),
    ],
)
def test_a_permanent_error_fails_the_job_with_code_and_message(
    workers: Workers, content: Any, code: str, message: str
) -> None:
    error = error_of(workers.run(workers.submit(content)))
    assert error.code == code
    assert message in error.message
    assert workers.bus.statuses == [Status.FAILED]
    assert workers.uploads() == []


def test_a_missing_manifest_fails_the_job(workers: Workers) -> None:
    missing = ObjectRef(bucket="manifests", key="manifests/gone.json")
    message = submission(trigger=Trigger.MANIFEST, request=missing)
    assert error_of(workers.run(message)).code == "INVALID_MANIFEST"


def test_a_replaced_manifest_fails_the_job_of_the_old_one(workers: Workers) -> None:
    workers.submit()
    old = ObjectRef(bucket="manifests", key="requests/job-1.json", etag="0" * 32)
    assert "replaced" in error_of(workers.run(submission(request=old))).message


def test_a_refused_event_is_sent_by_the_next_delivery(workers: Workers) -> None:
    workers.bus.failures = 1
    message = workers.submit()
    with pytest.raises(ServiceUnavailable):
        workers.run(message)
    assert (workers.job().status, workers.job().event_sent) == (Status.READY, False)
    assert workers.run(message).status is Status.READY
    assert len(workers.bus.published) == 1


def test_a_truncated_manifest_is_read_by_the_next_delivery(
    workers: Workers, faults: FaultInjector
) -> None:
    message = workers.submit()
    plan = "faults: [{operation: GetObject, key: 'manifests/*', caller: client, nth: 1, cut: 12}]"
    faults.install(FaultPlan.parse(plan))
    with pytest.raises(ServiceUnavailable, match="Reading s3:.* failed"):
        workers.run(message)
    assert workers.run(message).status is Status.READY


class UnavailableReader(ObjectReader):
    def __init__(self) -> None:
        pass

    def read(self, *args: Any, **kwargs: Any) -> Any:
        raise ServiceUnavailable("S3 returned SlowDown")


def test_after_a_transient_error_the_next_delivery_succeeds(workers: Workers) -> None:
    message = workers.submit()
    lease = datetime.now(UTC) + timedelta(minutes=15)
    with pytest.raises(ServiceUnavailable):
        workers.runner(UnavailableReader()).run(message, lease)
    assert workers.uploads() == []
    assert workers.bus.published == []
    assert workers.run(message).status is Status.READY


def test_a_second_delivery_of_a_running_job_stays_on_the_queue(workers: Workers) -> None:
    message = workers.submit()
    workers.store.claim(message, "another worker", datetime.now(UTC) + timedelta(minutes=5))
    with pytest.raises(JobBusy):
        workers.run(message)
    assert workers.bus.published == []


@pytest.fixture
def interrupted(workers: Workers) -> Submission:
    """The message of a job whose worker died and left an upload."""
    message = workers.submit()
    dead = workers.store.claim(message, "dead worker", datetime.now(UTC) - timedelta(seconds=1))
    destination = POLICY.resolve(JobRequest(keys=("a/one.pdf",)), "job-1")
    dead = workers.store.record_destination(dead, destination, 1)
    left = workers.s3.create_multipart_upload(Bucket="dst", Key="zips/job-1.zip")
    upload = UploadRef(key="zips/job-1.zip", upload_id=left["UploadId"])
    workers.store.record_uploads(dead, [upload])
    return message


def test_the_next_worker_aborts_the_upload_of_a_dead_worker(
    workers: Workers, interrupted: Submission
) -> None:
    assert workers.run(interrupted).status is Status.READY
    assert workers.uploads() == []


def test_exhausted_retries_fail_the_job_and_abort_its_upload(
    workers: Workers, interrupted: Submission
) -> None:
    assert error_of(workers.fail_exhausted(interrupted)).code == "RETRIES_EXHAUSTED"
    assert workers.uploads() == []
    assert workers.bus.statuses == [Status.FAILED]


def test_exhausted_retries_of_a_ready_job_send_its_event(workers: Workers) -> None:
    workers.bus.failures = 1
    message = workers.submit()
    with pytest.raises(ServiceUnavailable):
        workers.run(message)
    assert workers.fail_exhausted(message).status is Status.READY
    assert workers.bus.statuses == [Status.READY]
