"""Workers are killed, or their calls fail, at the critical moments of a job."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from moto.events.models import EventsBackend

from tests.chaos.crashes.job_run import JobRun
from tests.chaos.crashes.matrix import Endpoints, NewJobRun, new_job_runs
from tests.chaos.crashes.outcome import check
from tests.chaos.crashes.scenarios import SEGMENTED, UNSPLIT, Scenario
from zipjobs.jobs.job import Status

COMPLETE = "CompleteMultipartUpload"


@pytest.fixture(scope="module", params=[UNSPLIT, SEGMENTED], ids=["unsplit", "segmented"])
def kind(request: pytest.FixtureRequest) -> Scenario:
    """A job that one worker builds, and one that several workers build."""
    scenario: Scenario = request.param
    return scenario


@pytest.fixture(scope="module")
def new_job_run(kind: Scenario, endpoints: Endpoints) -> Iterator[NewJobRun]:
    with new_job_runs(kind, endpoints) as new_job_run:
        yield new_job_run


@pytest.fixture
def job(new_job_run: NewJobRun) -> Iterator[JobRun]:
    """A submitted job. No worker runs before the test starts one."""
    job = new_job_run(None)
    job.post()
    yield job
    job.stack.reset()


def assert_ready(job: JobRun, kind: Scenario, events: int = 1) -> None:
    assert len(job.stack.events) == events, job.log
    assert check(job, kind).status is Status.READY


def test_worker_killed_between_complete_and_ready(job: JobRun, kind: Scenario) -> None:
    job.kill_worker(COMPLETE)
    archive = f"zips/{job.job_id}.zip"
    assert job.stack.status(job.job_id) is Status.RUNNING
    assert job.stack.keys("target") == {archive}
    before = job.stack.get("target", archive)
    job.deliver_all()
    assert_ready(job, kind)
    assert job.stack.get("target", archive) == before


def test_worker_killed_between_ready_and_event(job: JobRun, kind: Scenario) -> None:
    job.kill_worker("PutEvents", "before")
    assert job.stack.status(job.job_id) is Status.READY
    assert len(job.stack.events) == 0
    job.deliver_all()
    assert_ready(job, kind)


def test_worker_killed_after_the_event_before_recording_it(job: JobRun, kind: Scenario) -> None:
    job.kill_worker("PutEvents")
    assert len(job.stack.events) == 1
    job.deliver_all()
    assert_ready(job, kind, events=2)


def refuse_events(self: EventsBackend, events: list[Any]) -> list[dict[str, str]]:
    return [{"ErrorCode": "InternalFailure", "ErrorMessage": "Try again."} for _ in events]


def fail_put_events(job: JobRun) -> None:
    """Deliver messages while PutEvents responds with a FailedEntryCount."""
    with patch.object(EventsBackend, "put_events", refuse_events):
        while job.deliver():
            pass
    assert len(job.stack.queue) == 1
    assert job.stack.status(job.job_id) is Status.READY
    assert len(job.stack.events) == 0


def test_failed_put_events_entry_is_retried_by_the_queue(job: JobRun, kind: Scenario) -> None:
    fail_put_events(job)
    job.deliver_all()
    assert_ready(job, kind)


def test_failed_put_events_entry_is_sent_by_dead_letter(job: JobRun, kind: Scenario) -> None:
    fail_put_events(job)
    job.move_to_dead_letters()
    assert len(job.stack.dead_letters) == 1
    job.deliver_dead_letters()
    assert_ready(job, kind)


def test_failed_put_events_entry_is_sent_by_reconciler(job: JobRun, kind: Scenario) -> None:
    fail_put_events(job)
    job.lose_messages()
    job.reconcile()
    assert_ready(job, kind)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ConditionalRequestConflict", 409),
        ("PreconditionFailed", 412),
        ("InternalError", 500),
        ("InternalError", 200),
    ],
)
def test_failed_complete_is_retried(
    job: JobRun, kind: Scenario, code: str, status: int, when: str
) -> None:
    error = {"code": code, "status": status}
    job.fail("zipper", operation=COMPLETE, nth=1, when=when, error=error)
    job.deliver_all()
    assert [call.operation for call in job.faults.struck] == [COMPLETE]
    assert_ready(job, kind)
