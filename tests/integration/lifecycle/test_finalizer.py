"""Finishing jobs: lost leases, interrupted workers, and clean-up that S3 refuses."""

import json
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.integration.conftest import KEEP_SECONDS, Put
from tests.integration.worker_setup import Workers, dying, error_of
from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.job import Job, JobError, Status
from zipjobs.model import utc_now
from zipjobs.requests.allow_list import Destination
from zipjobs.s3.target import OWNER_TAG
from zipjobs.worker.archive_runner import ArchiveRunner
from zipjobs.worker.request_loader import LoadedRequest
from zipjobs.worker.segment_plan import WorkerQuota

EXPIRED = timedelta(seconds=-1)


@pytest.mark.parametrize("owner", ["other", "job-1", "job-1/2026-01-01T00:00:00.000Z"])
def test_an_object_of_another_owner_is_not_deleted(workers: Workers, owner: str) -> None:
    """The owner can be an old job with the same idempotency key, and so the same ID."""
    workers.s3.put_object(
        Bucket="dst", Key="zips/job-1.zip", Body=b"theirs", Metadata={OWNER_TAG: owner}
    )
    assert error_of(workers.run_all()).code == "TARGET_EXISTS"
    assert workers.target_keys() == ["zips/job-1.zip"]


def test_a_worker_that_lost_its_lease_changes_nothing(workers: Workers) -> None:
    """The worker continues after its successor has finished the job."""
    message = workers.submit()
    real, first = ArchiveRunner.run, iter([True])

    def run(self: ArchiveRunner, loaded: LoadedRequest) -> Job:
        if next(first, False):
            assert workers.run(message).status is Status.READY
        return real(self, loaded)

    with patch.object(ArchiveRunner, "run", run):
        assert workers.run(message, lease=EXPIRED).status is Status.READY
    assert workers.target_keys() == ["zips/job-1.receipt.json", "zips/job-1.zip"]
    assert workers.uploads() == []
    assert len(workers.bus.published) == 1


def test_a_dead_workers_archive_of_changed_sources_is_replaced(workers: Workers, put: Put) -> None:
    message = workers.submit()
    with dying(workers.store, "ready"):
        workers.run(message, lease=EXPIRED)
    put("a/one.pdf", b"changed")
    with pytest.raises(ServiceUnavailable, match="have changed since"):
        workers.run(message)
    job = workers.run(message)
    assert (job.status, job.bytes_done) == (Status.READY, len(b"changed"))


def test_a_repeated_create_request_leaves_no_upload(
    workers: Workers, faults: FaultInjector
) -> None:
    """The first response is lost, and botocore retries."""
    plan = "faults: [{operation: CreateMultipartUpload, nth: 1, when: after, reset: true}]"
    faults.install(FaultPlan.parse(plan))
    assert workers.run_all().status is Status.READY
    assert len(faults.injected) == 1
    assert workers.uploads() == []


def test_an_unsplit_retry_deletes_the_plan_of_a_dead_worker(workers: Workers) -> None:
    workers.quota = WorkerQuota(entries=2)
    message = workers.submit({"keys": ["a/one.pdf", "b/one.pdf", "a/one.pdf"]})
    with dying(workers.store, "record_plan"):
        workers.run(message, lease=EXPIRED)
    assert workers.work_objects()
    workers.quota = WorkerQuota()
    assert workers.run(message).status is Status.READY
    assert workers.work_objects() == []


def test_a_second_finishing_worker_keeps_the_skipped_objects(workers: Workers) -> None:
    """Another worker finishes the job and deletes its segments in the meantime."""
    workers.quota = WorkerQuota(entries=2)
    keys = ["a/one.pdf", "gone.pdf", "b/one.pdf"]
    workers.run(workers.submit({"keys": keys, "onMissing": "skip"}))
    (segment,) = workers.queue.sent
    real, first = workers.segments.skipped, iter([True])

    def skipped(job_id: str) -> Any:
        if next(first, False):
            assert workers.run(segment).status is Status.READY
        return real(job_id)

    with patch.object(workers.segments, "skipped", skipped):
        assert workers.run(segment).status is Status.READY
    assert [one["key"] for one in workers.receipt()["skipped"]] == ["gone.pdf"]


@pytest.mark.parametrize(
    ("operation", "code", "status"),
    [
        ("ListMultipartUploads", "InvalidArgument", 400),
        ("ListMultipartUploads", "AccessDenied", 403),
        ("HeadObject", "InvalidRequest", 400),
        ("ListObjectsV2", "AccessDenied", 403),
        ("DeleteObjects", "AccessDenied", 403),
    ],
)
def test_a_job_is_finished_though_s3_refuses_its_clean_up(
    workers: Workers, faults: FaultInjector, operation: str, code: str, status: int
) -> None:
    workers.s3.put_object(Bucket="manifests", Key="work/job-1/left", Body=b"")
    fault = {"operation": operation, "error": {"code": code, "status": status}}
    message = workers.submit({"keys": ["gone.pdf"]})
    faults.install(FaultPlan.parse(json.dumps({"faults": [fault]})))
    assert workers.run(message).status is Status.FAILED
    assert faults.injected
    assert len(workers.bus.published) == 1
    assert workers.finalizer.cancel("job-1") is not None


def test_a_job_with_an_unparsable_target_key_is_finished(workers: Workers) -> None:
    """XML has no control characters, so botocore cannot parse responses with such a key."""
    lease = utc_now() + timedelta(minutes=15)
    job = workers.store.claim(workers.submit({"keys": ["gone.pdf"]}), "worker", lease)
    destination = Destination("src", "dst", "zips/\0x/job-1.zip")
    job = workers.store.record_destination(job, destination, 1)
    workers.finalizer.finalize(workers.store.fail(job, JobError(code="X", message="y")))
    assert workers.bus.statuses == [Status.FAILED]


def test_a_record_expires_a_while_after_its_job_is_finished(workers: Workers) -> None:
    job = workers.run_all()
    assert job.finished_at is not None
    assert job.expires_at == int(job.finished_at.timestamp()) + KEEP_SECONDS
