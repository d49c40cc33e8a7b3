"""Finishes jobs. The zipper, cancel, dead-letter and reconciler functions all use it."""

import logging

from zipjobs.archive.receipt import receipt_key
from zipjobs.errors import TargetForbidden
from zipjobs.jobs.events import CompletionEvents
from zipjobs.jobs.job import Job, Status, Submission
from zipjobs.jobs.store import JobStore
from zipjobs.lifecycle.metrics import JobMetrics
from zipjobs.lifecycle.segment_objects import SegmentObjects
from zipjobs.lifecycle.status_objects import StatusObjects
from zipjobs.s3.target import Target
from zipjobs.s3.upload_cleanup import UploadCleaner

logger = logging.getLogger(__name__)


class JobFinalizer:
    """Finishes jobs: deletes partial output, writes the status object and sends the event.

    Workers set READY and FAILED themselves; CANCELLED and the FAILED of exhausted retries are set
    here. Every method is idempotent, and raises TransientError if it must be retried.
    """

    def __init__(
        self,
        store: JobStore,
        uploads: UploadCleaner,
        segments: SegmentObjects,
        statuses: StatusObjects,
        events: CompletionEvents,
        metrics: JobMetrics,
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._segments = segments
        self._statuses = statuses
        self._events = events
        self._metrics = metrics

    def fail_exhausted(self, submission: Submission) -> Job:
        """Fail a job whose retries are exhausted, unless it is final. Return its record."""
        job = self._store.fail_exhausted(submission)
        self.finalize(job)
        return job

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a job unless it is final. Return its record, or None if there is none."""
        job = self._store.cancel(job_id)
        if job is not None and job.is_final:
            self.finalize(job)
        return job

    def finalize(self, job: Job) -> None:
        """Delete the partial output of a final job, then announce the job unless that is done.

        The status object is written before the event is sent. A worker that was still running when
        the job became final may have left output: it finalizes the job again when it stops.
        """
        if job.status is not Status.READY:
            self._delete_output(job)
        elif job.segments is not None:
            self._segments.clean(job.job_id)
        if not job.event_sent:
            self._statuses.put(job)
            self._events.publish(job)
            self._store.record_event_sent(job)
            self._metrics.job_finished(job)

    def discard_previous_attempt(self, job: Job) -> None:
        """Delete the output of earlier attempts of a job that is not planned yet."""
        self.abort_uploads(job)
        self._segments.clean(job.job_id)

    def abort_uploads(self, job: Job) -> None:
        """Abort the uploads of a job: those in its record, and those not yet recorded."""
        if job.target_bucket is None or job.target_key is None:
            return  # no worker has created an upload yet
        try:
            for upload in job.uploads:
                self._uploads.abort(Target(job.target_bucket, upload.key), upload.upload_id)
            self._uploads.abort_all(job.target_bucket, job.target_key.removesuffix(".zip"))
        except TargetForbidden:
            # A retry would be refused too, and the job must reach its final status.
            logger.warning("Job %s: uploads could not be aborted", job.job_id, exc_info=True)

    def _delete_output(self, job: Job) -> None:
        if job.started_at is None:
            return
        self.abort_uploads(job)
        if job.target_bucket is not None and job.target_key is not None:
            for key in {job.target_key, *(upload.key for upload in job.uploads)}:
                self._delete(Target(job.target_bucket, key, owner_tag=job.owner_tag))
                self._delete(Target(job.target_bucket, receipt_key(key), owner_tag=job.owner_tag))
        self._segments.clean(job.job_id)

    def _delete(self, target: Target) -> None:
        try:
            self._uploads.remove(target)
        except TargetForbidden:
            logger.warning("%s could not be deleted", target, exc_info=True)
