"""Runs one job, or one segment of one, from its message."""

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from zipjobs.archive.builder import Load, build_archive
from zipjobs.archive.options import BuildContext, EngineOptions, Progress
from zipjobs.archive.receipt import missing_line
from zipjobs.errors import (
    LeaseLost,
    ListTooLarge,
    PermanentError,
    SourceNotFound,
    TransientError,
    UploadGone,
)
from zipjobs.jobs.job import Job, JobError, Submission, UploadRef
from zipjobs.model import utc_now
from zipjobs.requests.allow_list import Destination
from zipjobs.requests.fields import Compression, OnMissing
from zipjobs.requests.schema import JobRequest
from zipjobs.s3.multipart_upload import Upload
from zipjobs.s3.probe_objects import collect_unreadable
from zipjobs.s3.target import Target
from zipjobs.worker.adapters import Adapters
from zipjobs.worker.entry_list import EntryList, entries_of
from zipjobs.worker.heartbeat import Heartbeat, tolerant
from zipjobs.worker.planner import Planner
from zipjobs.worker.segment_plan import WorkerQuota
from zipjobs.worker.segment_runner import SegmentRunner
from zipjobs.zipformat.member_names import MAX_NAMES

logger = logging.getLogger(__name__)

READING_PART = 0.5
"""How much of its time a worker spends on reading the list; the rest is for the archive, or for
planning it. A list that takes longer would take as long the next time."""

MIN_READING_SECONDS = 30.0
"""Half of the zipper's shortest timeout: a worker that has less time left does not fail the job."""

FOUND_FOR_A_GUESS = 64
"""So many sizes say enough of a list's to tell whether it is more than one worker's share."""


class _NeedsPlanning(Exception):
    """The job turns out to be more than one worker's share."""


class JobRunner:
    """Turns submissions into archives, records and events. ``share`` is one worker's.

    ``most_names`` limits the files and folders of an archive.
    """

    def __init__(
        self,
        adapters: Adapters,
        options: EngineOptions,
        share: WorkerQuota,
        most_names: int = MAX_NAMES,
    ) -> None:
        self._a = adapters
        self._most_names = most_names
        self._options = options
        self._share = share
        self._planner = Planner(adapters, share, options.sizing)
        self._segments = SegmentRunner(adapters, self._means)

    def run(self, submission: Submission, lease_until: datetime) -> Job | None:
        """Bring a job to its end, or find it there, and see that its event went out.

        A job that is more than one worker's share is planned, and its segments are sent; then it
        is still RUNNING. Returns the job, None if its record is gone. Raises TransientError if the
        message is to be tried again; the lease is given back then.
        """
        self._a.meter.taken()  # what another message's job used is not this one's
        if submission.segment is not None:
            return self._segments.run(submission)
        job = self._a.store.claim(submission, str(uuid.uuid4()), lease_until)
        if not job.is_final:
            job = self._work(job, submission, lease_until)
        if job.is_final:
            self._a.finalizer.finalize(job)
        return job

    def _work(self, job: Job, submission: Submission, lease_until: datetime) -> Job:
        logger.info("Job %s: started (%s)", job.job_id, job.trigger)
        try:
            if job.segments is None:
                job = self._try(job, lease_until)
            if job.is_final:
                return job
            self._planner.hand_out(job, submission)
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

    def _reload(self, job: Job) -> Job:
        """The job, which another worker took over, or somebody ended while this one was at it.

        Raises LeaseLost unless it has its end.
        """
        now = self._a.store.get(job.job_id)
        if now is None or not now.is_final:
            raise LeaseLost(f"Job {job.job_id} was taken over by another worker.")
        return now

    def _try(self, job: Job, lease_until: datetime) -> Job:
        try:
            if job.attempts > 1:
                self._a.finalizer.discard_previous_attempt(job)
            request = self._a.requests.load(job.request)
            destination = self._a.policy.resolve(request, job.job_id)
            job = self._a.store.record_destination(job, destination, request.count)
            check = self._reading_check(job, lease_until)
            listed = self._a.lists.read(request, destination.source_bucket, check)
            with entries_of(request, listed, self._most_names) as entries:
                return self._make(job, request, entries, destination, lease_until)
        except PermanentError as error:
            logger.warning("Job %s: FAILED %s: %s", job.job_id, error.code, error)
            return self._a.store.fail(job, JobError.of(error))

    def _reading_check(self, job: Job, lease_until: datetime) -> Callable[[], None]:
        """Return what is called while the list is read.

        It records heartbeats. It raises LeaseLost if the job was cancelled or taken over, and
        ListTooLarge when the time for reading is used up.
        """
        heartbeat = Heartbeat(lambda _: self._a.store.record_progress(job, 0, 0))
        left = (lease_until - utc_now()).total_seconds()
        seconds = max(left * READING_PART, MIN_READING_SECONDS)
        stop_at = time.monotonic() + seconds

        def check() -> None:
            heartbeat()
            if time.monotonic() > stop_at:
                raise ListTooLarge(
                    f"Reading the list took more than {seconds:,.0f} seconds. Use a narrower "
                    "prefix, or split the list into several jobs."
                )

        return check

    def _make(
        self,
        job: Job,
        request: JobRequest,
        entries: EntryList,
        destination: Destination,
        until: datetime,
    ) -> Job:
        """Make the archive, or a plan of it."""
        deflate = request.compression is Compression.DEFLATE
        skip_missing = request.on_missing is OnMissing.SKIP
        watch = _SizeGuard(self._share, None if deflate else entries.count)
        try:
            if request.max_archive_bytes is None:
                if not deflate:
                    watch(Load(entries.count, entries.known_bytes, 0))
                options = replace(self._options, deflate=deflate, skip_missing=skip_missing)
                return self._make_alone(job, entries, destination, options, watch)
        except _NeedsPlanning:
            logger.info("Job %s: more than one worker's share", job.job_id)
        try:
            return self._planner.plan(job, request, entries, destination, until)
        except PermanentError:
            self._a.work.clean(job.job_id)
            raise

    def _make_alone(
        self,
        job: Job,
        entries: EntryList,
        destination: Destination,
        options: EngineOptions,
        watch: Callable[[Load], None],
    ) -> Job:
        store, key = self._a.store, destination.target_key
        target = Target(destination.target_bucket, key, owner_tag=job.owner_tag)

        def created(upload_id: str) -> None:
            store.record_uploads(job, [UploadRef(key=key, upload_id=upload_id)])

        totals = (entries.count, None if entries.has_unknown_sizes else entries.known_bytes)

        def note(done: Progress) -> None:
            store.record_progress(job, done.entries, done.source_bytes, *totals)

        try:
            with self._a.writer.upload(target, created) as upload:
                means = replace(self._means(upload, tolerant(note)), options=options)
                archive = build_archive(entries, means, watch)
        except SourceNotFound as error:
            raise collect_unreadable(error, entries, self._a.reader) from error
        skipped = map(missing_line, archive.missing)
        used = self._a.meter.taken()
        facts = self._a.receipts.put(job, target, archive, skipped, archive.receipt, used)
        logger.info(
            "Job %s: READY, %d entries, %d bytes of which S3 copied %d, at %s",
            *(job.job_id, archive.entries, archive.size, archive.copied_bytes, target),
        )
        names = [str(entry.source) for entry in archive.missing]
        return store.ready(job, [facts], archive.entries, archive.source_bytes, names)

    def _means(self, upload: Upload, note: Callable[[Progress], None]) -> BuildContext:
        return BuildContext(self._a.reader, upload, self._a.blocks, self._options, note)

    def _release(self, job: Job, problem: str | None) -> None:
        """Let the next delivery begin at once; if that fails, it waits for the lease to end."""
        try:
            self._a.store.release(job, problem)
        except TransientError:
            logger.exception("Job %s: the lease could not be released", job.job_id)


class _SizeGuard:
    """Ends a build that turns out to be two workers' shares, as soon as the first sizes tell."""

    def __init__(self, share: WorkerQuota, entries: int | None) -> None:
        self._share = share
        self._entries = entries

    def __call__(self, load: Load) -> None:
        """Raises _NeedsPlanning if what was found makes the whole list too much."""
        if self._entries is None:
            return
        is_enough = load.entries >= min(FOUND_FOR_A_GUESS, self._entries)
        scale = (self._entries / max(1, load.entries) if is_enough else 1) / 2
        if self._share.is_full(
            round(load.entries * scale),
            round(load.read_bytes * scale),
            round(load.copied_bytes * scale),
        ):
            raise _NeedsPlanning
