"""The reconciler: jobs whose message or event is lost."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest

from tests.integration.conftest import GRACE_SECONDS, Put
from tests.integration.worker_setup import Died, Workers, error_of
from tests.support.builders import submission
from zipjobs.archive.parts.sizing import MIB
from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.job import Status
from zipjobs.lifecycle.reconciler import Reconciliation
from zipjobs.model import utc_now
from zipjobs.s3.retry import MAX_CHECKS
from zipjobs.worker.segment_plan import WorkerQuota


def later(workers: Workers, **duration: int) -> Any:
    """Advance the clock of the job store."""
    return patch.object(workers.store, "_clock", lambda: utc_now() + timedelta(**duration))


def test_a_lost_message_is_sent_again(workers: Workers) -> None:
    message = workers.submit()
    workers.create_record(message)
    assert workers.reconciler.reconcile().sent == 0
    with later(workers, seconds=GRACE_SECONDS):
        assert workers.reconciler.reconcile().sent == 1
        assert workers.reconciler.reconcile().sent == 0
    assert workers.queue.sent == [message]
    assert workers.run(message).status is Status.READY
    with later(workers, days=10):
        assert workers.reconciler.reconcile() == Reconciliation()


def test_a_job_that_never_finishes_fails_within_72_hours(workers: Workers) -> None:
    workers.create_record(workers.submit())
    hours = 0
    while not workers.job().is_final:
        hours += 1
        with later(workers, hours=hours):
            workers.reconciler.reconcile()
    assert error_of(workers.job()).code == "RETRIES_EXHAUSTED"
    assert len(workers.queue.sent) == MAX_CHECKS
    assert hours < 72
    assert workers.bus.statuses == [Status.FAILED]


def test_a_job_with_a_lease_is_not_stuck(workers: Workers) -> None:
    workers.store.claim(workers.submit(), "worker", datetime.now(UTC) + timedelta(minutes=15))
    with later(workers, minutes=14):
        assert workers.reconciler.reconcile().sent == 0


def test_only_missing_segments_are_sent_again(workers: Workers, put: Put) -> None:
    workers.quota = WorkerQuota(entries=2)
    keys = [f"big-{number}.pdf" for number in range(5)]
    for key in keys:
        put(key, bytes(6 * MIB))
    workers.run(workers.submit({"keys": keys}))
    first, *others = workers.queue.sent
    workers.run(first)
    workers.queue.sent = []
    with later(workers, seconds=GRACE_SECONDS):
        workers.reconciler.reconcile()
    assert workers.queue.sent == others
    assert others
    assert [workers.run(segment).status for segment in others][-1] is Status.READY


def test_a_split_job_with_all_segments_is_finished(workers: Workers) -> None:
    workers.quota = WorkerQuota(entries=2)
    workers.run(workers.submit({"keys": ["a/one.pdf", "b/one.pdf", "a/one.pdf"]}))
    *others, last = workers.queue.sent
    for segment in others:
        workers.run(segment)
    with (
        patch.object(workers.writer, "resume", side_effect=workers.writer.resume) as resumed,
        patch.object(workers.store, "send_heartbeat", side_effect=Died),
        pytest.raises(Died),
    ):
        workers.run(last)
    assert resumed.called
    workers.queue.sent = []
    with later(workers, seconds=GRACE_SECONDS):
        workers.reconciler.reconcile()
    (again,) = workers.queue.sent
    assert workers.run(again).status is Status.READY


def test_an_unsent_event_is_sent(workers: Workers) -> None:
    workers.bus.failures = 1
    with pytest.raises(ServiceUnavailable):
        workers.run_all()
    with later(workers, seconds=GRACE_SECONDS):
        assert workers.reconciler.reconcile().finalized == 1
        assert workers.reconciler.reconcile().finalized == 0
    assert workers.bus.statuses == [Status.READY]


def test_an_error_of_one_job_does_not_affect_the_next(workers: Workers) -> None:
    for number in range(2):
        workers.create_record(submission(job_id=f"lost-{number}"))
    with (
        later(workers, seconds=GRACE_SECONDS),
        patch.object(workers.queue, "send", side_effect=[ServiceUnavailable("no"), None]),
    ):
        result = workers.reconciler.reconcile()
    assert (result.left, result.sent) == (1, 1)
