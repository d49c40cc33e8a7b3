"""Workers are killed after any of their calls to AWS, before they receive the response.

Each worker is a process that runs a real handler with its real wiring. SIGKILL ends it when a
request has taken effect but its response has not been sent. Then its message is delivered again.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import pytest
from moto.events.models import EventsBackend

from tests.chaos.crashes.job_run import JobRun
from tests.chaos.crashes.matrix import (
    CONCURRENT_SCENARIOS,
    Endpoints,
    crash_after_every_call,
    new_job_runs,
    serving_endpoints,
)
from tests.chaos.crashes.outcome import check
from tests.chaos.crashes.report import MATRIX, Row
from tests.chaos.crashes.scenarios import PLANNED, SCENARIOS, UNSPLIT, Scenario
from zipjobs.jobs.job import Status

COMPLETE = "CompleteMultipartUpload"


@pytest.fixture(scope="module")
def endpoints() -> Iterator[Endpoints]:
    with serving_endpoints() as endpoints:
        yield endpoints


# The cases that have names


@pytest.fixture(params=[UNSPLIT, PLANNED], ids=["alone", "planned"])
def kind(request: pytest.FixtureRequest) -> Scenario:
    """A job that one worker builds, and one that several workers build."""
    scenario: Scenario = request.param
    return scenario


@pytest.fixture
def job(kind: Scenario, endpoints: Endpoints) -> Iterator[JobRun]:
    """A submitted job. No worker runs before the test starts one."""
    with new_job_runs(kind, endpoints) as new_job:
        job = new_job(None)
        job.post()
        yield job


def assert_ready(job: JobRun, kind: Scenario, events: int = 1) -> None:
    assert len(job.stack.events) == events, job.trail
    assert check(job, kind).status is Status.READY


def test_worker_dies_between_complete_and_ready(job: JobRun, kind: Scenario) -> None:
    job.crash(COMPLETE)
    archive = f"zips/{job.job_id}.zip"
    assert job.stack.status(job.job_id) is Status.RUNNING
    assert job.stack.keys("target") == {archive}
    before = job.stack.get("target", archive)
    job.work()
    assert_ready(job, kind)
    assert job.stack.get("target", archive) == before


def test_worker_dies_between_ready_and_event(job: JobRun, kind: Scenario) -> None:
    job.crash("PutEvents", "before")
    assert job.stack.status(job.job_id) is Status.READY
    assert len(job.stack.events) == 0
    job.work()
    assert_ready(job, kind)


def test_worker_dies_after_the_event_before_recording_it(job: JobRun, kind: Scenario) -> None:
    job.crash("PutEvents")
    assert len(job.stack.events) == 1
    job.work()
    assert_ready(job, kind, events=2)


def refused_events(self: EventsBackend, events: list[Any]) -> list[dict[str, str]]:
    return [{"ErrorCode": "InternalFailure", "ErrorMessage": "Try again."} for _ in events]


def fail_put_events(job: JobRun) -> None:
    """Deliver messages while PutEvents responds with a FailedEntryCount."""
    with patch.object(EventsBackend, "put_events", refused_events):
        while job.deliver():
            pass
    assert len(job.stack.queue) == 1
    assert job.stack.status(job.job_id) is Status.READY
    assert len(job.stack.events) == 0


def test_failed_put_events_entry_is_retried_by_the_queue(job: JobRun, kind: Scenario) -> None:
    fail_put_events(job)
    job.work()
    assert_ready(job, kind)


def test_failed_put_events_entry_is_sent_by_dead_letter(job: JobRun, kind: Scenario) -> None:
    fail_put_events(job)
    job.move_to_dead_letters()
    assert len(job.stack.dead_letters) == 1
    job.give_up()
    assert_ready(job, kind)


def test_failed_put_events_entry_is_sent_by_reconciler(job: JobRun, kind: Scenario) -> None:
    fail_put_events(job)
    job.lose()
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
def test_failed_complete_is_retried_done_or_not(
    job: JobRun, kind: Scenario, code: str, status: int, when: str
) -> None:
    error = {"code": code, "status": status}
    job.fail("zipper", operation=COMPLETE, nth=1, when=when, error=error)
    job.work()
    assert [call.operation for call in job.faults.struck] == [COMPLETE]
    assert_ready(job, kind)


# The matrix


@pytest.fixture(scope="module")
def rows(
    endpoints: Endpoints, request: pytest.FixtureRequest
) -> Iterator[Mapping[str, Future[Row]]]:
    """Run several scenarios at a time; yield the rows of the matrix by scenario."""
    test = test_job_recovers_from_a_crash_after_any_call.__name__
    selected = {item.name for item in request.session.items}
    scenarios = [scenario for scenario in SCENARIOS if f"{test}[{scenario.name}]" in selected]
    with ThreadPoolExecutor(CONCURRENT_SCENARIOS) as pool:
        yield {
            scenario.name: pool.submit(crash_after_every_call, scenario, endpoints)
            for scenario in scenarios
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_job_recovers_from_a_crash_after_any_call(
    scenario: Scenario,
    rows: Mapping[str, Future[Row]],
    record_property: Callable[[str, Any], None],
) -> None:
    row = rows[scenario.name].result()
    record_property(MATRIX, row.to_json())
    assert not row.mistakes, "\n\n".join(row.mistakes)
    assert set(row.ends) == scenario.ends
