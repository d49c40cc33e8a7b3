"""Builds what the API's functions use, and the clients that every function uses.

Clients set their retry mode and timeouts here; the defaults of the boto3 in use do not matter.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from zipjobs.jobs.download_links import DownloadLinks
from zipjobs.jobs.job_list import JobList
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.segment_progress import SegmentProgress
from zipjobs.jobs.store import JobStore
from zipjobs.jobs.table import JobTable
from zipjobs.requests.allow_list import AllowList
from zipjobs.requests.storage import RequestWriter
from zipjobs.s3.bucket_owners import BucketOwners
from zipjobs.settings import (
    ApiAuth,
    EnqueueSettings,
    StatusSettings,
    TableSettings,
)
from zipjobs.worker.usage import Meter

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CLIENT_CONFIG = Config(
    signature_version="v4",
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=3,
    read_timeout=10,
)


S3_CONFIG: dict[str, Any] = {
    # boto3 presigns with SigV2 in two regions unless told not to.
    "signature_version": "s3v4",
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
    "s3": {
        # The global host redirects presigned URLs of new buckets in other regions.
        "addressing_style": "virtual",
        # Parts carry their CRC-32; hashing them once more would cost more than sending.
        "payload_signing_enabled": False,
    },
}
"""What every S3 client of the service is configured with."""


@dataclass(frozen=True)
class EnqueueDependencies:
    """What it takes to accept a job over HTTP."""

    api_auth: ApiAuth
    policy: AllowList
    requests: RequestWriter
    queue: JobQueue
    store: JobStore


@dataclass(frozen=True)
class StatusDependencies:
    """What it takes to show jobs."""

    api_auth: ApiAuth
    store: JobStore
    jobs: JobList
    progress: SegmentProgress
    links: DownloadLinks


@cache
def enqueue_dependencies() -> EnqueueDependencies:
    """For ``handlers/enqueue.py``."""
    settings = EnqueueSettings.from_environment()
    return EnqueueDependencies(
        api_auth=settings.api_auth,
        policy=settings.policy,
        requests=RequestWriter(
            s3_client(settings.owners),
            settings.requests_bucket,
            settings.requests_prefix,
            settings.job_retention_seconds,
        ),
        queue=JobQueue(client("sqs"), settings.queue_url),
        store=store_of(settings),
    )


@cache
def status_dependencies() -> StatusDependencies:
    """For ``handlers/status.py``."""
    settings = StatusSettings.from_environment()
    return StatusDependencies(
        api_auth=settings.api_auth,
        store=store_of(settings),
        jobs=JobList(table_of(settings)),
        progress=progress_of(settings),
        links=DownloadLinks(s3_client(settings.owners), settings.presign_ttl_seconds),
    )


@cache
def meter() -> Meter:
    """Counts the requests of every client of this function."""
    return Meter()


def store_of(settings: TableSettings) -> JobStore:
    """The jobs' records."""
    seconds = settings.job_retention_seconds, settings.reconcile_grace_seconds
    return JobStore(table_of(settings), *seconds)


def table_of(settings: TableSettings) -> JobTable:
    """The table that they are in."""
    return JobTable(client("dynamodb"), settings.table_name)


def progress_of(settings: TableSettings) -> SegmentProgress:
    """How far segments are."""
    return SegmentProgress(client("dynamodb"), settings.table_name)


def client(service: str) -> Any:
    """A client of any service but S3."""
    made = boto3.client(service, config=_CLIENT_CONFIG)  # type: ignore[call-overload]
    meter().watch(made)
    return made


def s3_client(
    owners: BucketOwners, connections: int = 10, read_timeout: int = 10, region: str | None = None
) -> "S3Client":
    """A client of S3, of this region if no other is said; a read may take so many seconds.

    Buckets must be their ``owners``'.
    """
    config = _CLIENT_CONFIG.merge(
        Config(max_pool_connections=connections, read_timeout=read_timeout, **S3_CONFIG)
    )
    made = boto3.client("s3", region_name=region, config=config)
    owners.watch(made)
    meter().watch(made)
    return made
