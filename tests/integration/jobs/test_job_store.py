"""The job store: conditional status changes and leases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.conftest import GRACE_SECONDS
from tests.support.builders import finished_archive, submission
from zipjobs.errors import JobBusy, LeaseLost, ServiceUnavailable
from zipjobs.jobs.job import JobError, Status
from zipjobs.jobs.store import JobStore
from zipjobs.jobs.table import JobTable
from zipjobs.requests.allow_list import Destination

DESTINATION = Destination("src", "dst", "zips/job-1.zip")
ARCHIVE = finished_archive()
ERROR = JobError(code="SOURCE_NOT_FOUND", message="gone")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=15)
EARLIER = NOW - timedelta(minutes=15)


@pytest.fixture
def store(dynamodb: Any) -> JobStore:
    return JobStore(JobTable(dynamodb, "jobs"), 3600, GRACE_SECONDS, clock=lambda: NOW)


def test_a_created_job_is_pending_and_has_a_destination(store: JobStore) -> None:
    store.create(submission(), DESTINATION, 3)
    job = store.get("job-1")
    assert job is not None
    assert (job.status, job.entries_total) == (Status.PENDING, 3)
    assert (job.source_bucket, job.target_key) == ("src", "zips/job-1.zip")


def test_creating_a_claimed_job_changes_nothing(store: JobStore) -> None:
    claimed = store.claim(submission(), "worker", LATER)
    store.create(submission(), DESTINATION, 3)
    assert store.get("job-1") == claimed


def test_a_claim_creates_a_missing_record(store: JobStore) -> None:
    job = store.claim(submission(), "worker", LATER)
    assert (job.status, job.lease_owner) == (Status.RUNNING, "worker")
    assert job.created_at == submission().submitted_at
    assert job.started_at is not None


def test_a_claim_keeps_an_existing_record(store: JobStore) -> None:
    store.create(submission(), DESTINATION, 3)
    assert store.claim(submission(), "worker", LATER).entries_total == 3


def test_a_leased_job_is_busy_until_its_lease_ends(store: JobStore) -> None:
    store.claim(submission(), "worker", LATER)
    with pytest.raises(JobBusy) as busy:
        store.claim(submission(), "other", LATER)
    assert busy.value.retry_after_seconds == 15 * 60 + 1


def test_after_a_lease_is_taken_over_the_old_worker_cannot_write(
    store: JobStore,
) -> None:
    old = store.claim(submission(), "worker", EARLIER)
    new = store.claim(submission(), "other", LATER)
    assert new.lease_owner == "other"
    with pytest.raises(LeaseLost):
        store.record_progress(old, 1, 1)
    with pytest.raises(LeaseLost):
        store.ready(old, [ARCHIVE], 1, 1)
    with pytest.raises(LeaseLost):
        store.fail(old, ERROR)


def test_a_released_job_can_be_claimed_and_has_its_last_problem(
    store: JobStore,
) -> None:
    store.release(store.claim(submission(), "worker", LATER), "S3 returned SlowDown")
    assert store.claim(submission(), "other", LATER).last_problem == "S3 returned SlowDown"


def test_a_finished_job_is_returned_but_not_claimed(store: JobStore) -> None:
    job = store.claim(submission(), "worker", LATER)
    ready = store.ready(job, [ARCHIVE], 2, 10)
    assert store.claim(submission(), "other", LATER) == ready
    assert (ready.status, ready.archives) == (Status.READY, (ARCHIVE,))


def test_a_final_status_does_not_change(store: JobStore) -> None:
    job = store.claim(submission(), "worker", LATER)
    store.fail(job, ERROR)
    with pytest.raises(LeaseLost):
        store.ready(job, [ARCHIVE], 2, 10)
    failed = store.fail_exhausted(submission())
    assert failed.error == ERROR


def test_exhausted_retries_fail_a_job_with_its_last_problem(store: JobStore) -> None:
    store.release(store.claim(submission(), "worker", LATER), "S3 returned SlowDown")
    job = store.fail_exhausted(submission())
    assert job.status is Status.FAILED
    assert job.error is not None
    assert job.error.code == "RETRIES_EXHAUSTED"
    assert "SlowDown" in job.error.message


def test_exhausted_retries_create_a_missing_record(store: JobStore) -> None:
    assert store.fail_exhausted(submission()).status is Status.FAILED
    job = store.get("job-1")
    assert job is not None
    assert job.status is Status.FAILED


def test_exhausted_retries_do_not_fail_a_leased_job(store: JobStore) -> None:
    store.claim(submission(), "worker", LATER)
    with pytest.raises(JobBusy):
        store.fail_exhausted(submission())


def test_an_unknown_job_is_none(store: JobStore) -> None:
    assert store.get("nope") is None


def test_an_expired_record_is_ignored_before_dynamodb_deletes_it(dynamodb: Any) -> None:
    store = JobStore(JobTable(dynamodb, "jobs"), -1, GRACE_SECONDS, clock=lambda: NOW)
    store.create(submission(), DESTINATION, 3)
    store.cancel("job-1")
    assert store.get("job-1") is None


@pytest.mark.parametrize("read", ["get", "claim"])
def test_a_record_of_another_schema_version_is_a_transient_error(
    store: JobStore, dynamodb: Any, read: str
) -> None:
    """The message is retried until a worker with the new code receives it."""
    store.create(submission(), DESTINATION, 3)
    dynamodb.update_item(
        TableName="jobs",
        Key={"jobId": {"S": "job-1"}},
        UpdateExpression="SET schemaVersion = :two",
        ExpressionAttributeValues={":two": {"N": "2"}},
    )
    with pytest.raises(
        ServiceUnavailable, match="job-1 has version 2, but this code reads only version 1"
    ):
        store.get("job-1") if read == "get" else store.claim(submission(), "worker", LATER)


def test_recording_a_sent_event_does_not_create_a_record(store: JobStore, dynamodb: Any) -> None:
    job = store.fail(store.claim(submission(), "worker", LATER), ERROR)
    dynamodb.delete_item(TableName="jobs", Key={"jobId": {"S": job.job_id}})
    store.record_event_sent(job)
    assert store.get(job.job_id) is None
