"""The service in a process: moto, and invocations with the real handlers and their wiring."""

import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from unittest.mock import patch

import boto3
from botocore.config import Config
from moto.core.botocore_stubber import BotocoreStubber
from moto.s3.exceptions import NoSuchUpload
from moto.s3.models import S3Backend

from handlers import zipper
from local.faults.injector import FaultInjector
from local.server import serving_aws
from tests.chaos.model.invocations import (
    Process,
    Script,
    Sender,
    process_client,
)
from tests.chaos.model.queues import Events, Sqs
from tests.chaos.model.requested_jobs import (
    MAX_ARCHIVE_BYTES,
)
from tests.integration.conftest import REGION
from tests.integration.worker_setup import POLICY
from tests.support.job_table import create_job_table
from tests.support.s3_clients import http_client
from zipjobs import telemetry
from zipjobs.archive.options import Engine, EngineOptions
from zipjobs.archive.parts.blocks import BlockPool
from zipjobs.archive.parts.sizing import MIB
from zipjobs.jobs.events import CompletionEvents
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.segment_progress import SegmentProgress
from zipjobs.jobs.store import JobStore
from zipjobs.jobs.table import JobTable
from zipjobs.lifecycle.finalizer import JobFinalizer
from zipjobs.lifecycle.metrics import JobMetrics
from zipjobs.lifecycle.reconciler import Reconciler
from zipjobs.lifecycle.segment_objects import SegmentObjects
from zipjobs.lifecycle.status_objects import StatusObjects
from zipjobs.requests.sources import SourceReader
from zipjobs.requests.storage import RequestReader, RequestWriter
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender
from zipjobs.s3.upload_cleanup import UploadCleaner
from zipjobs.settings import ApiAuth
from zipjobs.wiring import api, lifecycle, worker
from zipjobs.wiring.worker import job_runner
from zipjobs.worker import planner, segment_runner
from zipjobs.worker.limits import JobLimits
from zipjobs.worker.receipts import Receipts
from zipjobs.worker.segment_plan import WorkerQuota
from zipjobs.worker.segment_store import SegmentStore
from zipjobs.worker.usage import Meter

if TYPE_CHECKING:
    from tests.chaos.model.simulation import Simulation

P = ParamSpec("P")
T = TypeVar("T")

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
TIMEOUT_SECONDS = 900
"""The zipper's timeout, which is also how long a message that it has received is invisible."""

OTHER_TIMEOUT_SECONDS = 60
GRACE_SECONDS = 2 * TIMEOUT_SECONDS
KEEP_SECONDS = 30 * 86_400
MAX_RECEIVE_COUNT = 3
BLOCKS_BYTES = 52 * MIB

CALLS = {
    "enqueue": 5,
    "zipper": 16,
    "zipper, segment": 26,
    "cancel": 11,
    "dead_letter": 11,
    "reconciler": 11,
}
"""The largest number of calls that each function makes to AWS."""

QUOTA = WorkerQuota(read_bytes=2 * MIB)
OPTIONS = EngineOptions(progress_seconds=3600)
"""Progress is not written, so no call depends on real time."""

WORK_PREFIX = "work/"
FOREIGN_BODY = b"another object"


class Aws:
    """The moto server and connections to it, which many simulations share."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.s3, self.dynamodb = self._client("s3"), self._client("dynamodb")
        self.reads, self.uploads = http_client(url), http_client(url, 4)
        self.reader = ObjectReader(self.reads)
        self.sender = PartSender(self.uploads)

    def _client(self, service: str) -> Any:
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 1},
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        client: Any = boto3.client(  # type: ignore[call-overload]
            service,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=config,
        )
        client._endpoint.http_session = _Direct()
        return client

    def empty(self) -> None:
        """Reset moto, and create the buckets and the job table."""
        reset = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset).close()
        for bucket in ("src", "dst", "manifests"):
            self.s3.create_bucket(Bucket=bucket)
        create_job_table(self.dynamodb, "jobs")


_moto_complete_multipart_upload = S3Backend.complete_multipart_upload


def _complete_multipart_upload(self: Any, bucket: str, upload_id: str, body: Any) -> Any:
    """Raise NoSuchUpload for an upload that is complete or aborted, as S3 does.

    Source: "CompleteMultipartUpload" in the Amazon S3 API Reference. Moto raises KeyError.
    """
    if upload_id not in self.get_bucket(bucket).multiparts:
        raise NoSuchUpload(upload_id)
    return _moto_complete_multipart_upload(self, bucket, upload_id, body)


class _Direct:
    """Calls moto in this process without a socket, which is four times as fast."""

    def __init__(self) -> None:
        self._stubber = BotocoreStubber()
        self._stubber.enabled = True

    def send(self, request: Any) -> Any:
        return self._stubber("before-send", request)

    def close(self) -> None:
        """Do nothing, because no connection is open."""


@contextmanager
def serving() -> Iterator[Aws]:
    """Serve AWS during the block, and patch what depends on real time or is too large to test."""
    with ExitStack() as stack:
        for target, name, value in (
            (telemetry, "start_logging", lambda context: None),
            (segment_runner, "CONCURRENT_READS", 1),
            (planner, "MAX_ARCHIVE_BYTES", MAX_ARCHIVE_BYTES),
            (S3Backend, "complete_multipart_upload", _complete_multipart_upload),
        ):
            stack.enter_context(patch.object(target, name, value))
        services = ("s3", "dynamodb", "moto_api")
        aws = Aws(stack.enter_context(serving_aws(FaultInjector(), services=services)))
        stack.callback(aws.reads.close)
        stack.callback(aws.uploads.close)
        yield aws


class Invocation(Process):
    """A process with the dependencies that ``zipjobs.wiring`` would build."""

    def __init__(
        self, simulation: "Simulation", aws: Aws, name: str, function: str, script: Script
    ) -> None:
        self.is_worker = function.startswith("zipper")
        self.is_segment = function == "zipper, segment"
        timeout = TIMEOUT_SECONDS if self.is_worker else OTHER_TIMEOUT_SECONDS
        super().__init__(
            name,
            simulation.clock,
            timeout,
            CALLS[function],
            script,
            simulation.run_action,
            simulation.log,
        )
        s3 = process_client(self, aws.s3, simulation.on_response)
        dynamodb = process_client(self, aws.dynamodb, simulation.on_response)
        self.store = JobStore(
            JobTable(dynamodb, "jobs"), KEEP_SECONDS, GRACE_SECONDS, clock=simulation.clock
        )
        self.queue = JobQueue(Sqs(self, simulation.queue), "jobs")  # type: ignore[arg-type]
        self.requests = RequestWriter(s3, "manifests", "requests/", KEEP_SECONDS)
        objects = SegmentObjects(s3, "manifests", WORK_PREFIX)
        self.writer = ArchiveWriter(s3, Sender(self, aws.sender))  # type: ignore[arg-type]
        events = CompletionEvents(Events(self, simulation.bus), "bus")  # type: ignore[arg-type]
        statuses = StatusObjects(s3, "dst", "zips/", "manifests/")
        metrics = JobMetrics("zip-jobs")
        self.finalizer = JobFinalizer(
            self.store, UploadCleaner(s3), objects, statuses, events, metrics
        )
        self.reconciler = Reconciler(self.store, self.queue, objects, self.finalizer, metrics)
        self.runner = job_runner(
            store=self.store,
            progress=SegmentProgress(dynamodb, "jobs"),
            queue=self.queue,
            finalizer=self.finalizer,
            requests=RequestReader(s3),
            sources=SourceReader(s3, POLICY),
            allow_list=POLICY,
            segments=SegmentStore(objects),
            writer=self.writer,
            receipts=Receipts(s3),
            engine=Engine(aws.reader, BlockPool(BLOCKS_BYTES), OPTIONS),
            limits=JobLimits(quota=QUOTA),
            meter=Meter(),
        )
        # The handlers turn these errors into messages that stay on the queue.
        self.finalizer.fail_exhausted = self._recording_errors(self.finalizer.fail_exhausted)  # type: ignore[method-assign]
        self.runner.run = self._recording_errors(self.runner.run)  # type: ignore[method-assign]

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left: the invocation is also the context of its handler."""
        return round((self.deadline - self._clock.now).total_seconds() * 1000)

    @contextmanager
    def wired(self) -> Iterator[None]:
        """Give the handlers the dependencies of this invocation."""
        enqueue_dependencies = api.EnqueueDependencies(
            ApiAuth.NONE, POLICY, self.requests, self.queue, self.store
        )
        cancel_dependencies = lifecycle.CancelDependencies(ApiAuth.NONE, self.store, self.finalizer)
        zipper_dependencies = worker.ZipperDependencies(self.runner, self.queue)
        with (
            patch.object(api, "enqueue_dependencies", lambda: enqueue_dependencies),
            patch.object(worker, "zipper_dependencies", lambda: zipper_dependencies),
            patch.object(lifecycle, "finalizer", lambda: self.finalizer),
            patch.object(lifecycle, "cancel_dependencies", lambda: cancel_dependencies),
            patch.object(lifecycle, "reconciler", lambda: self.reconciler),
            patch.object(zipper, "utc_now", self._clock),
        ):
            yield

    def _recording_errors(self, method: Callable[P, T]) -> Callable[P, T]:
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return method(*args, **kwargs)
            except Exception as error:
                self.error = error
                raise

        return call
