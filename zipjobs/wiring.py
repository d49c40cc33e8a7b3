"""The composition root: builds what a handler calls, once per execution environment, on first use.

Clients set their retry mode and timeouts here; the defaults of the boto3 in use do not matter.
"""

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from zipjobs.archive.means import EngineOptions
from zipjobs.archive.parts import BlockPool
from zipjobs.archive.plan import Share
from zipjobs.archive.reader import ObjectReader
from zipjobs.archive.sender import PartSender
from zipjobs.archive.sizing import MIB
from zipjobs.archive.transport import Transport
from zipjobs.archive.writer import ArchiveWriter
from zipjobs.jobs.events import CompletionEvents
from zipjobs.jobs.links import DownloadLinks
from zipjobs.jobs.listing import JobList
from zipjobs.jobs.lists import SourceLists
from zipjobs.jobs.policy import Policy
from zipjobs.jobs.progress import SegmentProgress
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.requests import RequestReader, RequestWriter
from zipjobs.jobs.store import JobStore
from zipjobs.jobs.table import JobTable
from zipjobs.running.adapters import Adapters
from zipjobs.running.endings import Endings
from zipjobs.running.metrics import JobMetrics
from zipjobs.running.receipts import Receipts
from zipjobs.running.runner import JobRunner
from zipjobs.running.statuses import StatusObjects
from zipjobs.running.sweeper import Sweeper
from zipjobs.running.work import WorkStore
from zipjobs.settings import (
    DocsSettings,
    EndingSettings,
    EnqueueSettings,
    StatusObjectSettings,
    StatusSettings,
    SweeperSettings,
    TableSettings,
    WorkSettings,
    ZipperSettings,
)
from zipjobs.usage import Meter

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCKS_BYTES = 52 * MIB
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
    """What it takes to show jobs."""

    store: JobStore
    jobs: JobList
    progress: SegmentProgress
    links: DownloadLinks


@dataclass(frozen=True)
class Canceling:
    """What it takes to cancel a job."""

    store: JobStore
    endings: Endings


@dataclass(frozen=True)
class Zipping:
    """What it takes to run jobs from the queue."""

    runner: JobRunner
    queue: JobQueue


@cache
def submitting() -> Submitting:
    """For ``handlers/enqueue.py``."""
    settings = EnqueueSettings.from_environment()
    return Submitting(
        policy=settings.policy,
        requests=RequestWriter(
            _s3(),
            settings.requests_bucket,
            settings.requests_prefix,
            settings.job_retention_seconds,
        ),
        queue=JobQueue(_client("sqs"), settings.queue_url),
        store=_store(settings),
    )


@cache
def answering() -> Answering:
    """For ``handlers/status.py``."""
    settings = StatusSettings.from_environment()
    return Answering(
        store=_store(settings),
        jobs=JobList(_table(settings)),
        progress=_progress(settings),
        links=DownloadLinks(_s3(), settings.presign_ttl_seconds),
    )


@cache
def zipping() -> Zipping:
    """For ``handlers/zipper.py``."""
    settings = ZipperSettings.from_environment()
    options = EngineOptions()
    s3 = _s3(connections=options.uploads + options.copies, read_timeout=60)
    lean = _Lean(s3)
    queue = JobQueue(_client("sqs"), settings.queue_url)
    store, work = _store(settings), _work(s3, settings)
    writer = ArchiveWriter(s3, lean.sender(options.uploads + options.copies))
    adapters = Adapters(
        store=store,
        progress=_progress(settings),
        requests=RequestReader(s3),
        lists=SourceLists(s3, settings.policy),
        policy=settings.policy,
        queue=queue,
        work=work,
        reader=lean.reader(options.probes + options.ranges),
        writer=writer,
        receipts=Receipts(s3, settings.aws_lambda_function_memory_size),
        endings=Endings(
            store,
            writer,
            work,
            _statuses(s3, settings),
            _events(settings),
            JobMetrics(settings.service_name),
        ),
        blocks=BlockPool(BLOCKS_BYTES),
        meter=_meter(),
    )
    share = Share(read_bytes=settings.segment_mib * MIB)
    return Zipping(JobRunner(adapters, options, share), queue)


@cache
def canceling() -> Canceling:
    """For ``handlers/cancel.py``."""
    return Canceling(_store(EndingSettings.from_environment()), ending())


@cache
def documenting() -> DocsSettings:
    """For ``handlers/docs.py``."""
    return DocsSettings.from_environment()


@cache
def ending() -> Endings:
    """For ``handlers/dead_letter.py``."""
    settings = EndingSettings.from_environment()
    s3 = _s3()
    return Endings(
        _store(settings),
        ArchiveWriter(s3),
        _work(s3, settings),
        _statuses(s3, settings),
        _events(settings),
        JobMetrics(settings.service_name),
    )


@cache
def sweeping() -> Sweeper:
    """For ``handlers/sweeper.py``."""
    settings = SweeperSettings.from_environment()
    queue = JobQueue(_client("sqs"), settings.queue_url)
    metrics = JobMetrics(settings.service_name)
    return Sweeper(_store(settings), queue, _work(_s3(), settings), ending(), metrics)


class _Lean:
    """Makes the lean clients: same endpoint, credentials and certificates as boto3's."""

    def __init__(self, s3: "S3Client") -> None:
        session = boto3.Session()
        credentials = session.get_credentials()
        assert credentials is not None
        self._credentials = credentials
        self._ca_bundle = session._session.get_config_variable("ca_bundle")  # noqa: SLF001
        self._s3 = s3

    def reader(self, connections: int) -> ObjectReader:
        """Reads from this region, and from any other that a bucket turns out to be in."""

        def connect(s3: "S3Client") -> Transport:
            return Transport(
                s3.meta.endpoint_url,
                s3.meta.region_name,
                self._credentials.get_frozen_credentials,
                connections,
                self._ca_bundle,
                partial(_meter().count, "s3:GetObject"),
            )

        return ObjectReader(connect(self._s3), lambda region: connect(_s3(region=region)))

    def sender(self, connections: int) -> PartSender:
        """Sends parts to this region."""
        meta = self._s3.meta
        credentials = self._credentials.get_frozen_credentials
        on_request = partial(_meter().count, "s3:UploadPart")
        place = meta.endpoint_url, meta.region_name, credentials
        return PartSender(*place, connections, self._ca_bundle, on_request)


@cache
def _meter() -> Meter:
    """Counts the requests of every client of this function."""
    return Meter()


def _store(settings: TableSettings) -> JobStore:
    seconds = settings.job_retention_seconds, settings.sweep_grace_seconds
    return JobStore(_table(settings), *seconds)


def _table(settings: TableSettings) -> JobTable:
    return JobTable(_client("dynamodb"), settings.table_name)


def _progress(settings: TableSettings) -> SegmentProgress:
    return SegmentProgress(_client("dynamodb"), settings.table_name)


def _events(settings: EndingSettings | ZipperSettings) -> CompletionEvents:
    return CompletionEvents(_client("events"), settings.event_bus_name)


def _work(s3: "S3Client", settings: WorkSettings) -> WorkStore:
    return WorkStore(s3, settings.work_bucket, settings.work_prefix)


def _statuses(s3: "S3Client", settings: StatusObjectSettings) -> StatusObjects:
    places = settings.target_bucket, settings.target_prefix, settings.manifest_prefix
    return StatusObjects(s3, *places)


def _client(service: str) -> Any:
    client = boto3.client(service, config=_CLIENT_CONFIG)  # type: ignore[call-overload]
    _meter().watch(client)
    return client


def _s3(connections: int = 10, read_timeout: int = 10, region: str | None = None) -> "S3Client":
    config = _CLIENT_CONFIG.merge(
        Config(max_pool_connections=connections, read_timeout=read_timeout, **S3_CONFIG)
    )
    client = boto3.client("s3", region_name=region, config=config)
    _meter().watch(client)
    return client
