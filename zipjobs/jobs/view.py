"""The job as ``GET /zip-jobs/{id}`` shows it."""

from zipjobs.jobs.events import Count, manifest_of
from zipjobs.jobs.job import Job, JobError, ObjectRef, Status, Trigger
from zipjobs.jobs.links import DownloadLink
from zipjobs.jobs.model import Model, Timestamp


class JobView(Model):
    """What a client learns of a job. The link is there when the job is READY, and only then."""

    job_id: str
    status: Status
    trigger: Trigger
    manifest: ObjectRef | None
    source_bucket: str | None
    target_bucket: str | None
    target_key: str | None
    entries: Count
    bytes: Count
    created_at: Timestamp
    updated_at: Timestamp
    download_url: str | None = None
    download_url_expires_at: Timestamp | None = None
    error: JobError | None = None

    @classmethod
    def of(cls, job: Job, link: DownloadLink | None) -> "JobView":
        return cls(
            job_id=job.job_id,
            status=job.status,
            trigger=job.trigger,
            manifest=manifest_of(job),
            source_bucket=job.source_bucket,
            target_bucket=job.target_bucket,
            target_key=job.target_key,
            entries=Count(done=job.entries_done, total=job.entries_total),
            bytes=Count(done=job.bytes_done, total=job.bytes_total),
            created_at=job.created_at,
            updated_at=job.updated_at,
            download_url=link.url if link else None,
            download_url_expires_at=link.expires_at if link else None,
            error=job.error,
        )

    def to_json(self) -> str:
        """JSON in camelCase, without link and error where there is none."""
        absent = {
            name
            for name in ("download_url", "download_url_expires_at", "error")
            if getattr(self, name) is None
        }
        return self.model_dump_json(by_alias=True, exclude=absent)
