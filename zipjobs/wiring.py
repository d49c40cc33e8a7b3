"""The composition root: builds what a handler calls, once per execution environment, on first use.

Clients set their retry mode and timeouts here; the defaults of the boto3 in use do not matter.
"""

import logging
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from zipjobs.archive.engine import EngineOptions
from zipjobs.archive.reader import ObjectReader
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

_CLIENT_CONFIG = Config(
    signature_version="v4",
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=3,
    read_timeout=10,
)


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
    s3 = _s3(connections=options.read_requests + options.part_requests, read_timeout=60)
    runner = JobRunner(
        store=_store(settings),
        requests=RequestReader(s3),
        policy=settings.policy,
        reader=ObjectReader(s3),
        writer=ArchiveWriter(s3),
        events=CompletionEvents(_client("events"), settings.event_bus_name),
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


def _store(settings: TableSettings) -> JobStore:
    return JobStore(_client("dynamodb"), settings.table_name, settings.job_retention_seconds)


def _client(service: str) -> Any:
    return boto3.client(service, config=_CLIENT_CONFIG)  # type: ignore[call-overload]


def _s3(connections: int = 10, read_timeout: int = 10) -> "S3Client":
    config = _CLIENT_CONFIG.merge(
        Config(
            signature_version="s3v4",  # boto3 presigns with SigV2 in two regions unless told not to
            max_pool_connections=connections,
            read_timeout=read_timeout,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
    )
    return boto3.client("s3", config=config)
