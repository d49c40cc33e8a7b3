"""Runs one job from its message to its end: the one module that joins ``jobs`` and ``archive``."""

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from threading import Lock

from zipjobs.archive.assembly import EngineOptions, Means, Progress
from zipjobs.archive.engine import Archive, build_archive
from zipjobs.archive.names import UniqueNames, basename
from zipjobs.archive.parts import BlockPool
from zipjobs.archive.reader import ObjectReader
from zipjobs.archive.source import Entry, Source
from zipjobs.archive.writer import ArchiveWriter, Target
from zipjobs.errors import LeaseLost, PermanentError, TransientError
from zipjobs.jobs.events import CompletionEvents
from zipjobs.jobs.job import ArchiveFacts, Job, JobError, Submission
from zipjobs.jobs.policy import Destination, Policy
from zipjobs.jobs.request import Compression, JobRequest
from zipjobs.jobs.requests import RequestReader
from zipjobs.jobs.store import JobStore

logger = logging.getLogger(__name__)

PROGRESS_SECONDS = 2.0
"""How often a running job's record is updated at most."""


class JobRunner:
    """Turns submissions into archives, records and events."""

    def __init__(
        self,
        store: JobStore,
        requests: RequestReader,
        policy: Policy,
        reader: ObjectReader,
        writer: ArchiveWriter,
        events: CompletionEvents,
        blocks: BlockPool,
        options: EngineOptions,
    ) -> None:
        self._store = store
        self._requests = requests
        self._policy = policy
        self._reader = reader
        self._writer = writer
        self._events = events
        self._blocks = blocks
        self._options = options

    def run(self, submission: Submission, lease_until: datetime) -> Job:
        """Bring a job to its end, or find it there, and see that its event went out.

        Returns the job, READY or FAILED. Raises TransientError if the message is to be tried
        again; the lease is given back then.
        """
        job = self._store.claim(submission, str(uuid.uuid4()), lease_until)
        if not job.is_final:
            job = self._work(job)
        announce(job, self._events, self._store)
        return job

    def _work(self, job: Job) -> Job:
        logger.info("Job %s: started (%s)", job.job_id, job.trigger)
        try:
            return self._try(job)
        except LeaseLost:
            raise
        except Exception as error:
            self._release(job, error)
            raise

    def _try(self, job: Job) -> Job:
        try:
            abort_leftover(job, self._writer)
            request = self._requests.load(job.request)
            destination = self._policy.resolve(request, job.job_id)
            job = self._store.describe(job, destination, len(request.keys))
            archive = self._build(job, request, destination)
        except PermanentError as error:
            logger.warning("Job %s: FAILED %s: %s", job.job_id, error.code, error)
            return self._store.fail(job, JobError.of(error))
        logger.info(
            "Job %s: READY, %d entries, %d bytes of which S3 copied %d, at s3://%s/%s",
            *(job.job_id, archive.entries, archive.size, archive.copied_bytes),
            *(job.target_bucket, job.target_key),
        )
        return self._store.ready(job, _facts(archive), archive.entries, archive.source_bytes)

    def _release(self, job: Job, error: Exception) -> None:
        """Let the next delivery begin at once; if that fails, it waits for the lease to end."""
        try:
            self._store.release(job, str(error) or type(error).__name__)
        except TransientError:
            logger.exception("Job %s: the lease could not be released", job.job_id)

    def _build(self, job: Job, request: JobRequest, destination: Destination) -> Archive:
        target = Target(destination.target_bucket, destination.target_key)
        with self._writer.upload(target, lambda id_: self._store.note_upload(job, id_)) as upload:
            means = Means(
                self._reader,
                upload,
                self._blocks,
                replace(self._options, deflate=request.compression is Compression.DEFLATE),
                _Throttled(
                    lambda done: self._store.note_progress(job, done.entries, done.source_bytes)
                ),
            )
            return build_archive(_entries(request, destination.source_bucket), means)


def give_up(
    submission: Submission, store: JobStore, writer: ArchiveWriter, events: CompletionEvents
) -> Job:
    """End a job that the queue gave up on: FAILED, unless its work was done after all.

    Raises TransientError if that cannot be done now.
    """
    job = store.give_up(submission)
    abort_leftover(job, writer)
    announce(job, events, store)
    return job


def announce(job: Job, events: CompletionEvents, store: JobStore) -> None:
    """Publish a final job's event unless the record says that it went out."""
    if not job.event_sent:
        events.publish(job)
        store.note_event_sent(job)


def abort_leftover(job: Job, writer: ArchiveWriter) -> None:
    """Abort the upload of a worker that died before it could."""
    if job.upload_id and job.target_bucket and job.target_key:
        writer.abort(Target(job.target_bucket, job.target_key), job.upload_id)


def _entries(request: JobRequest, bucket: str) -> Iterator[Entry]:
    names = UniqueNames()
    for key in request.keys:
        yield Entry(names.claim(basename(key)), Source(bucket, key))


def _facts(archive: Archive) -> ArchiveFacts:
    return ArchiveFacts(
        size=archive.size,
        crc32=f"{archive.crc32:08x}",
        etag=archive.etag,
        copied_bytes=archive.copied_bytes,
    )


class _Throttled:
    """Passes progress on, newest only, at most every ``PROGRESS_SECONDS``."""

    def __init__(self, note: Callable[[Progress], None]) -> None:
        self._note = note
        self._lock = Lock()
        self._due = time.monotonic() + PROGRESS_SECONDS
        self._latest = Progress(0, 0)

    def __call__(self, progress: Progress) -> None:
        with self._lock:
            self._latest = max(self._latest, progress, key=lambda p: p.source_bytes)
            if time.monotonic() < self._due:
                return
            self._due = time.monotonic() + PROGRESS_SECONDS
            latest = self._latest
        try:
            self._note(latest)
        except LeaseLost:
            raise
        except TransientError:
            logger.warning("Progress could not be recorded", exc_info=True)
