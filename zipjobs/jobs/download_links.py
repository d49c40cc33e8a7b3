"""Presigned download links, created for one response and never stored."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from zipjobs.jobs.job import Job
from zipjobs.jobs.summary import manifest_of
from zipjobs.model import utc_now

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_TTL_SECONDS = 604_800
"""7 days ("Download and upload objects with presigned URLs" in the S3 User Guide)."""


class DownloadLink(NamedTuple):
    """The presigned URLs of an archive and its receipt, and the latest time when they expire."""

    url: str
    receipt_url: str
    expires_at: datetime


class DownloadLinks:
    """Creates presigned URLs. ``s3`` must sign with SigV4."""

    def __init__(
        self, s3: "S3Client", ttl_seconds: int, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._s3 = s3
        self._ttl_seconds = min(ttl_seconds, MAX_TTL_SECONDS)
        self._clock = clock

    def create(self, job: Job) -> tuple[DownloadLink, ...]:
        """Return the links to the archives of a READY job, in the order of ``job.archives``.

        There are none once S3 may have deleted the archives, and no link works longer.
        """
        now = self._clock()
        expires_at = now + timedelta(seconds=self._ttl_seconds)
        if job.archive_expires_at is not None:
            expires_at = min(expires_at, job.archive_expires_at)
        ttl_seconds = int((expires_at - now).total_seconds())
        if ttl_seconds <= 0:
            return ()
        stem = file_name(job).removesuffix(".zip")
        links = []
        for number, archive in enumerate(job.archives, 1):
            name = stem if len(job.archives) == 1 else f"{stem}-{number:03}"
            url = self._presign(job, archive.key, archive.version_id, f"{name}.zip", ttl_seconds)
            receipt_url = self._presign(
                job,
                archive.receipt_key,
                archive.receipt_version_id,
                f"{name}.receipt.json",
                ttl_seconds,
            )
            links.append(DownloadLink(url, receipt_url, expires_at))
        return tuple(links)

    def _presign(
        self, job: Job, key: str, version_id: str | None, name: str, ttl_seconds: int
    ) -> str:
        """Return a link to one version of an object: a later version must not be downloaded."""
        assert job.target_bucket is not None
        params = {
            "Bucket": job.target_bucket,
            "Key": key,
            "ResponseContentDisposition": content_disposition(name),
        }
        if version_id is not None:
            params["VersionId"] = version_id
        return self._s3.generate_presigned_url("get_object", Params=params, ExpiresIn=ttl_seconds)


def file_name(job: Job) -> str:
    """Return the file name for a download of the job's archive.

    It is the archive name of the request, or ``q3-invoices.zip`` for the manifest
    ``q3-invoices.json``, or the name of the archive's key.
    """
    stem = (job.target_key or job.job_id).rpartition("/")[2].removesuffix(".zip")
    manifest = manifest_of(job)
    if manifest and stem == job.job_id:
        stem = PurePosixPath(manifest.key).stem
    return f"{stem}.zip"


def content_disposition(name: str) -> str:
    """Return an ``attachment`` header for any Unicode name, with an ASCII fallback (RFC 6266)."""
    ascii_name = "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in name
    )
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"
