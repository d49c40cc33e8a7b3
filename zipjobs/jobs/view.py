"""The job as ``GET /zip-jobs/{id}`` shows it."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from zipjobs.jobs.download_links import DownloadLink
from zipjobs.jobs.job import FinishedArchive, Job, JobError
from zipjobs.jobs.summary import Count, JobSummary, ProgressCounts, summary_of
from zipjobs.model import Model, Timestamp

_LEFT_OUT = Field(exclude_if=lambda value: value is None)
"""Where there is none, it is not in the JSON."""


class ArchiveView(FinishedArchive):
    """An archive of a READY job, with links made for this answer."""

    download_url: str
    receipt_url: str
    download_url_expires_at: Timestamp


class JobView(JobSummary):
    """What a client learns of a job. Archives and links are there when the job is READY.

    ``download_url`` is that of the only archive; of several, ``archives`` tells.
    """

    archives: tuple[ArchiveView, ...]
    updated_at: Timestamp
    download_url: Annotated[str | None, _LEFT_OUT] = None
    download_url_expires_at: Annotated[Timestamp | None, _LEFT_OUT] = None
    error: Annotated[JobError | None, _LEFT_OUT] = None

    @classmethod
    def of(
        cls, job: Job, links: Sequence[DownloadLink] = (), done: ProgressCounts | None = None
    ) -> "JobView":
        """Describe a job, of which so much is ``done``: its record may not know that."""
        done = done or ProgressCounts(job.entries_done, job.bytes_done)
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
        facts = summary_of(job) | {
            "entries": Count(done=done.entries, total=job.entries_total),
            "bytes": Count(done=done.source_bytes, total=job.bytes_total),
            "archives": archives,
        }
        return cls(
            **facts,
            updated_at=job.updated_at,
            download_url=only.download_url if only else None,
            download_url_expires_at=only.download_url_expires_at if only else None,
        )


class JobsView(Model):
    """A page of the list of jobs: without links, which come with the job alone."""

    jobs: tuple[JobView, ...]
    next_cursor: str | None = Field(
        description="Of the next page; null at the end. A page before it may be short, or empty."
    )
