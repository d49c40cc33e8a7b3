"""How jobs end, whoever ends them."""

import logging
from collections.abc import Sequence

from zipjobs.archive.engine import Archive
from zipjobs.archive.writer import ArchiveWriter, Target
from zipjobs.errors import TargetForbidden
from zipjobs.jobs.events import CompletionEvents
from zipjobs.jobs.job import ArchiveFacts, Job, Status, Submission
from zipjobs.jobs.store import JobStore
from zipjobs.running.work import WorkStore

logger = logging.getLogger(__name__)


def conclude(job: Job, store: JobStore, events: CompletionEvents) -> None:
    """Publish a final job's event unless the record says that it went out."""
    if not job.event_sent:
        events.publish(job)
        store.note_event_sent(job)


def clean_up(job: Job, writer: ArchiveWriter, work: WorkStore) -> None:
    """Leave nothing behind of a job: no upload that nobody completes, no working object.

    Once its event is out, its uploads are gone; a late worker may still leave working objects.
    """
    if not job.event_sent:
        abort_uploads(job, writer)
    if job.segments is not None or job.status is Status.FAILED:
        work.clean(job.job_id)


def abort_uploads(job: Job, writer: ArchiveWriter) -> None:
    """Abort the uploads of workers that could not."""
    for upload in job.uploads:
        assert job.target_bucket is not None
        target = Target(job.target_bucket, upload.key)
        try:
            writer.abort(target, upload.upload_id)
        except TargetForbidden:
            # Nobody will be let to it later either, and the job must have its end.
            logger.warning("The upload to %s could not be aborted", target, exc_info=True)


def give_up(
    submission: Submission,
    store: JobStore,
    writer: ArchiveWriter,
    work: WorkStore,
    events: CompletionEvents,
) -> Job:
    """End a job that the queue gave up on: FAILED, unless its work was done after all.

    Raises TransientError if that cannot be done now.
    """
    job = store.give_up(submission)
    clean_up(job, writer, work)
    conclude(job, store, events)
    return job


def facts(keys: Sequence[str], archives: Sequence[Archive]) -> list[ArchiveFacts]:
    """What a job's record says of its archives."""
    return [
        ArchiveFacts(
            key=key,
            entries=archive.entries,
            size=archive.size,
            crc32=f"{archive.crc32:08x}",
            etag=archive.etag,
            copied_bytes=archive.copied_bytes,
        )
        for key, archive in zip(keys, archives, strict=True)
    ]
