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


def test_a_created_job_is_pending_and_knows_its_destination(store: JobStore) -> None:
    store.create(submission(), DESTINATION, 3)
    job = store.get("job-1")
    assert job is not None
    assert (job.status, job.entries_total) == (Status.PENDING, 3)
    assert (job.source_bucket, job.target_key) == ("src", "zips/job-1.zip")


def test_creating_a_job_that_a_worker_has_claimed_changes_nothing(store: JobStore) -> None:
    claimed = store.claim(submission(), "worker", LATER)
    store.create(submission(), DESTINATION, 3)
    assert store.get("job-1") == claimed


def test_a_claim_records_a_job_that_nobody_recorded(store: JobStore) -> None:
    job = store.claim(submission(), "worker", LATER)
    assert (job.status, job.lease_owner) == (Status.RUNNING, "worker")
    assert job.created_at == submission().submitted_at
    assert job.started_at is not None


def test_a_claim_keeps_what_was_recorded(store: JobStore) -> None:
    store.create(submission(), DESTINATION, 3)
    assert store.claim(submission(), "worker", LATER).entries_total == 3


def test_a_live_lease_keeps_others_away_and_says_for_how_long(store: JobStore) -> None:
    store.claim(submission(), "worker", LATER)
    with pytest.raises(JobBusy) as busy:
        store.claim(submission(), "other", LATER)
    assert busy.value.retry_after_seconds == 15 * 60 + 1


def test_a_lease_that_ended_is_taken_over_and_the_old_owner_can_change_nothing(
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


def test_a_released_job_can_be_claimed_at_once_and_remembers_what_went_wrong(
    store: JobStore,
) -> None:
    store.release(store.claim(submission(), "worker", LATER), "S3 answered SlowDown")
    assert store.claim(submission(), "other", LATER).last_problem == "S3 answered SlowDown"


def test_a_finished_job_is_returned_and_not_claimed(store: JobStore) -> None:
    job = store.claim(submission(), "worker", LATER)
    ready = store.ready(job, [ARCHIVE], 2, 10)
    assert store.claim(submission(), "other", LATER) == ready
    assert (ready.status, ready.archives) == (Status.READY, (ARCHIVE,))


def test_states_move_one_way(store: JobStore) -> None:
    job = store.claim(submission(), "worker", LATER)
    store.fail(job, ERROR)
    with pytest.raises(LeaseLost):
        store.ready(job, [ARCHIVE], 2, 10)
    failed = store.fail_exhausted(submission())
    assert failed.error == ERROR


def test_giving_up_fails_a_job_that_nobody_works_on(store: JobStore) -> None:
    store.release(store.claim(submission(), "worker", LATER), "S3 answered SlowDown")
    job = store.fail_exhausted(submission())
    assert job.status is Status.FAILED
    assert job.error is not None
    assert job.error.code == "RETRIES_EXHAUSTED"
    assert "SlowDown" in job.error.message


def test_giving_up_records_a_job_that_never_started(store: JobStore) -> None:
    assert store.fail_exhausted(submission()).status is Status.FAILED
    job = store.get("job-1")
    assert job is not None
    assert job.status is Status.FAILED


def test_nobody_gives_up_on_a_job_that_is_being_worked_on(store: JobStore) -> None:
    store.claim(submission(), "worker", LATER)
    with pytest.raises(JobBusy):
        store.fail_exhausted(submission())


def test_an_unknown_job_is_none(store: JobStore) -> None:
    assert store.get("nope") is None


def test_an_expired_record_counts_as_gone_before_dynamodb_drops_it(dynamodb: Any) -> None:
    store = JobStore(JobTable(dynamodb, "jobs"), -1, GRACE_SECONDS, clock=lambda: NOW)
    store.create(submission(), DESTINATION, 3)
    store.cancel("job-1")
    assert store.get("job-1") is None


@pytest.mark.parametrize("read", ["get", "claim"])
def test_a_record_of_another_version_is_left_to_the_code_that_knows_it(
    store: JobStore, dynamodb: Any, read: str
) -> None:
    """What comes to it is tried again, and by then the new code may have it."""
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


def test_of_a_job_whose_record_is_gone_nothing_is_noted(store: JobStore, dynamodb: Any) -> None:
    job = store.fail(store.claim(submission(), "worker", LATER), ERROR)
    dynamodb.delete_item(TableName="jobs", Key={"jobId": {"S": job.job_id}})
    store.record_event_sent(job)
    assert store.get(job.job_id) is None
