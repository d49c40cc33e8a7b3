"""The parts of AWS that running jobs needs, each behind its adapter."""

from dataclasses import dataclass, field

from zipjobs.archive.parts import BlockPool
from zipjobs.archive.reader import ObjectReader
from zipjobs.archive.writer import ArchiveWriter
from zipjobs.ending.endings import Endings
from zipjobs.jobs.lists import SourceLists
from zipjobs.jobs.policy import Policy
from zipjobs.jobs.progress import SegmentProgress
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.requests import RequestReader
from zipjobs.jobs.store import JobStore
from zipjobs.running.receipts import Receipts
from zipjobs.running.work import WorkStore
from zipjobs.usage import Meter


@dataclass(frozen=True, slots=True)
class Adapters:
    """What runs jobs works with."""

    store: JobStore
    progress: SegmentProgress
    requests: RequestReader
    lists: SourceLists
    policy: Policy
    queue: JobQueue
    work: WorkStore
    reader: ObjectReader
    writer: ArchiveWriter
    receipts: Receipts
    endings: Endings
    blocks: BlockPool
    meter: Meter = field(default_factory=Meter)
