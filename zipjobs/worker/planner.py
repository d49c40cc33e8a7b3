"""Cuts a job that is more than one worker's share into segments, and hands them out."""

import logging
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from zipjobs.archive.part_sizing import MAX_ARCHIVE_BYTES, PartSizing
from zipjobs.archive.receipt import missing_line
from zipjobs.archive.segment import Segment, sized
from zipjobs.errors import ArchiveTooLarge, ListTooLarge, SourceNotFound
from zipjobs.jobs.job import Job, Submission, UploadRef
from zipjobs.model import utc_now
from zipjobs.requests.allow_list import Destination
from zipjobs.requests.fields import OnMissing
from zipjobs.requests.schema import JobRequest
from zipjobs.s3.probe_objects import probe_objects
from zipjobs.s3.source import Entry
from zipjobs.s3.target import Target
from zipjobs.worker.adapters import Adapters
from zipjobs.worker.entry_list import EntryList
from zipjobs.worker.heartbeat import Heartbeat
from zipjobs.worker.segment_plan import SizeHistogram, WorkerQuota, segments, sizing_for
from zipjobs.worker.segment_store import Plan

logger = logging.getLogger(__name__)

MOST_ARCHIVES = 500
RECORD_BYTES, EVENT_BYTES = 360_000, 240_000
"""Of the 400 KB that DynamoDB lets a record have, and of the 256 KB of an event."""

NAMED_IN_RECORD, NAMED_IN_EVENT = 3, 2
"""How often an archive's key is in them: of the upload, of the archive, of its receipt."""

SAID_IN_RECORD, SAID_IN_EVENT = 360, 200
"""Bytes that say the rest of an archive."""

NOTED_AT_A_TIME = 25

FINISH_SECONDS = 30.0
"""What a worker keeps of its time for what follows the sizes: a plan in S3, and messages."""


class Planner:
    """Plans jobs, and sends their segments to the queue."""

    def __init__(self, adapters: Adapters, share: WorkerQuota, sizing: PartSizing) -> None:
        self._a = adapters
        self._share = share
        self._sizing = sizing

    def plan(
        self,
        job: Job,
        request: JobRequest,
        entries: EntryList,
        destination: Destination,
        until: datetime,
    ) -> Job:
        """Lay the job out, and note that it is planned. Nothing has been moved by then.

        Raises what ``probe_objects`` does for objects that cannot be zipped, SourceNotFound if all
        are to be skipped, ArchiveTooLarge, ListTooLarge if asking for sizes takes longer than
        ``until``, and LeaseLost as soon as the job has its end.
        """
        most = request.max_archive_bytes or MAX_ARCHIVE_BYTES
        missing: list[Entry] = []
        with self._sized(job, request, entries, missing, until) as known:
            skipped = [str(entry.source) for entry in missing]
            if not known.count:
                raise SourceNotFound(f"None of the {len(skipped):,} objects exists.", skipped)
            census = SizeHistogram()
            for entry in known:
                census.note(sized(entry))
            share = census.share(self._share)
            sizing = sizing_for(census, self._sizing, share, most)
            planned = list(segments(map(sized, known), sizing, share, most))
            archives = planned[-1].archive + 1
            room = _room_for_archives(destination.target_key)
            if archives > room:
                raise ArchiveTooLarge(
                    f"maxArchiveBytes makes {archives:,} archives, and {room} "
                    "are the most. Raise it, or split the request into several jobs."
                )
            self._keep_entries(job, planned, iter(known))
        if missing:
            self._a.work.put_skipped(job.job_id, map(missing_line, missing))
        job = self._create_uploads(job, destination, archives)
        plan = Plan(
            target_bucket=destination.target_bucket,
            uploads=job.uploads,
            segments=tuple(planned),
            sizing=sizing,
            usage=self._a.meter.taken(),
        )
        self._a.work.put_plan(job.job_id, plan)
        source_bytes = sum(segment.body_bytes for segment in planned)
        job = self._a.store.record_plan(job, len(planned), census.entries, source_bytes, skipped)
        logger.info(
            "Job %s: planned, %d entries in %d segments of %d archives",
            *(job.job_id, census.entries, len(planned), archives),
        )
        return job

    def _sized(
        self,
        job: Job,
        request: JobRequest,
        entries: EntryList,
        missing: list[Entry],
        until: datetime,
    ) -> EntryList:
        """The entries with their sizes, but for those to be skipped, which become ``missing``.

        A list that says the size of an object does not say that it still exists; a listing does.
        A list that need not be asked for is not kept twice.
        """
        skips = request.on_missing is OnMissing.SKIP
        asks_all = skips and request.prefix is None
        if not (entries.has_unknown_sizes or asks_all):
            return entries
        on_missing = missing.append if skips else None
        known = probe_objects(entries, self._a.reader, asks_all=asks_all, on_missing=on_missing)
        return EntryList(self._alive(job, known, until))

    def _alive(self, job: Job, entries: Iterator[Entry], until: datetime) -> Iterator[Entry]:
        """Pass ``entries`` on as long as the job is ours. Raises LeaseLost and ListTooLarge."""
        beat = Heartbeat(lambda _: self._a.store.record_progress(job, 0, 0))
        seconds = max((until - utc_now()).total_seconds() - FINISH_SECONDS, FINISH_SECONDS)
        stop_at = time.monotonic() + seconds
        for entry in entries:
            beat()
            if time.monotonic() > stop_at:
                raise ListTooLarge(
                    "Asking for the sizes of all objects took the whole time of a worker. Use a "
                    "prefix or a list that has sizes and ETags, or split the request into several "
                    "jobs."
                )
            yield entry

    def hand_out(self, job: Job, submission: Submission) -> None:
        """Send the segments of a planned job, once more if somebody may have before."""
        assert job.segments is not None
        self._a.queue.send_segments(submission, range(job.segments))

    def _keep_entries(self, job: Job, planned: list[Segment], entries: Iterator[Entry]) -> None:
        for segment in planned:
            self._a.work.put_entries(job.job_id, segment.index, islice(entries, segment.entries))

    def _create_uploads(self, job: Job, destination: Destination, archives: int) -> Job:
        uploads: list[UploadRef] = []
        try:
            for number in range(1, archives + 1):
                key = destination.target_key
                if archives > 1:
                    key = f"{key.removesuffix('.zip')}-{number:03}.zip"
                target = Target(destination.target_bucket, key, owner_tag=job.owner_tag)
                upload_id = self._a.writer.create(target)
                uploads.append(UploadRef(key=key, upload_id=upload_id))
                if number % NOTED_AT_A_TIME == 0 or number == archives:
                    job = self._a.store.record_uploads(job, uploads)
        except Exception:
            self._a.finalizer.abort_uploads(job.model_copy(update={"uploads": tuple(uploads)}))
            raise
        return job


def _room_for_archives(key: str) -> int:
    """How many archives with such keys a record and an event can name."""
    key_bytes = len(key.encode())
    return min(
        MOST_ARCHIVES,
        RECORD_BYTES // (NAMED_IN_RECORD * key_bytes + SAID_IN_RECORD),
        EVENT_BYTES // (NAMED_IN_EVENT * key_bytes + SAID_IN_EVENT),
    )
