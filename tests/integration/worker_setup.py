"""A runner on moto with all of its collaborators in reach."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.builders import submission
from zipjobs.archive.blocks import BlockPool
from zipjobs.archive.options import Engine, EngineOptions
from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.job import Job, Submission
from zipjobs.jobs.segment_progress import SegmentProgress
from zipjobs.jobs.store import JobStore
from zipjobs.lifecycle.finalizer import JobFinalizer
from zipjobs.lifecycle.metrics import JobMetrics
from zipjobs.lifecycle.reconciler import Reconciler
from zipjobs.lifecycle.segment_objects import SegmentObjects
from zipjobs.lifecycle.status_objects import StatusObjects
from zipjobs.requests.allow_list import AllowList, Location
from zipjobs.requests.sources import SourceReader
from zipjobs.requests.storage import ObjectRef, RequestReader
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender
from zipjobs.s3.upload_cleanup import UploadCleaner
from zipjobs.wiring.worker import BLOCKS_BYTES, job_runner
from zipjobs.worker.job_runner import JobRunner
from zipjobs.worker.receipts import Receipts
from zipjobs.worker.segment_plan import WorkerQuota
from zipjobs.worker.segment_store import SegmentStore
from zipjobs.worker.usage import Meter
from zipjobs.zipformat.member_names import MAX_NAMES

POLICY = AllowList("src", "dst", "zips/", (Location("src"),), (Location("dst", "zips/"),))


class Bus:
    """Keeps published events; the first ``failures`` of them are refused."""

    def __init__(self, failures: int = 0) -> None:
        self.published: list[Job] = []
        self.failures = failures

    def publish(self, job: Job) -> None:
        if self.failures:
            self.failures -= 1
            raise ServiceUnavailable("the bus is down")
        self.published.append(job)


class Queue:
    """Keeps the segments that were sent."""

    def __init__(self) -> None:
        self.sent: list[Submission] = []

    def send(self, submission: Submission) -> None:
        self.sent.append(submission)

    def send_segments(self, submission: Submission, segments: Iterable[int]) -> None:
        self.sent += [submission.model_copy(update={"segment": number}) for number in segments]


class Workers:
    """Runs messages, one at a time. ``quota`` and ``options`` are those of its workers."""

    def __init__(
        self,
        s3: Any,
        dynamodb: Any,
        store: JobStore,
        bus: Bus,
        reader: ObjectReader,
        sender: PartSender,
        quota: WorkerQuota | None = None,
        options: EngineOptions | None = None,
    ) -> None:
        self.s3, self.store, self.bus, self.reader = s3, store, bus, reader
        self.quota, self.options = quota or WorkerQuota(), options or EngineOptions()
        self.max_names = MAX_NAMES
        self.writer = ArchiveWriter(s3, sender)
        self.segment_objects = SegmentObjects(s3, "manifests", "work/")
        self.segments = SegmentStore(self.segment_objects)
        self.progress = SegmentProgress(dynamodb, "jobs")
        self.queue = Queue()
        statuses = StatusObjects(s3, "dst", "zips/", "manifests/")
        metrics = JobMetrics("zip-jobs")
        self.finalizer = JobFinalizer(
            store,
            UploadCleaner(s3),
            self.segment_objects,
            statuses,
            bus,  # type: ignore[arg-type]
            metrics,
        )
        self.reconciler = Reconciler(
            store,
            self.queue,  # type: ignore[arg-type]
            self.segment_objects,
            self.finalizer,
            metrics,
        )

    def runner(self, reader: ObjectReader | None = None) -> JobRunner:
        return job_runner(
            store=self.store,
            progress=self.progress,
            queue=self.queue,  # type: ignore[arg-type]
            finalizer=self.finalizer,
            requests=RequestReader(self.s3),
            sources=SourceReader(self.s3, POLICY),
            allow_list=POLICY,
            segments=self.segments,
            writer=self.writer,
            receipts=Receipts(self.s3),
            engine=Engine(reader or self.reader, BlockPool(BLOCKS_BYTES), self.options),
            quota=self.quota,
            max_names=self.max_names,
            meter=Meter(),
        )

    def run(self, message: Submission, lease: timedelta = timedelta(minutes=15)) -> Job:
        job = self.runner().run(message, datetime.now(UTC) + lease)
        assert job is not None
        return job

    def fail_exhausted(self, message: Submission) -> Job:
        return self.finalizer.fail_exhausted(message)

    def request(self, content: Any) -> Submission:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.s3.put_object(Bucket="manifests", Key="requests/job-1.json", Body=body)
        return submission(request=ObjectRef(bucket="manifests", key="requests/job-1.json"))

    def work_objects(self) -> list[str]:
        found = self.s3.list_objects_v2(Bucket="manifests", Prefix="work/").get("Contents", [])
        return [one["Key"] for one in found]
