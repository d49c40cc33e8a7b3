"""The fields of a job that the API, completion events and status objects have in common."""

from typing import Any, NamedTuple

from zipjobs.jobs.job import (
    FinishedArchive,
    Job,
    JobError,
    SkippedObject,
    Status,
    Trigger,
)
from zipjobs.model import Model, Timestamp
from zipjobs.requests.storage import ObjectRef


class ProgressCounts(NamedTuple):
    """Finished entries, and the bytes of their bodies."""

    entries: int
    source_bytes: int


class Count(Model):
    """A number of finished entries or bytes. The total is null until it is known."""

    done: int
    total: int | None


class JobSummary(Model):
    """A job. ``target_key`` is null if it has several archives: see ``archives``.

    ``archive_expires_at`` is null if S3 keeps the archives, and before the job is READY.
    ``metadata`` is that of the request.
    """

    job_id: str
    status: Status
    trigger: Trigger
    manifest: ObjectRef | None
    source_bucket: str | None
    target_bucket: str | None
    target_key: str | None
    entries: Count
    bytes: Count
    archives: tuple[FinishedArchive, ...]
    archive_expires_at: Timestamp | None
    metadata: dict[str, str]
    skipped: int
    skipped_objects: tuple[SkippedObject, ...]
    created_at: Timestamp
    error: JobError | None


def summary_of(job: Job) -> dict[str, Any]:
    """Return the fields of ``JobSummary`` for a job's record."""
    return {
        "job_id": job.job_id,
        "status": job.status,
        "trigger": job.trigger,
        "manifest": manifest_of(job),
        "source_bucket": job.source_bucket,
        "target_bucket": job.target_bucket,
        "target_key": job.target_key if len(job.archives) <= 1 else None,
        "entries": Count(done=job.entries_done, total=job.entries_total),
        "bytes": Count(done=job.bytes_done, total=job.bytes_total),
        "archives": job.archives,
        "archive_expires_at": job.archive_expires_at,
        "metadata": job.metadata,
        "skipped": job.skipped,
        "skipped_objects": job.skips,
        "created_at": job.created_at,
        "error": job.error,
    }


def manifest_of(job: Job) -> ObjectRef | None:
    """Return the reference of the job's manifest, or None if it was submitted by API."""
    return job.request if job.trigger is Trigger.MANIFEST else None
