"""Splits a job that is too large for one worker into segments, and queues them."""

import logging
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from zipjobs.archive.parts.sizing import MAX_ARCHIVE_BYTES, PartSizing
from zipjobs.archive.receipt import skipped_line
from zipjobs.archive.segment import sized
from zipjobs.errors import (
    ArchiveTooLarge,
    ListTooLarge,
    PermanentError,
    SourceNotFound,
)
from zipjobs.jobs.job import Job, Submission, UploadRef
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.store import JobStore
from zipjobs.lifecycle.finalizer import JobFinalizer
from zipjobs.model import utc_now
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.probe_objects import probe_objects
from zipjobs.s3.source import Entry, SkippedEntry
from zipjobs.unreadable import none_left
from zipjobs.worker.entry_list import EntryList
from zipjobs.worker.heartbeat import FINISH_SECONDS, Heartbeat
from zipjobs.worker.request_loader import LoadedRequest
from zipjobs.worker.segment_plan import SizeHistogram, WorkerQuota, segments, sizing_for
from zipjobs.worker.segment_store import Plan, SegmentStore
from zipjobs.worker.usage import Meter

logger = logging.getLogger(__name__)

MAX_ARCHIVES = 500
"""Archives of one job. Each of them takes an upload, which is created while the job is planned."""

RECORD_BYTES, EVENT_BYTES = 360_000, 220_000
"""The part of a record and of an event that archives may fill. DynamoDB limits an item to 400 KB
and EventBridge an event to 256 KB: "Quotas" in their guides. Skipped objects need up to 30 KB."""

KEYS_IN_RECORD, KEYS_IN_EVENT = 3, 2
"""Occurrences of an archive's key in them: upload, archive, receipt."""

OTHER_BYTES_IN_RECORD, OTHER_BYTES_IN_EVENT = 360, 200
"""Bytes that describe an archive, without its keys."""

UPLOADS_PER_WRITE = 25
"""Uploads that are created between two writes to the record."""


class Planner:
    """Plans jobs. ``quota`` is what one worker takes on, ``sizing`` the sizes of parts."""

    def __init__(
        self,
        store: JobStore,
        segments: SegmentStore,
        queue: JobQueue,
        reader: ObjectReader,
        writer: ArchiveWriter,
        finalizer: JobFinalizer,
        meter: Meter,
        quota: WorkerQuota,
        sizing: PartSizing,
    ) -> None:
        self._store = store
        self._segments = segments
        self._queue = queue
        self._reader = reader
        self._writer = writer
        self._finalizer = finalizer
        self._meter = meter
        self._quota = quota
        self._sizing = sizing

    def plan(self, loaded: LoadedRequest, lease_until: datetime) -> Job:
        """Write the plan and create the uploads. Return the record, which counts the segments.

        Raises the errors of ``probe_objects`` for objects that cannot be read; UnreadableObjects if
        all objects are skipped; ArchiveTooLarge; ListTooLarge if the sizes are not known by
        ``lease_until``; and LeaseLost if the job was cancelled or taken over.
        """
        try:
            return self._plan(loaded, lease_until)
        except PermanentError:
            self._segments.clean(loaded.job.job_id)
            raise

    def _plan(self, loaded: LoadedRequest, lease_until: datetime) -> Job:
        job, destination = loaded.job, loaded.destination
        max_bytes = loaded.request.max_archive_bytes or MAX_ARCHIVE_BYTES
        skipped: list[SkippedEntry] = []
        with self._with_sizes(loaded, skipped, lease_until) as entries:
            if not entries.count:
                raise none_left((one.code, str(one.entry.source)) for one in skipped)
            histogram = SizeHistogram()
            for entry in entries:
                histogram.add(sized(entry))
            quota = histogram.quota(self._quota)
            sizing = sizing_for(histogram, self._sizing, quota, max_bytes)
            planned = list(segments(map(sized, entries), sizing, quota, max_bytes))
            archives = planned[-1].archive + 1
            limit = _max_archives(destination.target_key)
            if archives > limit:
                raise ArchiveTooLarge(
                    f"maxArchiveBytes of {max_bytes:,} splits the job into {archives:,} archives; "
                    f"the limit is {limit}. Raise maxArchiveBytes, or split the request into "
                    "several jobs."
                )
            in_order = iter(entries)
            for segment in planned:
                own = islice(in_order, segment.entries)
                self._segments.put_entries(job.job_id, segment.index, own)
        if skipped:
            self._segments.put_skipped(job.job_id, map(skipped_line, skipped))
        job = self._create_uploads(loaded, archives)
        plan = Plan(
            target_bucket=destination.target_bucket,
            uploads=job.uploads,
            segments=tuple(planned),
            sizing=sizing,
            tags=loaded.tags,
            usage=self._meter.take(),
        )
        self._segments.put_plan(job.job_id, plan)
        source_bytes = sum(segment.body_bytes for segment in planned)
        job = self._store.record_plan(job, len(planned), histogram.entries, source_bytes, skipped)
        logger.info(
            "Job %s: planned, %d entries in %d segments of %d archives",
            *(job.job_id, histogram.entries, len(planned), archives),
        )
        return job

    def send_segments(self, job: Job, submission: Submission) -> None:
        """Queue all segments of a planned job. A retry queues them again, which does no harm."""
        assert job.segments is not None
        self._queue.send_segments(submission, range(job.segments))

    def _with_sizes(
        self, loaded: LoadedRequest, skipped: list[SkippedEntry], lease_until: datetime
    ) -> EntryList:
        """Return the entries with their sizes. Skipped entries are added to ``skipped``.

        S3 is asked for sizes that the list does not have. If objects are skipped, it is asked for
        every object that a segment might have to skip. A listing of a prefix is current, so none of
        its objects is missing, but they can be forbidden or encrypted.
        """
        entries, skip = loaded.entries, loaded.request.skipped_codes
        asks_all = bool(skip if loaded.request.prefix is None else skip - {SourceNotFound.code})
        if not (entries.has_unknown_sizes or asks_all):
            return entries
        probed = probe_objects(
            entries, self._reader, asks_all=asks_all, skip=skip, on_skipped=skipped.append
        )
        return EntryList(self._with_heartbeat(loaded.job, probed, lease_until))

    def _with_heartbeat(
        self, job: Job, entries: Iterator[Entry], lease_until: datetime
    ) -> Iterator[Entry]:
        """Yield ``entries`` and send heartbeats. Raises LeaseLost and ListTooLarge."""
        heartbeat = Heartbeat(lambda _: self._store.record_progress(job, 0, 0))
        seconds_left = (lease_until - utc_now()).total_seconds()
        stop_at = time.monotonic() + max(seconds_left - FINISH_SECONDS, FINISH_SECONDS)
        for entry in entries:
            heartbeat()
            if time.monotonic() > stop_at:
                raise ListTooLarge(
                    "The worker's time ran out while it asked S3 for the sizes of the objects. Use "
                    "a prefix or a list with sizes and ETags, or split the request into several "
                    "jobs."
                )
            yield entry

    def _create_uploads(self, loaded: LoadedRequest, archives: int) -> Job:
        job = loaded.job
        uploads: list[UploadRef] = []
        try:
            for number in range(1, archives + 1):
                key = loaded.destination.target_key
                if archives > 1:
                    key = f"{key.removesuffix('.zip')}-{number:03}.zip"
                upload_id = self._writer.create(loaded.target(key))
                uploads.append(UploadRef(key=key, upload_id=upload_id))
                if number % UPLOADS_PER_WRITE == 0 or number == archives:
                    job = self._store.record_uploads(job, uploads)
        except Exception:
            self._finalizer.abort_uploads(job.model_copy(update={"uploads": tuple(uploads)}))
            raise
        return job


def _max_archives(key: str) -> int:
    """Return how many archives with keys as long as ``key`` fit into a record and an event."""
    key_bytes = len(key.encode())
    return min(
        MAX_ARCHIVES,
        RECORD_BYTES // (KEYS_IN_RECORD * key_bytes + OTHER_BYTES_IN_RECORD),
        EVENT_BYTES // (KEYS_IN_EVENT * key_bytes + OTHER_BYTES_IN_EVENT),
    )
