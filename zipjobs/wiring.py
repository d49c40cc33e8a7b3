"""The composition root: builds what a handler calls, once per execution environment, on first use.

Clients set their retry mode and timeouts here; the defaults of the boto3 in use do not matter.
"""

import logging
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from zipjobs.archive.buffers import PartBuffers
from zipjobs.archive.engine import EngineOptions
from zipjobs.archive.layout import MIB
from zipjobs.archive.reader import ObjectReader
from zipjobs.archive.transport import Transport
from zipjobs.archive.writer import ArchiveWriter
from zipjobs.jobs.events import CompletionEvents
from zipjobs.jobs.links import DownloadLinks
from zipjobs.jobs.policy import Policy
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.requests import RequestReader, RequestWriter
from zipjobs.jobs.store import JobStore
from zipjobs.runner import JobRunner
from zipjobs.settings import (
    DeadLetterSettings,
    EnqueueSettings,
    StatusSettings,
    TableSettings,
    ZipperSettings,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BUFFER_BYTES = 50 * MIB
"""The memory of a build: all else that it holds is small or the central directory."""

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
class Submitting:
    """What it takes to accept a job over HTTP."""

    policy: Policy
    requests: RequestWriter
    queue: JobQueue
    store: JobStore


@dataclass(frozen=True)
class Answering:
    """What it takes to show a job."""

    store: JobStore
    links: DownloadLinks


@dataclass(frozen=True)
class Zipping:
    """What it takes to run jobs from the queue."""

    runner: JobRunner
    queue: JobQueue


@dataclass(frozen=True)
class GivingUp:
    """What it takes to end jobs that the queue gave up on."""

    store: JobStore
    writer: ArchiveWriter
    events: CompletionEvents


@cache
def submitting() -> Submitting:
    """For ``handlers/enqueue.py``."""
    settings = EnqueueSettings.from_environment()
    return Submitting(
        policy=settings.policy,
        requests=RequestWriter(_s3(), settings.requests_bucket, settings.requests_prefix),
        queue=JobQueue(_client("sqs"), settings.queue_url),
        store=_store(settings),
    )


@cache
def answering() -> Answering:
    """For ``handlers/status.py``."""
    settings = StatusSettings.from_environment()
    return Answering(_store(settings), DownloadLinks(_s3(), settings.presign_ttl_seconds))


@cache
def zipping() -> Zipping:
    """For ``handlers/zipper.py``."""
    settings = ZipperSettings.from_environment()
    options = EngineOptions()
    buffers = PartBuffers(PART_BUFFER_BYTES)
    s3 = _s3(connections=options.uploads + options.copies, read_timeout=60)
    runner = JobRunner(
        store=_store(settings),
        requests=RequestReader(s3),
        policy=settings.policy,
        reader=ObjectReader(_transport(s3, options)),
        writer=ArchiveWriter(s3),
        events=CompletionEvents(_client("events"), settings.event_bus_name),
        buffers=buffers,
        options=options,
    )
    return Zipping(runner, JobQueue(_client("sqs"), settings.queue_url))


@cache
def giving_up() -> GivingUp:
    """For ``handlers/dead_letter.py``."""
    settings = DeadLetterSettings.from_environment()
    return GivingUp(
        store=_store(settings),
        writer=ArchiveWriter(_s3()),
        events=CompletionEvents(_client("events"), settings.event_bus_name),
    )


def start_logging() -> None:
    """Let this package's INFO lines through to the log that the Lambda runtime set up."""
    logging.getLogger("zipjobs").setLevel(logging.INFO)


def _transport(s3: "S3Client", options: EngineOptions) -> Transport:
    """The lean client for reads: same endpoint, region and credentials as ``s3``."""
    session = boto3.Session()
    credentials = session.get_credentials()
    assert credentials is not None
    ca_bundle = session._session.get_config_variable("ca_bundle")  # noqa: SLF001
    return Transport(
        endpoint_url=s3.meta.endpoint_url,
        region=s3.meta.region_name,
        credentials=credentials.get_frozen_credentials,
        max_connections=options.probes + options.ranges,
        ca_bundle=ca_bundle,
    )


def _store(settings: TableSettings) -> JobStore:
    return JobStore(_client("dynamodb"), settings.table_name, settings.job_retention_seconds)


def _client(service: str) -> Any:
    return boto3.client(service, config=_CLIENT_CONFIG)  # type: ignore[call-overload]


def _s3(connections: int = 10, read_timeout: int = 10) -> "S3Client":
    config = _CLIENT_CONFIG.merge(
        Config(max_pool_connections=connections, read_timeout=read_timeout, **S3_CONFIG)
    )
    return boto3.client("s3", config=config)
