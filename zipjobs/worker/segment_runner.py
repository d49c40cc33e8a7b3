"""Makes the segments of planned jobs, and finishes the job when the last of them is made."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from zipjobs.archive.builder import Archive
from zipjobs.archive.options import BuildContext, Progress
from zipjobs.archive.segment import BuiltSegment, build_segment, finish_archive
from zipjobs.errors import (
    LeaseLost,
    PermanentError,
    ServiceUnavailable,
    SourceNotFound,
    UploadGone,
)
from zipjobs.jobs.job import FinishedArchive, Job, JobError, Submission
from zipjobs.jobs.summary import ProgressCounts
from zipjobs.s3.multipart_upload import Upload
from zipjobs.s3.probe_objects import collect_unreadable
from zipjobs.s3.target import Target
from zipjobs.worker.adapters import Adapters
from zipjobs.worker.heartbeat import tolerant
from zipjobs.worker.segment_store import Plan
from zipjobs.worker.usage import Usage

READS = 8
"""How many of the working objects are read at a time, of those that have to be read at once."""

logger = logging.getLogger(__name__)


class SegmentRunner:
    """Runs segments. ``context_for`` gives what a build through an upload works with."""

    def __init__(
        self,
        adapters: Adapters,
        context_for: Callable[[Upload, Callable[[Progress], None]], BuildContext],
    ) -> None:
        self._a = adapters
        self._context_for = context_for

    def run(self, submission: Submission) -> Job | None:
        """Make a segment, unless it is made, and end the job if that was the last.

        Returns the job as it stands, None if its record is gone. Raises TransientError if the
        message is to be tried again.
        """
        job = self._a.store.get(submission.job_id)
        if job is None:
            logger.warning("Job %s is not known any more", submission.job_id)
            return None
        if not job.is_final:
            job = self._work_on(job, submission)
        if job.is_final:
            self._a.finalizer.finalize(job)
        return job

    def _work_on(self, job: Job, submission: Submission) -> Job:
        assert submission.segment is not None
        try:
            plan = self._a.work.plan(job.job_id)
            if plan is None:
                return self._reload(job)
            self._make(job, plan, submission.segment)
            if len(self._a.work.built_segments(job.job_id)) < len(plan.segments):
                return self._a.store.get(job.job_id) or job
            return self._finish(job, plan)
        except PermanentError as error:
            logger.warning("Job %s: FAILED %s: %s", job.job_id, error.code, error)
            return self._a.store.fail(job, JobError.of(error))
        except (UploadGone, LeaseLost):
            return self._reload(job)

    def _reload(self, job: Job) -> Job:
        """Whoever ended the job while this worker was at it has taken its things away."""
        now = self._a.store.get(job.job_id)
        if now is None or not now.is_final:
            raise ServiceUnavailable(f"Job {job.job_id} lacks its plan or its upload.")
        return now

    def _make(self, job: Job, plan: Plan, number: int) -> None:
        if self._a.work.built(job.job_id, number) is not None:
            return
        segment = plan.segments[number]
        entries = self._a.work.entries(job.job_id, number)
        if entries is None:
            raise UploadGone("The segment's entries are gone.")
        means = self._context_for(
            self._upload(job, plan, segment.archive), tolerant(partial(self._note, job, number))
        )
        try:
            built = build_segment(segment, entries, plan.sizing, means)
        except SourceNotFound as error:
            raise collect_unreadable(error, entries, self._a.reader) from error
        self._a.work.put_built(job.job_id, number, built, self._a.meter.taken())
        self._a.progress.record(job, number, ProgressCounts(built.entries, built.source_bytes))
        self._a.store.send_heartbeat(job)
        logger.info("Job %s: segment %d of %d made", job.job_id, number + 1, len(plan.segments))

    def _note(self, job: Job, number: int, done: Progress) -> None:
        """Record how far the segment is. Raises LeaseLost if the job has its end."""
        self._a.progress.record(job, number, ProgressCounts(done.entries, done.source_bytes))
        now = self._a.store.get(job.job_id)
        if now is None or now.is_final:
            raise LeaseLost(f"Job {job.job_id} has its end.")

    def _finish(self, job: Job, plan: Plan) -> Job:
        facts: list[FinishedArchive] = []
        source_bytes = 0
        for number, upload in enumerate(plan.uploads):
            segments = [segment.index for segment in plan.of_archive(number)]
            found = self._built(job, segments)
            archive = self._finish_archive(job, plan, number, [built for built, _ in found])
            target = Target(plan.target_bucket, upload.key)
            skipped = self._a.work.skipped(job.job_id) if job.skipped and number == 0 else ()
            if skipped is None:
                raise UploadGone("What was skipped is gone.")
            receipt = self._a.work.receipt(job.job_id, segments)
            used = sum((usage for _, usage in found), self._a.meter.taken())
            if number == 0:
                used += plan.usage
            facts.append(self._a.receipts.put(job, target, archive, skipped, receipt, used))
            source_bytes += archive.source_bytes
        entries = sum(archive.entries for archive in facts)
        logger.info("Job %s: READY, %d entries in %d segments", job.job_id, entries, job.segments)
        return self._a.store.ready(job, facts, entries, source_bytes)

    def _built(self, job: Job, numbers: list[int]) -> list[tuple[BuiltSegment, Usage]]:
        with ThreadPoolExecutor(READS) as pool:
            found = list(pool.map(partial(self._a.work.built, job.job_id), numbers))
        built = [one for one in found if one is not None]
        if len(built) < len(numbers):
            raise UploadGone("What some segments left is gone.")
        return built

    def _finish_archive(
        self, job: Job, plan: Plan, archive: int, built: list[BuiltSegment]
    ) -> Archive:
        numbers = [segment.index for segment in plan.of_archive(archive)]
        records = partial(self._a.work.records, job.job_id, numbers)
        return finish_archive(built, records, self._upload(job, plan, archive))

    def _upload(self, job: Job, plan: Plan, archive: int) -> Upload:
        upload = plan.uploads[archive]
        target = Target(plan.target_bucket, upload.key, owner_tag=job.owner_tag)
        return self._a.writer.resume(target, upload.upload_id)
