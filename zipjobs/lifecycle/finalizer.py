"""How jobs end, whoever ends them."""

import logging

from zipjobs.archive.receipt import receipt_key
from zipjobs.errors import TargetForbidden
from zipjobs.jobs.events import CompletionEvents
from zipjobs.jobs.job import Job, Status, Submission
from zipjobs.jobs.store import JobStore
from zipjobs.lifecycle.metrics import JobMetrics
from zipjobs.lifecycle.segment_cleanup import SegmentCleanup
from zipjobs.lifecycle.status_objects import StatusObjects
from zipjobs.s3.target import Target
from zipjobs.s3.upload_cleanup import UploadCleaner

logger = logging.getLogger(__name__)


class JobFinalizer:
    """Gives jobs their end, and sees that nothing is left of them but what an end leaves.

    Every method raises TransientError if that cannot be done now; doing it again does no harm.
    """

    def __init__(
        self,
        store: JobStore,
        leftovers: UploadCleaner,
        work: SegmentCleanup,
        statuses: StatusObjects,
        events: CompletionEvents,
        metrics: JobMetrics,
    ) -> None:
        self._store = store
        self._leftovers = leftovers
        self._work = work
        self._statuses = statuses
        self._events = events
        self._metrics = metrics

    def fail_exhausted(self, submission: Submission) -> Job:
        """End a job that the queue gave up on: FAILED, unless its work was done after all."""
        job = self._store.fail_exhausted(submission)
        self.finalize(job)
        return job

    def cancel(self, job_id: str) -> Job | None:
        """End a job that nobody wants any more: CANCELLED, unless it had its end before.

        Returns the job as it stands, None if there is none.
        """
        job = self._store.cancel(job_id)
        if job is not None and job.is_final:
            self.finalize(job)
        return job

    def finalize(self, job: Job) -> None:
        """Clean up after a job that has its end, and tell of it unless that was done: first where
        the dropper of a manifest looks, then on the bus.

        Who works on the job still may leave things behind; it concludes the job again.
        """
        if job.status is not Status.READY:
            self._leave_nothing(job)
        elif job.segments is not None:
            self._work.clean(job.job_id)
        if not job.event_sent:
            self._statuses.put(job)
            self._events.publish(job)
            self._store.record_event_sent(job)
            self._metrics.ended(job)

    def discard_previous_attempt(self, job: Job) -> None:
        """Clear away what earlier workers left of a job that is not planned yet."""
        self.abort_uploads(job)
        self._work.clean(job.job_id)

    def abort_uploads(self, job: Job) -> None:
        """Abort the uploads of workers that could not: those in the record, and those that their
        workers had no time to record.
        """
        if job.target_bucket is None or job.target_key is None:
            return  # nobody got as far as creating one
        try:
            for upload in job.uploads:
                self._leftovers.abort(Target(job.target_bucket, upload.key), upload.upload_id)
            self._leftovers.abort_all(job.target_bucket, job.target_key.removesuffix(".zip"))
        except TargetForbidden:
            # Nobody will be let to it later either, and the job must have its end.
            logger.warning("Job %s: uploads could not be aborted", job.job_id, exc_info=True)

    def _leave_nothing(self, job: Job) -> None:
        if job.started_at is None:
            return
        self.abort_uploads(job)
        if job.target_bucket is not None and job.target_key is not None:
            for key in {job.target_key, *(upload.key for upload in job.uploads)}:
                self._remove(Target(job.target_bucket, key, owner_tag=job.owner_tag))
                self._remove(Target(job.target_bucket, receipt_key(key), owner_tag=job.owner_tag))
        self._work.clean(job.job_id)

    def _remove(self, target: Target) -> None:
        try:
            self._leftovers.remove(target)
        except TargetForbidden:
            logger.warning("%s could not be removed", target, exc_info=True)
