"""Finds jobs that nobody works on and that no message speaks of, and brings them to an end."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass

from zipjobs.errors import TransientError
from zipjobs.jobs.job import Job
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.store import MAX_CHECKS, JobStore
from zipjobs.lifecycle.finalizer import JobFinalizer
from zipjobs.lifecycle.metrics import JobMetrics
from zipjobs.lifecycle.segment_cleanup import SegmentCleanup
from zipjobs.telemetry import log_keys

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Reconciliation:
    """How many jobs were sent again, given up, finalized, and left for the next time."""

    sent: int = 0
    given_up: int = 0
    finalized: int = 0
    left: int = 0


class Reconciler:
    """Looks after jobs that are due: see ``JobStore.overdue``.

    Whether a message is on the queue cannot be asked. So a job without an end is sent again, which
    does no harm if it was not lost, and after ``MAX_CHECKS`` times it is FAILED.
    """

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        work: SegmentCleanup,
        finalizer: JobFinalizer,
        metrics: JobMetrics,
    ) -> None:
        self._store = store
        self._queue = queue
        self._work = work
        self._finalizer = finalizer
        self._metrics = metrics

    def reconcile(self, has_time: Callable[[], bool] = lambda: True) -> Reconciliation:
        """Look at all jobs that are due, or as many as there is time for."""
        swept = Reconciliation()
        for job in self._store.overdue():
            if not has_time():
                break
            log_keys.append_keys(job_id=job.job_id)
            try:
                self._look_at(job, swept)
            except TransientError:
                logger.exception("Job %s: left for the next sweep", job.job_id)
                swept.left += 1
        log_keys.append_keys(job_id=None)
        self._metrics.swept(swept.sent + swept.given_up + swept.left, asdict(swept))
        return swept

    def _look_at(self, job: Job, swept: Reconciliation) -> None:
        if job.is_final:
            self._finalizer.finalize(job)
            swept.finalized += 1
        elif job.sweeps >= MAX_CHECKS:
            job = self._finalizer.fail_exhausted(job.submission)
            logger.warning("Job %s: %s after %d sweeps", job.job_id, job.status, job.sweeps)
            swept.given_up += 1
        else:
            self._send_again(job)
            self._store.record_check(job)
            logger.warning("Job %s: %s, and sent again", job.job_id, job.status)
            swept.sent += 1

    def _send_again(self, job: Job) -> None:
        if job.segments is None:
            self._queue.send(job.submission)
            return
        built = self._work.built_segments(job.job_id)
        missing = [number for number in range(job.segments) if number not in built]
        self._queue.send_segments(job.submission, missing or [0])  # any can finish what is made
