"""The composition root of who runs jobs and ends them: as ``zipjobs/wiring.py``, for the rest."""

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import boto3

from zipjobs.archive.means import EngineOptions
from zipjobs.archive.parts import BlockPool
from zipjobs.archive.plan import Share
from zipjobs.archive.reader import ObjectReader
from zipjobs.archive.sender import PartSender
from zipjobs.archive.sizing import MIB
from zipjobs.archive.transport import Transport
from zipjobs.archive.writer import ArchiveWriter
from zipjobs.jobs.events import CompletionEvents
from zipjobs.jobs.lists import SourceLists
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.requests import RequestReader
from zipjobs.jobs.store import JobStore
from zipjobs.owners import BucketOwners
from zipjobs.running.adapters import Adapters
from zipjobs.running.endings import Endings
from zipjobs.running.metrics import JobMetrics
from zipjobs.running.receipts import Receipts
from zipjobs.running.runner import JobRunner
from zipjobs.running.statuses import StatusObjects
from zipjobs.running.sweeper import Sweeper
from zipjobs.running.work import WorkStore
from zipjobs.settings import (
    EndingSettings,
    StatusObjectSettings,
    SweeperSettings,
    WorkSettings,
    ZipperSettings,
)
from zipjobs.wiring import client, meter, progress_of, s3_client, store_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCKS_BYTES = 52 * MIB
"""The memory of a build: all else that it holds is small or the central directory."""


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
def zipping() -> Zipping:
    """For ``handlers/zipper.py``."""
    settings = ZipperSettings.from_environment()
    options = EngineOptions()
    s3 = s3_client(settings.owners, connections=options.uploads + options.copies, read_timeout=60)
    lean = _Lean(s3, settings.owners)
    queue = JobQueue(client("sqs"), settings.queue_url)
    store, work = store_of(settings), _work(s3, settings)
    writer = ArchiveWriter(s3, lean.sender(options.uploads + options.copies))
    adapters = Adapters(
        store=store,
        progress=progress_of(settings),
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
        meter=meter(),
    )
    share = Share(read_bytes=settings.segment_mib * MIB)
    return Zipping(JobRunner(adapters, options, share), queue)


@cache
def canceling() -> Canceling:
    """For ``handlers/cancel.py``."""
    return Canceling(store_of(EndingSettings.from_environment()), ending())


@cache
def ending() -> Endings:
    """For ``handlers/dead_letter.py``."""
    settings = EndingSettings.from_environment()
    s3 = s3_client(settings.owners)
    return Endings(
        store_of(settings),
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
    queue = JobQueue(client("sqs"), settings.queue_url)
    metrics = JobMetrics(settings.service_name)
    work = _work(s3_client(settings.owners), settings)
    return Sweeper(store_of(settings), queue, work, ending(), metrics)


class _Lean:
    """Makes the lean clients: same endpoint, credentials and certificates as boto3's."""

    def __init__(self, s3: "S3Client", owners: BucketOwners) -> None:
        session = boto3.Session()
        credentials = session.get_credentials()
        assert credentials is not None
        self._credentials = credentials
        self._ca_bundle = session._session.get_config_variable("ca_bundle")  # noqa: SLF001
        self._s3 = s3
        self._owners = owners

    def reader(self, connections: int) -> ObjectReader:
        """Reads from this region, and from any other that a bucket turns out to be in."""

        def connect(s3: "S3Client") -> Transport:
            return Transport(
                s3.meta.endpoint_url,
                s3.meta.region_name,
                self._credentials.get_frozen_credentials,
                connections,
                self._ca_bundle,
                partial(meter().count, "s3:GetObject"),
            )

        def connect_to(region: str) -> Transport:
            return connect(s3_client(self._owners, region=region))

        return ObjectReader(connect(self._s3), connect_to, self._owners.headers)

    def sender(self, connections: int) -> PartSender:
        """Sends parts to this region."""
        meta = self._s3.meta
        credentials = self._credentials.get_frozen_credentials
        on_request = partial(meter().count, "s3:UploadPart")
        place = meta.endpoint_url, meta.region_name, credentials
        headers = self._owners.headers
        return PartSender(*place, connections, self._ca_bundle, on_request, headers)


def _events(settings: EndingSettings | ZipperSettings) -> CompletionEvents:
    return CompletionEvents(client("events"), settings.event_bus_name)


def _work(s3: "S3Client", settings: WorkSettings) -> WorkStore:
    return WorkStore(s3, settings.work_bucket, settings.work_prefix)


def _statuses(s3: "S3Client", settings: StatusObjectSettings) -> StatusObjects:
    places = settings.target_bucket, settings.target_prefix, settings.manifest_prefix
    return StatusObjects(s3, *places)
