"""Builds the objects of the API functions, and the AWS clients of all functions."""

from copy import deepcopy
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

# Retries and timeouts are explicit: the defaults of boto3 differ between versions and environments.
_CLIENT_CONFIG = Config(
    signature_version="v4",
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=3,
    read_timeout=10,
)


S3_CONFIG: dict[str, Any] = {
    # Without this, boto3 presigns with SigV2 in two regions.
    "signature_version": "s3v4",
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
    "s3": {
        # The global host redirects presigned URLs of new buckets in other Regions.
        "addressing_style": "virtual",
        # The same in us-east-1, where boto3's default is the global host.
        "us_east_1_regional_endpoint": "regional",
        # Parts carry a CRC-32. Hashing them again would cost more CPU than sending them.
        "payload_signing_enabled": False,
    },
}
"""The configuration of every S3 client."""


@dataclass(frozen=True)
class EnqueueDependencies:
    """The objects that ``POST /zip-jobs`` uses."""

    api_auth: ApiAuth
    allow_list: AllowList
    requests: RequestWriter
    queue: JobQueue
    store: JobStore


@dataclass(frozen=True)
class StatusDependencies:
    """The objects that ``GET /zip-jobs`` and ``GET /zip-jobs/{id}`` use."""

    api_auth: ApiAuth
    store: JobStore
    jobs: JobList
    progress: SegmentProgress
    links: DownloadLinks


@cache
def enqueue_dependencies() -> EnqueueDependencies:
    """Return the dependencies of ``handlers/enqueue.py``."""
    settings = EnqueueSettings.from_environment()
    return EnqueueDependencies(
        api_auth=settings.api_auth,
        allow_list=settings.allow_list,
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
    """Return the dependencies of ``handlers/status.py``."""
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
    """Return the meter that counts the requests of all clients of this function."""
    return Meter()


def store_of(settings: TableSettings) -> JobStore:
    """Return the store of job records."""
    seconds = settings.job_retention_seconds, settings.reconcile_grace_seconds
    return JobStore(table_of(settings), *seconds)


def table_of(settings: TableSettings) -> JobTable:
    """Return the DynamoDB table of job records."""
    return JobTable(client("dynamodb"), settings.table_name)


def progress_of(settings: TableSettings) -> SegmentProgress:
    """Return the progress of segments."""
    return SegmentProgress(client("dynamodb"), settings.table_name)


def client(service: str) -> Any:
    """Return a boto3 client for a service other than S3."""
    created = boto3.client(service, config=_CLIENT_CONFIG)  # type: ignore[call-overload]
    meter().watch(created)
    return created


def s3_client(
    owners: BucketOwners, connections: int = 10, read_timeout: int = 10, region: str | None = None
) -> "S3Client":
    """Return a boto3 client for S3.

    ``connections`` is the size of its pool, ``read_timeout`` is in seconds, and ``region`` defaults
    to the function's. Requests to buckets name the expected ``owners``.
    """
    config = _CLIENT_CONFIG.merge(
        Config(max_pool_connections=connections, read_timeout=read_timeout, **deepcopy(S3_CONFIG))
    )  # a copy, because botocore adds what it reads from the environment
    created = boto3.client("s3", region_name=region, config=config)
    owners.watch(created)
    meter().watch(created)
    return created
