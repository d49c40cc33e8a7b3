"""Workers that are killed after any of their calls to AWS, before they have the answer.

Each worker is a process that runs a real handler with its real wiring. SIGKILL ends it when a
request of it has had its effect, and the answer is not on its way yet. Then its message comes back.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import pytest
from moto.events.models import EventsBackend

from tests.chaos.crashes.job_run import Trial
from tests.chaos.crashes.matrix import LANES, Labs, kill_after_every_call, living, opened_labs
from tests.chaos.crashes.outcome import check
from tests.chaos.crashes.report import MATRIX, Row
from tests.chaos.crashes.scenarios import ALONE, LIVES, PLANNED, Life
from zipjobs.jobs.job import Status

COMPLETE = "CompleteMultipartUpload"


@pytest.fixture(scope="module")
def labs() -> Iterator[Labs]:
    with opened_labs() as labs:
        yield labs


# The cases that have names


@pytest.fixture(params=[ALONE, PLANNED], ids=["alone", "planned"])
def kind(request: pytest.FixtureRequest) -> Life:
    """A job that one worker makes, and one that several do."""
    life: Life = request.param
    return life


@pytest.fixture
def job(kind: Life, labs: Labs) -> Iterator[Trial]:
    """A job that was asked for. Nobody works on it before the test lets them."""
    with living(kind, labs) as new_job:
        job = new_job(None)
        job.post()
        yield job


def assert_ready(job: Trial, kind: Life, events: int = 1) -> None:
    assert len(job.stack.events) == events, job.trail
    assert check(job, kind).status is Status.READY


def test_worker_dies_between_complete_and_ready(job: Trial, kind: Life) -> None:
    job.crash(COMPLETE)
    archive = f"zips/{job.job_id}.zip"
    assert job.stack.status(job.job_id) is Status.RUNNING
    assert job.stack.keys("target") == {archive}
    before = job.stack.get("target", archive)
    job.work()
    assert_ready(job, kind)
    assert job.stack.get("target", archive) == before


def test_worker_dies_between_ready_and_event(job: Trial, kind: Life) -> None:
    job.crash("PutEvents", "before")
    assert job.stack.status(job.job_id) is Status.READY
    assert len(job.stack.events) == 0
    job.work()
    assert_ready(job, kind)


def test_worker_dies_after_the_event_before_recording_it(job: Trial, kind: Life) -> None:
    job.crash("PutEvents")
    assert len(job.stack.events) == 1
    job.work()
    assert_ready(job, kind, events=2)


def refused_events(self: EventsBackend, events: list[Any]) -> list[dict[str, str]]:
    return [{"ErrorCode": "InternalFailure", "ErrorMessage": "Try again."} for _ in events]


def fill_no_bus(job: Trial) -> None:
    """Deliver messages until one fails: PutEvents answers, but with a FailedEntryCount."""
    with patch.object(EventsBackend, "put_events", refused_events):
        while job.deliver():
            pass
    assert len(job.stack.queue) == 1
    assert job.stack.status(job.job_id) is Status.READY
    assert len(job.stack.events) == 0


def test_failed_put_events_entry_is_retried_by_the_queue(job: Trial, kind: Life) -> None:
    fill_no_bus(job)
    job.work()
    assert_ready(job, kind)


def test_failed_put_events_entry_is_sent_by_dead_letter(job: Trial, kind: Life) -> None:
    fill_no_bus(job)
    job.bury()
    assert len(job.stack.dead_letters) == 1
    job.give_up()
    assert_ready(job, kind)


def test_failed_put_events_entry_is_sent_by_reconciler(job: Trial, kind: Life) -> None:
    fill_no_bus(job)
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
    job: Trial, kind: Life, code: str, status: int, when: str
) -> None:
    error = {"code": code, "status": status}
    job.fail("zipper", operation=COMPLETE, nth=1, when=when, error=error)
    job.work()
    assert [call.operation for call in job.faults.struck] == [COMPLETE]
    assert_ready(job, kind)


# The matrix


@pytest.fixture(scope="module")
def rows(labs: Labs, request: pytest.FixtureRequest) -> Iterator[Mapping[str, Future[Row]]]:
    """The rows of the matrix by the names of their lives, of which several are led at a time."""
    test = test_job_recovers_from_a_crash_after_any_call.__name__
    selected = {item.name for item in request.session.items}
    lives = [life for life in LIVES if f"{test}[{life.name}]" in selected]
    with ThreadPoolExecutor(LANES) as pool:
        yield {life.name: pool.submit(kill_after_every_call, life, labs) for life in lives}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("life", LIVES, ids=[life.name for life in LIVES])
def test_job_recovers_from_a_crash_after_any_call(
    life: Life,
    rows: Mapping[str, Future[Row]],
    record_property: Callable[[str, Any], None],
) -> None:
    row = rows[life.name].result()
    record_property(MATRIX, row.to_json())
    assert not row.mistakes, "\n\n".join(row.mistakes)
    assert set(row.ends) == life.ends
