"""Cuts a job that is more than one worker's share into segments, and hands them out."""

import logging
from collections.abc import Iterator
from itertools import islice

from zipjobs.archive.plan import Census, Segment, Share, segments, sizing_for
from zipjobs.archive.segment import sized
from zipjobs.archive.sizing import MAX_ARCHIVE_BYTES, PartSizing
from zipjobs.archive.source import Entry
from zipjobs.archive.survey import survey
from zipjobs.archive.writer import Target
from zipjobs.errors import ArchiveTooLarge
from zipjobs.jobs.job import Job, Submission, UploadRef
from zipjobs.jobs.policy import Destination
from zipjobs.running.adapters import Adapters
from zipjobs.running.endings import abort_uploads
from zipjobs.running.entries import EntryList
from zipjobs.running.work import Plan

logger = logging.getLogger(__name__)

MOST_ARCHIVES = 500
RECORD_BYTES = 360_000
ARCHIVE_BYTES = 320
"""Each archive is named twice in the job's record, which DynamoDB lets have 400 KB, and in one
event; this much is said of it besides its key."""

NOTED_AT_A_TIME = 25


class Planner:
    """Plans jobs, and sends their segments to the queue."""

    def __init__(self, adapters: Adapters, share: Share, sizing: PartSizing) -> None:
        self._a = adapters
        self._share = share
        self._sizing = sizing

    def plan(
        self, job: Job, entries: EntryList, destination: Destination, max_bytes: int | None
    ) -> Job:
        """Lay the job out, and note that it is planned. Nothing has been moved by then.

        Raises what ``survey`` does for objects that cannot be zipped, and ArchiveTooLarge.
        """
        most = max_bytes or MAX_ARCHIVE_BYTES
        with self._sized(entries) as known:
            census = Census()
            for entry in known:
                census.note(sized(entry))
            share = census.share(self._share)
            sizing = sizing_for(census, self._sizing, share, most)
            planned = list(segments(map(sized, known), sizing, share, most))
            archives = planned[-1].archive + 1
            room = RECORD_BYTES // (2 * len(destination.target_key.encode()) + ARCHIVE_BYTES)
            if archives > min(MOST_ARCHIVES, room):
                raise ArchiveTooLarge(
                    f"maxArchiveBytes makes {archives:,} archives, and {min(MOST_ARCHIVES, room)} "
                    "are the most. Raise it, or split the request into several jobs."
                )
            self._keep_entries(job, planned, iter(known))
        job = self._create_uploads(job, destination, archives)
        plan = Plan(
            target_bucket=destination.target_bucket,
            uploads=job.uploads,
            segments=tuple(planned),
            sizing=sizing,
        )
        self._a.work.put_plan(job.job_id, plan)
        source_bytes = sum(segment.body_bytes for segment in planned)
        job = self._a.store.note_plan(job, len(planned), census.entries, source_bytes)
        logger.info(
            "Job %s: planned, %d entries in %d segments of %d archives",
            *(job.job_id, census.entries, len(planned), archives),
        )
        return job

    def _sized(self, entries: EntryList) -> EntryList:
        """The entries with their sizes. A list that has them all is not kept twice."""
        return EntryList(survey(entries, self._a.reader)) if entries.has_unknown_sizes else entries

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
                upload_id = self._a.writer.create(Target(destination.target_bucket, key))
                uploads.append(UploadRef(key=key, upload_id=upload_id))
                if number % NOTED_AT_A_TIME == 0 or number == archives:
                    job = self._a.store.note_uploads(job, uploads)
        except Exception:
            abort_uploads(job.model_copy(update={"uploads": tuple(uploads)}), self._a.writer)
            raise
        return job
