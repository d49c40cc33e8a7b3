"""The parts of AWS that running jobs needs, each behind its adapter."""

from dataclasses import dataclass, field

from zipjobs.archive.blocks import BlockPool
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.segment_progress import SegmentProgress
from zipjobs.jobs.store import JobStore
from zipjobs.lifecycle.finalizer import JobFinalizer
from zipjobs.requests.allow_list import AllowList
from zipjobs.requests.sources import SourceReader
from zipjobs.requests.storage import RequestReader
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.worker.receipts import Receipts
from zipjobs.worker.segment_store import SegmentStore
from zipjobs.worker.usage import Meter


@dataclass(frozen=True, slots=True)
class Adapters:
    """What runs jobs works with."""

    store: JobStore
    progress: SegmentProgress
    requests: RequestReader
    lists: SourceReader
    policy: AllowList
    queue: JobQueue
    work: SegmentStore
    reader: ObjectReader
    writer: ArchiveWriter
    receipts: Receipts
    finalizer: JobFinalizer
    blocks: BlockPool
    meter: Meter = field(default_factory=Meter)
