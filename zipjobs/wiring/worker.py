"""Builds the objects of the zipper function, which runs jobs."""

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import boto3

from zipjobs.archive.options import Engine, EngineOptions
from zipjobs.archive.parts.blocks import BlockPool
from zipjobs.archive.parts.sizing import MIB
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.segment_progress import SegmentProgress
from zipjobs.jobs.store import JobStore
from zipjobs.lifecycle.finalizer import JobFinalizer
from zipjobs.requests.allow_list import AllowList
from zipjobs.requests.sources import SourceReader
from zipjobs.requests.storage import RequestReader
from zipjobs.s3.bucket_owners import BucketOwners
from zipjobs.s3.http.client import HttpClient
from zipjobs.s3.http.endpoint import Endpoint
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender
from zipjobs.settings import ZipperSettings
from zipjobs.wiring.api import client, meter, progress_of, s3_client, store_of
from zipjobs.wiring.gc_tuning import freeze
from zipjobs.wiring.lifecycle import finalizer_of, segment_objects
from zipjobs.worker.archive_runner import ArchiveRunner
from zipjobs.worker.job_runner import JobRunner
from zipjobs.worker.limits import JobLimits
from zipjobs.worker.planner import Planner
from zipjobs.worker.receipts import Receipts
from zipjobs.worker.request_loader import RequestLoader
from zipjobs.worker.segment_plan import WorkerQuota
from zipjobs.worker.segment_runner import SegmentRunner
from zipjobs.worker.segment_store import SegmentStore
from zipjobs.worker.usage import Meter

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCKS_BYTES = 44 * MIB
"""The memory for data in transit. Everything else is small, except the central directory."""


PATHS_PER_MB = 3_000
"""Files and folders of a job per MB of function memory. They take a third of it."""


@dataclass(frozen=True)
class ZipperDependencies:
    """The objects that ``handlers/zipper.py`` uses."""

    runner: JobRunner
    queue: JobQueue


@cache
def zipper_dependencies() -> ZipperDependencies:
    """Return the dependencies of ``handlers/zipper.py``."""
    settings = ZipperSettings.from_environment()
    options = EngineOptions()
    memory_mb = settings.aws_lambda_function_memory_size
    s3 = s3_client(settings.owners, connections=options.uploads + options.copies, read_timeout=60)
    data_plane = DataPlane(s3, settings.owners)
    store = store_of(settings)
    queue = JobQueue(client("sqs"), settings.queue_url)
    runner = job_runner(
        store=store,
        progress=progress_of(settings),
        queue=queue,
        finalizer=finalizer_of(settings, store, s3),
        requests=RequestReader(s3),
        sources=SourceReader(s3, settings.allow_list),
        allow_list=settings.allow_list,
        segments=SegmentStore(segment_objects(s3, settings)),
        writer=ArchiveWriter(s3, data_plane.sender(options.uploads + options.copies)),
        receipts=Receipts(s3, memory_mb),
        engine=Engine(
            data_plane.reader(options.probes + options.ranges), BlockPool(BLOCKS_BYTES), options
        ),
        limits=JobLimits(
            max_paths=memory_mb * PATHS_PER_MB,
            quota=WorkerQuota(read_bytes=settings.segment_mib * MIB),
        ),
        meter=meter(),
    )
    freeze()
    return ZipperDependencies(runner, queue)


def job_runner(
    *,
    store: JobStore,
    progress: SegmentProgress,
    queue: JobQueue,
    finalizer: JobFinalizer,
    requests: RequestReader,
    sources: SourceReader,
    allow_list: AllowList,
    segments: SegmentStore,
    writer: ArchiveWriter,
    receipts: Receipts,
    engine: Engine,
    limits: JobLimits,
    meter: Meter,
) -> JobRunner:
    """Return a job runner that is composed of the given parts."""
    return JobRunner(
        store,
        finalizer,
        RequestLoader(store, requests, sources, engine.reader, allow_list, limits),
        ArchiveRunner(store, engine, writer, receipts, meter, limits.quota),
        Planner(
            store,
            segments,
            queue,
            engine.reader,
            writer,
            finalizer,
            meter,
            limits.quota,
            engine.options.sizing,
        ),
        SegmentRunner(store, segments, progress, queue, engine, writer, receipts, finalizer, meter),
        meter,
    )


class DataPlane:
    """Creates the clients for data, with the endpoint, credentials and certificates of boto3."""

    def __init__(self, s3: "S3Client", owners: BucketOwners) -> None:
        session = boto3.Session()
        credentials = session.get_credentials()
        assert credentials is not None
        self._credentials = credentials.get_frozen_credentials
        self._ca_bundle = session._session.get_config_variable("ca_bundle")  # noqa: SLF001
        self._s3 = s3
        self._owners = owners

    def reader(self, connections: int) -> ObjectReader:
        """Return a reader for this Region. It connects to other Regions when a bucket is there."""

        def connect_to(region: str) -> HttpClient:
            s3 = s3_client(self._owners, region=region)
            return self._client(s3, connections, "s3:GetObject")

        own = self._client(self._s3, connections, "s3:GetObject")
        return ObjectReader(own, connect_to, self._owners.headers)

    def sender(self, connections: int) -> PartSender:
        """Return a sender of parts to this Region."""
        client = self._client(self._s3, connections, "s3:UploadPart")
        return PartSender(client, self._owners.headers)

    def _client(self, s3: "S3Client", connections: int, operation: str) -> HttpClient:
        endpoint = Endpoint.of(s3, self._ca_bundle)
        count = partial(meter().count, operation)
        return HttpClient(endpoint, self._credentials, connections, count, operation)
