"""Cancelled jobs leave no output."""

from typing import Any
from unittest.mock import patch

import pytest

from tests.integration.worker_setup import Workers
from zipjobs.jobs.job import Status
from zipjobs.worker.segment_plan import WorkerQuota


def cancelling(workers: Workers, owner: str, method: str, *, after: bool) -> Any:
    """Cancel the job during a worker's first call of ``method``."""
    target = getattr(workers, owner)
    real, first = getattr(target, method), iter([True])

    def cancel(*args: Any, **kwargs: Any) -> Any:
        if not next(first, False):
            return real(*args, **kwargs)
        result = real(*args, **kwargs) if after else None
        workers.finalizer.cancel("job-1")
        return result if after else real(*args, **kwargs)

    return patch.object(target, method, cancel)


def assert_no_output(workers: Workers) -> None:
    assert workers.output() == []
    assert workers.bus.statuses == [Status.CANCELLED]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("owner", "method"),
    [("store", "record_destination"), ("writer", "create"), ("store", "record_uploads")],
)
def test_a_job_cancelled_while_it_runs_leaves_no_output(
    workers: Workers, owner: str, method: str, after: bool
) -> None:
    with cancelling(workers, owner, method, after=after):
        assert workers.run_all({"keys": ["a/one.pdf", "b/one.pdf"]}).status is Status.CANCELLED
    assert_no_output(workers)


def test_an_archive_completed_after_cancellation_is_deleted(workers: Workers) -> None:
    with cancelling(workers, "store", "ready", after=False):
        assert workers.run_all().status is Status.CANCELLED
    assert_no_output(workers)


def test_a_worker_that_waits_for_s3_stops_after_cancellation(workers: Workers) -> None:
    """S3 sends nothing. Only the heartbeat shows that the job is cancelled."""

    class Silent:
        def __init__(self) -> None:
            workers.finalizer.cancel("job-1")

        def cancel(self) -> None:
            pass

    with (
        patch.object(workers.reader, "read", lambda *args, **kwargs: Silent()),
        patch.object(workers, "options", workers.options.__class__(progress_seconds=0.01)),
    ):
        assert workers.run_all().status is Status.CANCELLED
    assert_no_output(workers)


def test_a_split_job_that_is_cancelled_leaves_no_output(workers: Workers) -> None:
    workers.quota = WorkerQuota(entries=2)
    workers.run(workers.submit({"keys": ["a/one.pdf", "b/one.pdf", "a/one.pdf"]}))
    with cancelling(workers, "segments", "entries", after=True):
        assert workers.run(workers.queue.sent[0]).status is Status.CANCELLED
    for late in workers.queue.sent:
        assert workers.run(late).status is Status.CANCELLED
    assert_no_output(workers)


def test_a_pending_job_can_be_cancelled(workers: Workers) -> None:
    message = workers.submit()
    workers.create_record(message)
    cancelled = workers.finalizer.cancel("job-1")
    assert cancelled is not None
    assert cancelled.status is Status.CANCELLED
    assert workers.run(message).status is Status.CANCELLED
    assert_no_output(workers)


def test_a_finished_or_unknown_job_cannot_be_cancelled(workers: Workers) -> None:
    workers.run_all()
    job = workers.finalizer.cancel("job-1")
    assert job is not None
    assert job.status is Status.READY
    assert workers.target_keys() == ["zips/job-1.receipt.json", "zips/job-1.zip"]
    assert workers.finalizer.cancel("unknown") is None
