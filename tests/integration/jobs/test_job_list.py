"""The list of jobs, and its pages."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from zipjobs.jobs.job import EVERYONE, Status, Submission, Trigger
from zipjobs.jobs.job_list import JobList
from zipjobs.jobs.store import JobStore
from zipjobs.jobs.table import JobTable, ListKeys
from zipjobs.requests.allow_list import Destination
from zipjobs.requests.storage import ObjectRef

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
ALICE, BOB = "arn:aws:iam::123456789012:user/alice", "arn:aws:iam::123456789012:user/bob"


@pytest.fixture
def jobs(dynamodb: Any) -> JobList:
    return JobList(JobTable(dynamodb, "jobs"), clock=lambda: NOON)


@pytest.fixture
def submit(dynamodb: Any) -> Any:
    store = JobStore(JobTable(dynamodb, "jobs"), 3600, 60, clock=lambda: NOON)

    def submit(job_id: str, owner: str = ALICE, minute: int = 0) -> Submission:
        submission = Submission(
            job_id=job_id,
            owner=owner,
            trigger=Trigger.API,
            request=ObjectRef(bucket="manifests", key=f"requests/{job_id}.json"),
            submitted_at=NOON + timedelta(minutes=minute),
        )
        store.create(submission, Destination("src", "dst", f"zips/{job_id}.zip"), 1)
        return submission

    return submit


def ids(jobs: JobList, *arguments: Any, **options: Any) -> list[str]:
    return [job.job_id for job in jobs.page(*arguments, **options).jobs]


def pages(jobs: JobList, caller: str, **options: Any) -> Iterator[list[str]]:
    cursor = None
    while True:
        page = jobs.page(caller, cursor=cursor, **options)
        yield [job.job_id for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            return


def test_without_jobs_the_list_is_empty(jobs: JobList) -> None:
    assert jobs.page(ALICE) == ((), None)


def test_jobs_are_sorted_from_new_to_old_and_then_by_id(jobs: JobList, submit: Any) -> None:
    for job_id, minute in (("b", 1), ("d", 2), ("a", 0), ("c", 1)):
        submit(job_id, minute=minute)
    assert ids(jobs, ALICE) == ["d", "c", "b", "a"]


def test_callers_see_their_own_jobs_and_jobs_without_an_owner(jobs: JobList, submit: Any) -> None:
    submit("alices", ALICE, 0)
    submit("manifests", EVERYONE, 1)
    submit("bobs", BOB, 2)
    assert ids(jobs, ALICE) == ["manifests", "alices"]
    assert ids(jobs, BOB) == ["bobs", "manifests"]
    assert ids(jobs, EVERYONE) == ["manifests"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
def test_the_pages_contain_each_job_once(jobs: JobList, submit: Any, limit: int) -> None:
    owners = [ALICE, EVERYONE, ALICE, ALICE, EVERYONE, EVERYONE, EVERYONE]
    for number, owner in enumerate(owners):
        submit(f"job-{number}", owner, number // 2)
    found = list(pages(jobs, ALICE, limit=limit))
    assert [one for page in found for one in page] == [
        f"job-{number}" for number in reversed(range(len(owners)))
    ]
    assert max(map(len, found)) <= limit


def test_a_new_job_does_not_shift_the_next_page(jobs: JobList, submit: Any) -> None:
    for number in range(4):
        submit(f"job-{number}", minute=number)
    first = jobs.page(ALICE, limit=2)
    submit("newer", minute=9)
    assert ids(jobs, ALICE, limit=2, cursor=first.next_cursor) == ["job-1", "job-0"]


def test_jobs_can_be_filtered_by_status(jobs: JobList, submit: Any, dynamodb: Any) -> None:
    for number in range(3):
        submission = submit(f"job-{number}", minute=number)
    store = JobStore(jobs.table, 3600, 60, clock=lambda: NOON)
    store.claim(submission, "worker", NOON + timedelta(minutes=5))
    assert ids(jobs, ALICE, Status.RUNNING) == ["job-2"]
    assert ids(jobs, ALICE, Status.PENDING) == ["job-1", "job-0"]
    assert list(pages(jobs, ALICE, status=Status.PENDING, limit=1)) == [["job-1"], ["job-0"]]


def test_expired_jobs_are_not_listed(dynamodb: Any, submit: Any) -> None:
    submit("old")
    later = JobList(JobTable(dynamodb, "jobs"), clock=lambda: NOON + timedelta(days=100))
    assert ids(later, ALICE) == []


def test_a_job_with_another_status_than_the_index_is_not_listed(
    jobs: JobList, submit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DynamoDB updates the index a little later than the table."""
    submit("job-1")
    before = {ALICE: jobs.table.list_keys(ALICE, Status.PENDING, None, 20)}
    stale = lambda table, owner, *rest: before.get(owner, ListKeys([], None))  # noqa: E731
    monkeypatch.setattr(JobTable, "list_keys", stale)
    assert ids(jobs, ALICE, Status.RUNNING) == []
    assert ids(jobs, ALICE, Status.PENDING) == ["job-1"]
