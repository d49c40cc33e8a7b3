"""The JSON of a job in the API."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Annotated

from pydantic import Field

from zipjobs.jobs.download_links import DownloadLink
from zipjobs.jobs.job import FinishedArchive, Job, JobError
from zipjobs.jobs.summary import Count, JobSummary, ProgressCounts, summary_of
from zipjobs.model import Model, Timestamp

_OMIT_NONE = Field(exclude_if=lambda value: value is None)
"""Omit the field from the JSON if it is None."""


class ArchiveView(FinishedArchive):
    """An archive of a READY job, with download links created for this response. An archive that S3
    may have deleted has none.
    """

    download_url: Annotated[str | None, _OMIT_NONE] = None
    receipt_url: Annotated[str | None, _OMIT_NONE] = None
    download_url_expires_at: Annotated[Timestamp | None, _OMIT_NONE] = None


class JobView(JobSummary):
    """A job. A READY job has archives with download links. A job with one archive also has
    ``download_url``.
    """

    archives: tuple[ArchiveView, ...]
    updated_at: Timestamp
    download_url: Annotated[str | None, _OMIT_NONE] = None
    download_url_expires_at: Annotated[Timestamp | None, _OMIT_NONE] = None
    error: Annotated[JobError | None, _OMIT_NONE] = None

    @classmethod
    def of(
        cls,
        job: Job,
        links: Sequence[DownloadLink] | None = None,
        counts: ProgressCounts | None = None,
    ) -> "JobView":
        """Return the view of a job. Progress is from ``counts``, or else from the record.

        ``links`` are empty if the archives have expired, and None to leave the archives out.
        """
        counts = counts or ProgressCounts(job.entries_done, job.bytes_done)
        archives = tuple(
            ArchiveView(
                **archive.model_dump(),
                download_url=link and link.url,
                receipt_url=link and link.receipt_url,
                download_url_expires_at=link and link.expires_at,
            )
            for archive, link in zip_longest(job.archives, links or ())
            if links is not None
        )
        only = archives[0] if len(archives) == 1 else None
        fields = summary_of(job) | {
            "entries": Count(done=counts.entries, total=job.entries_total),
            "bytes": Count(done=counts.source_bytes, total=job.bytes_total),
            "archives": archives,
        }
        return cls(
            **fields,
            updated_at=job.updated_at,
            download_url=only.download_url if only else None,
            download_url_expires_at=only.download_url_expires_at if only else None,
        )


class JobsView(Model):
    """A page of jobs. Jobs in a list have no download links."""

    jobs: tuple[JobView, ...]
    next_cursor: str | None = Field(
        description="The cursor of the next page, or null at the end. A page before the end can be "
        "short or empty."
    )
