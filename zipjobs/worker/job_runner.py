"""Runs the job, or the segment of a job, that a queue message names.

The path of a job: ``request_loader`` reads the request and its list of entries. ``archive_runner``
builds the archive if one worker can do it. Otherwise ``planner`` cuts the job into segments, and
``segment_runner`` builds each of them when its own message arrives.
"""

import logging
import uuid
from datetime import datetime

from zipjobs.errors import LeaseLost, PermanentError, TransientError, UploadGone
from zipjobs.jobs.job import Job, JobError, Submission
from zipjobs.jobs.store import JobStore
from zipjobs.lifecycle.finalizer import JobFinalizer
from zipjobs.worker.archive_runner import ArchiveRunner, NeedsSplitting
from zipjobs.worker.planner import Planner
from zipjobs.worker.request_loader import RequestLoader
from zipjobs.worker.segment_runner import SegmentRunner
from zipjobs.worker.usage import Meter

logger = logging.getLogger(__name__)


class JobRunner:
    """Turns a submission into an archive, a final record and a completion event."""

    def __init__(
        self,
        store: JobStore,
        finalizer: JobFinalizer,
        loader: RequestLoader,
        archives: ArchiveRunner,
        planner: Planner,
        segments: SegmentRunner,
        meter: Meter,
    ) -> None:
        self._store = store
        self._finalizer = finalizer
        self._loader = loader
        self._archives = archives
        self._planner = planner
        self._segments = segments
        self._meter = meter

    def run(self, submission: Submission, lease_until: datetime) -> Job | None:
        """Run a job until it is final, or until its segments are on the queue.

        A message may be delivered again. For a final job, the finalizer then completes what an
        earlier worker did not, such as sending the event. For a job that is split already, the
        messages of its segments are sent again.

        Returns the job: RUNNING after it was split into segments, final otherwise. Returns None if
        the record has expired. Raises TransientError if the message must be retried; the lease is
        released first.
        """
        self._meter.take()  # discard the usage of other messages
        if submission.segment is not None:
            return self._segments.run(submission, lease_until)
        job = self._store.claim(submission, str(uuid.uuid4()), lease_until)
        if not job.is_final:
            job = self._work(job, submission, lease_until)
        if job.is_final:
            self._finalizer.finalize(job)
        return job

    def _work(self, job: Job, submission: Submission, lease_until: datetime) -> Job:
        logger.info("Job %s: started (%s)", job.job_id, job.trigger)
        try:
            if job.segments is None:
                job = self._build_or_plan(job, lease_until)
            if job.is_final:
                return job
            self._planner.send_segments(job, submission)
        except LeaseLost:
            return self._reload(job)
        except UploadGone as gone:
            self._release(job, str(gone))
            return self._reload(job)
        except Exception as error:
            self._release(job, str(error) or type(error).__name__)
            raise
        self._release(job, None)
        return job

    def _build_or_plan(self, job: Job, lease_until: datetime) -> Job:
        try:
            if job.attempts > 1:
                self._finalizer.discard_previous_attempt(job)
            with self._loader.load(job, lease_until) as loaded:
                try:
                    return self._archives.run(loaded)
                except NeedsSplitting:
                    logger.info("Job %s: too large for one worker", job.job_id)
                return self._planner.plan(loaded, lease_until)
        except PermanentError as error:
            logger.warning("Job %s: FAILED %s: %s", job.job_id, error.code, error)
            return self._store.fail(job, JobError.of(error))

    def _reload(self, job: Job) -> Job:
        """Return the job after it was cancelled, or finished by another worker.

        Raises LeaseLost if it is not final: another worker holds the lease.
        """
        current = self._store.get(job.job_id)
        if current is None or not current.is_final:
            raise LeaseLost(f"Job {job.job_id} was taken over by another worker.")
        return current

    def _release(self, job: Job, problem: str | None) -> None:
        """Release the lease, so that a retry can start at once.

        If that fails, the retry waits until the lease expires.
        """
        try:
            self._store.release(job, problem)
        except TransientError:
            logger.exception("Job %s: the lease could not be released", job.job_id)
