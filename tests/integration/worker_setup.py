"""Workers on moto that run one message at a time, with access to all collaborators."""

import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest

from tests.support.builders import submission
from zipjobs.archive.options import Engine, EngineOptions
from zipjobs.archive.parts.blocks import BlockPool
from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.job import Job, JobError, Status, Submission
from zipjobs.jobs.segment_progress import SegmentProgress
from zipjobs.jobs.store import JobStore
from zipjobs.lifecycle.finalizer import JobFinalizer
from zipjobs.lifecycle.metrics import JobMetrics
from zipjobs.lifecycle.reconciler import Reconciler
from zipjobs.lifecycle.segment_objects import SegmentObjects
from zipjobs.lifecycle.status_objects import StatusObjects
from zipjobs.requests.allow_list import AllowList, Location
from zipjobs.requests.schema import JobRequest
from zipjobs.requests.sources import SourceReader
from zipjobs.requests.storage import ObjectRef, RequestReader
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender
from zipjobs.s3.upload_cleanup import UploadCleaner
from zipjobs.wiring.worker import BLOCKS_BYTES, job_runner
from zipjobs.worker.job_runner import JobRunner
from zipjobs.worker.limits import JobLimits
from zipjobs.worker.receipts import Receipts
from zipjobs.worker.segment_plan import WorkerQuota
from zipjobs.worker.segment_store import SegmentStore
from zipjobs.worker.usage import Meter

POLICY = AllowList("src", "dst", "zips/", (Location("src"),), (Location("dst", "zips/"),))


ONE_PDF = {"keys": ["a/one.pdf"]}


class Bus:
    """Stores published events after it has refused the first ``failures`` of them."""

    def __init__(self, failures: int = 0) -> None:
        self.published: list[Job] = []
        self.failures = failures

    def publish(self, job: Job) -> None:
        if self.failures:
            self.failures -= 1
            raise ServiceUnavailable("the bus is down")
        self.published.append(job)

    @property
    def statuses(self) -> list[Status]:
        return [job.status for job in self.published]


class Queue:
    """Stores the messages that were sent."""

    def __init__(self) -> None:
        self.sent: list[Submission] = []

    def send(self, submission: Submission) -> None:
        self.sent.append(submission)

    def send_segments(self, submission: Submission, segments: Iterable[int]) -> None:
        self.sent += [submission.model_copy(update={"segment": number}) for number in segments]


class Workers:
    """Runs messages one at a time. Each worker has ``quota``, ``limits`` and ``options``."""

    def __init__(
        self,
        s3: Any,
        dynamodb: Any,
        store: JobStore,
        bus: Bus,
        reader: ObjectReader,
        sender: PartSender,
    ) -> None:
        self.s3, self.store, self.bus, self.reader = s3, store, bus, reader
        self.quota, self.limits, self.options = WorkerQuota(), JobLimits(), EngineOptions()
        self.writer = ArchiveWriter(s3, sender)
        objects = SegmentObjects(s3, "manifests", "work/")
        self.segment_objects, self.segments = objects, SegmentStore(objects)
        self.progress = SegmentProgress(dynamodb, "jobs")
        self.queue = Queue()
        statuses = StatusObjects(s3, "dst", "zips/", "manifests/")
        metrics = JobMetrics("zip-jobs")
        self.finalizer = JobFinalizer(
            store,
            UploadCleaner(s3),
            objects,
            statuses,
            bus,  # type: ignore[arg-type]
            metrics,
        )
        self.reconciler = Reconciler(
            store,
            self.queue,  # type: ignore[arg-type]
            objects,
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
            limits=replace(self.limits, quota=self.quota),
            meter=Meter(),
        )

    def submit(self, content: Any = ONE_PDF, job_id: str = "job-1") -> Submission:
        """Store a request and return the message of its job."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.s3.put_object(Bucket="manifests", Key="requests/job-1.json", Body=body)
        request = ObjectRef(bucket="manifests", key="requests/job-1.json")
        return submission(job_id=job_id, request=request)

    def run(self, message: Submission, lease: timedelta = timedelta(minutes=15)) -> Job:
        job = self.runner().run(message, datetime.now(UTC) + lease)
        assert job is not None
        return job

    def run_all(self, content: Any = ONE_PDF) -> Job:
        """Submit a request and run its job and the segments that the queue has then."""
        job = self.run(self.submit(content))
        for segment in self.queue.sent:
            job = self.run(segment)
        assert job.is_final
        return job

    def job(self, job_id: str = "job-1") -> Job:
        """Return the job's record."""
        job = self.store.get(job_id)
        assert job is not None
        return job

    def create_record(self, message: Submission) -> None:
        """Create a job's record as the API does."""
        request = JobRequest(keys=("a/one.pdf",))
        self.store.create(message, POLICY.resolve(request, message.job_id), 1)

    def fail_exhausted(self, message: Submission) -> Job:
        return self.finalizer.fail_exhausted(message)

    def work_objects(self) -> list[str]:
        return self._keys("manifests", "work/")

    def target_keys(self) -> list[str]:
        return self._keys("dst", "")

    def uploads(self) -> list[str]:
        """Return the keys of the open multipart uploads."""
        found = self.s3.list_multipart_uploads(Bucket="dst").get("Uploads", [])
        return [upload["Key"] for upload in found]

    def output(self) -> list[str]:
        """Return the keys of all objects and uploads that the job has left."""
        return [*self.target_keys(), *self.work_objects(), *self.uploads()]

    def _keys(self, bucket: str, prefix: str) -> list[str]:
        page = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
        return [one["Key"] for one in page.get("Contents", [])]

    def target(self, key: str = "zips/job-1.zip") -> bytes:
        body: bytes = self.s3.get_object(Bucket="dst", Key=key)["Body"].read()
        return body

    def member_names(self, key: str = "zips/job-1.zip") -> list[str]:
        with zipfile.ZipFile(io.BytesIO(self.target(key))) as archive:
            assert archive.testzip() is None
            return archive.namelist()

    def receipt(self, stem: str = "zips/job-1") -> Any:
        return json.loads(self.target(f"{stem}.receipt.json"))


def error_of(job: Job) -> JobError:
    assert job.status is Status.FAILED
    assert job.error is not None
    return job.error


class Died(BaseException):
    """The worker's process has ended."""


@contextmanager
def dying(target: Any, method: str, *, after: bool = False) -> Iterator[None]:
    """Let the worker die at its first call of a method, before or after the effect."""
    real, first = getattr(target, method), iter([True])

    def die(*args: Any, **kwargs: Any) -> Any:
        if not next(first, False):
            return real(*args, **kwargs)
        if after:
            real(*args, **kwargs)
        raise Died

    with patch.object(target, method, die), pytest.raises(Died):
        yield
