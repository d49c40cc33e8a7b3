"""The composition root of who runs jobs, and so of all that makes archives.

``zipjobs/wiring/lifecycle.py`` gives it how jobs end, ``zipjobs/wiring/api.py`` clients.
"""

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import boto3

from zipjobs.archive.blocks import BlockPool
from zipjobs.archive.options import EngineOptions
from zipjobs.archive.part_sizing import MIB
from zipjobs.jobs.queue import JobQueue
from zipjobs.requests.sources import SourceReader
from zipjobs.requests.storage import RequestReader
from zipjobs.s3.bucket_owners import BucketOwners
from zipjobs.s3.client import Transport
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender
from zipjobs.settings import ZipperSettings
from zipjobs.wiring.api import client, meter, progress_of, s3_client, store_of
from zipjobs.wiring.gc_tuning import freeze
from zipjobs.wiring.lifecycle import finalizer_of
from zipjobs.worker.adapters import Adapters
from zipjobs.worker.job_runner import JobRunner
from zipjobs.worker.receipts import Receipts
from zipjobs.worker.segment_plan import WorkerQuota
from zipjobs.worker.segment_store import SegmentStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCKS_BYTES = 52 * MIB
"""The memory of a build: all else that it holds is small or the central directory."""


NAMES_PER_MB = 3_000
"""Files and folders of one archive, for each MB of the function: a third of its memory."""


@dataclass(frozen=True)
class ZipperDependencies:
    """What it takes to run jobs from the queue."""

    runner: JobRunner
    queue: JobQueue


@cache
def zipper_dependencies() -> ZipperDependencies:
    """For ``handlers/zipper.py``."""
    settings = ZipperSettings.from_environment()
    options = EngineOptions()
    s3 = s3_client(settings.owners, connections=options.uploads + options.copies, read_timeout=60)
    lean = _DataPlane(s3, settings.owners)
    queue = JobQueue(client("sqs"), settings.queue_url)
    store = store_of(settings)
    adapters = Adapters(
        store=store,
        progress=progress_of(settings),
        requests=RequestReader(s3),
        lists=SourceReader(s3, settings.policy),
        policy=settings.policy,
        queue=queue,
        work=SegmentStore(s3, settings.work_bucket, settings.work_prefix),
        reader=lean.reader(options.probes + options.ranges),
        writer=ArchiveWriter(s3, lean.sender(options.uploads + options.copies)),
        receipts=Receipts(s3, settings.aws_lambda_function_memory_size),
        finalizer=finalizer_of(settings, store, s3),
        blocks=BlockPool(BLOCKS_BYTES),
        meter=meter(),
    )
    share = WorkerQuota(read_bytes=settings.segment_mib * MIB)
    most_names = settings.aws_lambda_function_memory_size * NAMES_PER_MB
    zipping = ZipperDependencies(JobRunner(adapters, options, share, most_names), queue)
    freeze()
    return zipping


class _DataPlane:
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
