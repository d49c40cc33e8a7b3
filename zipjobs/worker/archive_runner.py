"""Builds the archive of a job that one worker can finish."""

import logging
from collections.abc import Callable

from zipjobs.archive.options import Engine, Progress, WorkFound
from zipjobs.archive.receipt import skipped_line
from zipjobs.archive.whole_archive import build_archive
from zipjobs.jobs.job import Job, UploadRef
from zipjobs.jobs.store import JobStore
from zipjobs.requests.fields import Compression
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.worker.heartbeat import time_to_finish, tolerant
from zipjobs.worker.receipts import Receipts
from zipjobs.worker.request_loader import LoadedRequest
from zipjobs.worker.segment_plan import WorkerQuota
from zipjobs.worker.usage import Meter

logger = logging.getLogger(__name__)

SIZES_TO_ESTIMATE = 64
"""The number of known sizes from which the size of a whole list is estimated."""


class NeedsSplitting(Exception):
    """The job is too large for one worker, or asks for several archives."""


class ArchiveRunner:
    """Builds whole archives. ``quota`` is what one worker may take on."""

    def __init__(
        self,
        store: JobStore,
        engine: Engine,
        writer: ArchiveWriter,
        receipts: Receipts,
        meter: Meter,
        quota: WorkerQuota,
    ) -> None:
        self._store = store
        self._engine = engine
        self._writer = writer
        self._receipts = receipts
        self._meter = meter
        self._quota = quota

    def run(self, loaded: LoadedRequest) -> Job:
        """Build the archive and its receipt, and record READY. Return the record.

        Raises NeedsSplitting if the sizes of an archive without compression exceed twice the
        quota, or if the job asks for several archives. Sizes may become known before or during the
        build. Raises the errors of ``build_archive``, which names all objects that cannot be read.
        No upload is left after an error.
        """
        request, entries = loaded.request, loaded.entries
        if request.max_archive_bytes is not None:
            raise NeedsSplitting
        guard: Callable[[WorkFound], None] = lambda found: None  # noqa: E731
        if request.compression is not Compression.DEFLATE:
            guard = _SizeGuard(self._quota, entries.count)
            guard(WorkFound(entries.count, entries.known_bytes, 0))
        return self._build(loaded, guard)

    def _build(self, loaded: LoadedRequest, guard: Callable[[WorkFound], None]) -> Job:
        job, entries, store = loaded.job, loaded.entries, self._store
        key = loaded.destination.target_key
        target = loaded.target(key)
        totals = (entries.count, None if entries.has_unknown_sizes else entries.known_bytes)

        def record_upload(upload_id: str) -> None:
            store.record_uploads(job, [UploadRef(key=key, upload_id=upload_id)])

        def record_progress(done: Progress) -> None:
            store.record_progress(job, done.entries, done.source_bytes, *totals)

        with self._writer.upload(target, record_upload) as upload:
            context = self._engine.context(
                upload,
                tolerant(record_progress),
                time_to_finish(loaded.job.lease_until),
                deflate=loaded.request.compression is Compression.DEFLATE,
                skip=loaded.request.skipped_codes,
            )
            archive = build_archive(entries, context, guard)
        skipped = map(skipped_line, archive.skipped)
        used = self._meter.take()
        summary = self._receipts.put(job, target, archive, skipped, archive.receipt, used)
        logger.info(
            "Job %s: READY, %d entries, %d bytes (%d copied by S3), at %s",
            *(job.job_id, archive.entries, archive.size, archive.copied_bytes, target),
        )
        return store.ready(job, [summary], archive.entries, archive.source_bytes, archive.skipped)


class _SizeGuard:
    """Stops a build as soon as the sizes found so far show that it needs twice the quota.

    A build that needs less continues, so that its work is not lost.
    """

    def __init__(self, quota: WorkerQuota, entries: int) -> None:
        self._quota = quota
        self._entries = entries

    def __call__(self, found: WorkFound) -> None:
        """Raises NeedsSplitting."""
        can_estimate = found.entries >= min(SIZES_TO_ESTIMATE, self._entries)
        scale = (self._entries / max(1, found.entries) if can_estimate else 1) / 2
        if self._quota.is_full(
            round(found.entries * scale),
            round(found.read_bytes * scale),
            round(found.copied_bytes * scale),
        ):
            raise NeedsSplitting
