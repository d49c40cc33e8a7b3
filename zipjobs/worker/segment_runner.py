"""Builds the segments of planned jobs. The last segment to finish also finishes the job."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

from zipjobs.archive.options import Engine, Progress
from zipjobs.archive.segment import BuiltSegment, build_segment, finish_archive
from zipjobs.archive.whole_archive import Archive
from zipjobs.errors import (
    LeaseLost,
    PermanentError,
    ServiceUnavailable,
    UploadConflict,
    UploadGone,
)
from zipjobs.jobs.job import FinishedArchive, Job, JobError, Submission
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.segment_progress import SegmentProgress
from zipjobs.jobs.store import JobStore
from zipjobs.jobs.summary import ProgressCounts
from zipjobs.lifecycle.finalizer import JobFinalizer
from zipjobs.s3.multipart_upload import ArchiveWriter, Upload
from zipjobs.s3.target import Target
from zipjobs.worker.heartbeat import time_to_finish, tolerant
from zipjobs.worker.receipts import Receipts
from zipjobs.worker.segment_store import Plan, SegmentStore
from zipjobs.worker.usage import Meter, Usage

CONCURRENT_READS = 8
"""Results of segments that are read from S3 at a time."""

logger = logging.getLogger(__name__)


class SegmentRunner:
    """Runs segments from their queue messages."""

    def __init__(
        self,
        store: JobStore,
        segments: SegmentStore,
        progress: SegmentProgress,
        queue: JobQueue,
        engine: Engine,
        writer: ArchiveWriter,
        receipts: Receipts,
        finalizer: JobFinalizer,
        meter: Meter,
    ) -> None:
        self._store = store
        self._segments = segments
        self._progress = progress
        self._queue = queue
        self._engine = engine
        self._writer = writer
        self._receipts = receipts
        self._finalizer = finalizer
        self._meter = meter

    def run(self, submission: Submission, lease_until: datetime) -> Job | None:
        """Build a segment unless it is built, and finish the job after the last one.

        The invocation ends at ``lease_until``.

        Returns the current job, or None if the record has expired. Raises TransientError if the
        message must be retried.
        """
        job = self._store.get(submission.job_id)
        if job is None:
            logger.warning("Job %s: the record has expired", submission.job_id)
            return None
        if not job.is_final:
            job = self._work(job, submission, lease_until)
        if job.is_final:
            self._finalizer.finalize(job)
        return job

    def _work(self, job: Job, submission: Submission, lease_until: datetime) -> Job:
        assert submission.segment is not None
        try:
            plan = self._segments.plan(job.job_id)
            if plan is None:
                return self._reload(job)
            self._build(job, plan, submission.segment, lease_until)
            if len(self._segments.built_segments(job.job_id)) < len(plan.segments):
                return self._store.get(job.job_id) or job
            return self._finish(job, plan)
        except PermanentError as error:
            logger.warning("Job %s: FAILED %s: %s", job.job_id, error.code, error)
            return self._store.fail(job, JobError.of(error))
        except UploadConflict as conflict:
            logger.warning("Job %s: planned again: %s", job.job_id, conflict)
            self._store.forget_plan(job)
            self._queue.send(job.submission)
            return self._store.get(job.job_id) or job
        except (UploadGone, LeaseLost):
            return self._reload(job)

    def _reload(self, job: Job) -> Job:
        """Return the job after it was cancelled, or finished by another worker.

        Raises ServiceUnavailable if it is not final: its plan or upload is missing for now.
        """
        current = self._store.get(job.job_id)
        if current is None or not current.is_final:
            raise ServiceUnavailable(f"The plan or the upload of job {job.job_id} is missing.")
        return current

    def _build(self, job: Job, plan: Plan, number: int, lease_until: datetime) -> None:
        if number >= len(plan.segments) or self._segments.built(job.job_id, number) is not None:
            return  # an earlier plan had more segments
        segment = plan.segments[number]
        entries = self._segments.entries(job.job_id, number)
        if entries is None:
            raise UploadGone(f"The entries of segment {number} are missing.")
        context = self._engine.context(
            self._upload(job, plan, segment.archive),
            tolerant(partial(self._record_progress, job, number)),
            time_to_finish(lease_until.timestamp()),
        )
        output = build_segment(segment, entries, plan.sizing, context)
        self._segments.put_built(job.job_id, number, output, self._meter.take())
        self._progress.record(
            job, number, ProgressCounts(output.built.entries, output.built.source_bytes)
        )
        self._store.send_heartbeat(job)
        logger.info("Job %s: segment %d of %d built", job.job_id, number + 1, len(plan.segments))

    def _record_progress(self, job: Job, number: int, done: Progress) -> None:
        """Record the segment's progress. Raises LeaseLost if the job is final."""
        self._progress.record(job, number, ProgressCounts(done.entries, done.source_bytes))
        current = self._store.get(job.job_id)
        if current is None or current.is_final:
            raise LeaseLost(f"Job {job.job_id} is finished.")

    def _finish(self, job: Job, plan: Plan) -> Job:
        summaries: list[FinishedArchive] = []
        source_bytes = 0
        for number, upload in enumerate(plan.uploads):
            indexes = [segment.index for segment in plan.of_archive(number)]
            results = self._built(job, indexes)
            archive = self._finish_archive(job, plan, number, [built for built, _ in results])
            target = Target(plan.target_bucket, upload.key, tags=plan.tags)
            skipped = self._segments.skipped(job.job_id) if job.skipped and number == 0 else ()
            if skipped is None:
                raise UploadGone("The list of skipped objects is missing.")
            receipt = self._segments.receipt(job.job_id, indexes)
            used = sum((usage for _, usage in results), self._meter.take())
            if number == 0:
                used += plan.usage
            summaries.append(self._receipts.put(job, target, archive, skipped, receipt, used))
            source_bytes += archive.source_bytes
        entries = sum(archive.entries for archive in summaries)
        logger.info("Job %s: READY, %d entries in %d segments", job.job_id, entries, job.segments)
        return self._store.ready(job, summaries, entries, source_bytes)

    def _built(self, job: Job, indexes: list[int]) -> list[tuple[BuiltSegment, Usage]]:
        with ThreadPoolExecutor(CONCURRENT_READS) as pool:
            results = list(pool.map(partial(self._segments.built, job.job_id), indexes))
        built = [result for result in results if result is not None]
        if len(built) < len(indexes):
            raise UploadGone("The results of some segments are missing.")
        return built

    def _finish_archive(
        self, job: Job, plan: Plan, archive: int, built: list[BuiltSegment]
    ) -> Archive:
        indexes = [segment.index for segment in plan.of_archive(archive)]
        records = partial(self._segments.records, job.job_id, indexes)
        return finish_archive(built, records, self._upload(job, plan, archive))

    def _upload(self, job: Job, plan: Plan, archive: int) -> Upload:
        upload = plan.uploads[archive]
        target = Target(plan.target_bucket, upload.key, owner_tag=job.owner_tag)
        return self._writer.resume(target, upload.upload_id)
