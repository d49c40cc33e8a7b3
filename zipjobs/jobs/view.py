"""The job as ``GET /zip-jobs/{id}`` shows it."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from zipjobs.jobs.events import Count, manifest_of
from zipjobs.jobs.job import ArchiveFacts, Job, JobError, ObjectRef, Status, Trigger
from zipjobs.jobs.links import DownloadLink
from zipjobs.jobs.model import Model, Timestamp
from zipjobs.jobs.progress import Done


_LEFT_OUT = Field(exclude_if=lambda value: value is None)
"""Where there is none, it is not in the JSON."""


class ArchiveView(ArchiveFacts):
    """An archive of a READY job, with links made for this answer."""

    download_url: str
    receipt_url: str
    download_url_expires_at: Timestamp


class JobView(Model):
    """What a client learns of a job. Archives and links are there when the job is READY.

    ``target_key`` and ``download_url`` are those of the only archive; of several, ``archives``
    tells.
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
    archives: tuple[ArchiveView, ...]
    skipped: int
    skipped_objects: tuple[str, ...]
    created_at: Timestamp
    updated_at: Timestamp
    download_url: Annotated[str | None, _LEFT_OUT] = None
    download_url_expires_at: Annotated[Timestamp | None, _LEFT_OUT] = None
    error: Annotated[JobError | None, _LEFT_OUT] = None

    @classmethod
    def of(
        cls, job: Job, links: Sequence[DownloadLink] = (), done: Done | None = None
    ) -> "JobView":
        done = done or Done(job.entries_done, job.bytes_done)
        archives = tuple(
            ArchiveView(
                **archive.model_dump(),
                download_url=link.url,
                receipt_url=link.receipt_url,
                download_url_expires_at=link.expires_at,
            )
            for archive, link in zip(job.archives, links, strict=False)
        )
        only = archives[0] if len(archives) == 1 else None
        return cls(
            job_id=job.job_id,
            status=job.status,
            trigger=job.trigger,
            manifest=manifest_of(job),
            source_bucket=job.source_bucket,
            target_bucket=job.target_bucket,
            target_key=job.target_key if len(archives) <= 1 else None,
            entries=Count(done=done.entries, total=job.entries_total),
            bytes=Count(done=done.source_bytes, total=job.bytes_total),
            archives=archives,
            skipped=job.skipped,
            skipped_objects=job.skipped_objects,
            created_at=job.created_at,
            updated_at=job.updated_at,
            download_url=only.download_url if only else None,
            download_url_expires_at=only.download_url_expires_at if only else None,
            error=job.error,
        )


class JobsView(Model):
    """A page of the list of jobs: without links, which come with the job alone."""

    jobs: tuple[JobView, ...]
    next_cursor: str | None = Field(
        description="Of the next page; null at the end. A page before it may be short, or empty."
    )
