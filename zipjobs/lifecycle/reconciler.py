"""Finds jobs that no worker runs and no message names, and brings them to a final status."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass

from zipjobs.errors import TransientError
from zipjobs.jobs.job import Job
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.store import JobStore
from zipjobs.lifecycle.finalizer import JobFinalizer
from zipjobs.lifecycle.metrics import JobMetrics
from zipjobs.lifecycle.segment_objects import SegmentObjects
from zipjobs.s3.retry import MAX_CHECKS
from zipjobs.telemetry import log_keys

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Reconciliation:
    """The number of jobs that were queued again, failed, finalized, and left for the next run."""

    sent: int = 0
    given_up: int = 0
    finalized: int = 0
    left: int = 0


class Reconciler:
    """Checks the jobs whose next heartbeat is overdue: see ``JobStore.overdue``.

    SQS cannot report whether a message still exists. An unfinished job is therefore queued again,
    which does no harm if its message was not lost. After ``MAX_CHECKS`` checks it fails.
    """

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        segments: SegmentObjects,
        finalizer: JobFinalizer,
        metrics: JobMetrics,
    ) -> None:
        self._store = store
        self._queue = queue
        self._segments = segments
        self._finalizer = finalizer
        self._metrics = metrics

    def reconcile(self, has_time: Callable[[], bool] = lambda: True) -> Reconciliation:
        """Check all overdue jobs, as long as there ``has_time``."""
        result = Reconciliation()
        for job in self._store.overdue():
            if not has_time():
                break
            log_keys.append_keys(job_id=job.job_id)
            try:
                self._check(job, result)
            except TransientError:
                logger.exception("Job %s: left for the next run", job.job_id)
                result.left += 1
        log_keys.append_keys(job_id=None)
        self._metrics.reconciled(result.sent + result.given_up + result.left, asdict(result))
        return result

    def _check(self, job: Job, result: Reconciliation) -> None:
        if job.is_final:
            self._finalizer.finalize(job)
            result.finalized += 1
        elif job.sweeps >= MAX_CHECKS:
            job = self._finalizer.fail_exhausted(job.submission)
            logger.warning("Job %s: %s after %d checks", job.job_id, job.status, job.sweeps)
            result.given_up += 1
        else:
            self._send_again(job)
            self._store.record_check(job)
            logger.warning("Job %s: %s, queued again", job.job_id, job.status)
            result.sent += 1

    def _send_again(self, job: Job) -> None:
        if job.segments is None:
            self._queue.send(job.submission)
            return
        built = self._segments.built_segments(job.job_id)
        missing = [number for number in range(job.segments) if number not in built]
        # If all are built, any segment's message finishes the job.
        self._queue.send_segments(job.submission, missing or [0])
