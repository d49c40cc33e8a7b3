"""A simulation of the service: moto, a model queue and bus, a clock, and the handlers.

Each invocation runs to its end or its death before anything else happens, unless a fault in its
script runs another action in between. So each run is deterministic. ``problems`` lists what went
wrong, and ``story`` what led to it.
"""

import json
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

import boto3
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from moto.core.botocore_stubber import BotocoreStubber
from moto.s3.exceptions import NoSuchUpload
from moto.s3.models import S3Backend

from handlers import cancel, dead_letter, enqueue, reconciler, zipper
from local.faults.injector import FaultInjector
from local.server import serving_aws
from tests.chaos.model.history import History
from tests.chaos.model.invocations import (
    NO_FAULTS,
    Clock,
    Process,
    ProcessStopped,
    Script,
    Sender,
    client_of,
)
from tests.chaos.model.queues import Bus, Events, Message, Queue, Sqs, record_of
from tests.chaos.model.requested_jobs import (
    MOST_ARCHIVE_BYTES,
    Kind,
    RequestedJob,
    Sources,
    archive_problems,
)
from tests.integration.conftest import REGION
from tests.integration.worker_setup import POLICY
from tests.support.events.http import http_event
from tests.support.job_table import create_job_table
from zipjobs import telemetry
from zipjobs.archive.blocks import BlockPool
from zipjobs.archive.options import Engine, EngineOptions
from zipjobs.archive.part_sizing import MIB
from zipjobs.errors import JobBusy, TransientError
from zipjobs.jobs.events import CompletionDetail, CompletionEvents
from zipjobs.jobs.job import EVERYONE, Job, Status, Submission
from zipjobs.jobs.messages import manifest_job_id, parse_message
from zipjobs.jobs.queue import JobQueue
from zipjobs.jobs.segment_progress import SegmentProgress
from zipjobs.jobs.store import JobStore
from zipjobs.jobs.table import SWEEP_INDEX, JobTable
from zipjobs.lifecycle.finalizer import JobFinalizer
from zipjobs.lifecycle.metrics import JobMetrics
from zipjobs.lifecycle.reconciler import Reconciler
from zipjobs.lifecycle.segment_objects import SegmentObjects
from zipjobs.lifecycle.status_objects import StatusObjects
from zipjobs.requests.idempotency import idempotent_job_id
from zipjobs.requests.sources import SourceReader
from zipjobs.requests.storage import RequestReader, RequestWriter
from zipjobs.s3.client import Transport
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender
from zipjobs.s3.upload_cleanup import UploadCleaner
from zipjobs.settings import ApiAuth
from zipjobs.wiring import api as wiring
from zipjobs.wiring import lifecycle
from zipjobs.wiring import worker as working
from zipjobs.wiring.worker import job_runner
from zipjobs.worker import planner
from zipjobs.worker import segment_runner as segments
from zipjobs.worker.job_runner import JobRunner
from zipjobs.worker.receipts import Receipts
from zipjobs.worker.segment_plan import WorkerQuota
from zipjobs.worker.segment_store import SegmentStore
from zipjobs.worker.usage import Meter
from zipjobs.zipformat.member_names import MAX_NAMES

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

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
"""How many calls each function makes of AWS, one way or the other."""

SHARE = WorkerQuota(read_bytes=2 * MIB)
OPTIONS = EngineOptions(progress_seconds=3600)
"""No call depends on how long something takes."""

WORK_PREFIX = "work/"
OTHERS = b"somebody else's"


class Aws:
    """What is made once for many worlds: the server, and connections to it."""

    def __init__(self, url: str) -> None:
        def credentials() -> ReadOnlyCredentials:
            return ReadOnlyCredentials("test", "test", None)

        self.url = url
        self.s3, self.dynamodb = self._client("s3"), self._client("dynamodb")
        self.transport = Transport(url, REGION, credentials, max_connections=16)
        self.reader = ObjectReader(self.transport)
        self.sender = PartSender(url, REGION, credentials, 4)

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
        """Begin anew, with a bucket of each kind and a job table."""
        reset = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset).close()
        for bucket in ("src", "dst", "manifests"):
            self.s3.create_bucket(Bucket=bucket)
        create_job_table(self.dynamodb, "jobs")


_moto_complete_multipart_upload = S3Backend.complete_multipart_upload


def _complete_multipart_upload(self: Any, bucket: str, upload_id: str, body: Any) -> Any:
    """As "CompleteMultipartUpload" in the Amazon S3 API Reference says of uploads that are over.

    Moto breaks.
    """
    if upload_id not in self.get_bucket(bucket).multiparts:
        raise NoSuchUpload(upload_id)
    return _moto_complete_multipart_upload(self, bucket, upload_id, body)


class _Direct:
    """botocore's connections to the moto in this process, without a socket: four times as fast."""

    def __init__(self) -> None:
        self._stubber = BotocoreStubber()
        self._stubber.enabled = True

    def send(self, request: Any) -> Any:
        return self._stubber("before-send", request)

    def close(self) -> None:
        """There is none."""


@contextmanager
def serving() -> Iterator[Aws]:
    """AWS while the block lasts, and nothing in this process that depends on real time."""
    with ExitStack() as stack:
        for where, name, value in (
            (telemetry, "start_logging", lambda context: None),
            (segments, "CONCURRENT_READS", 1),
            (planner, "MAX_ARCHIVE_BYTES", MOST_ARCHIVE_BYTES),
            (S3Backend, "complete_multipart_upload", _complete_multipart_upload),
        ):
            stack.enter_context(patch.object(where, name, value))
        services = ("s3", "dynamodb", "moto_api")
        aws = Aws(stack.enter_context(serving_aws(FaultInjector(), services=services)))
        stack.callback(aws.transport.close)
        yield aws


class Invocation(Process):
    """A process with what the composition root would give it."""

    def __init__(
        self, simulation: "Simulation", aws: Aws, name: str, function: str, script: Script
    ) -> None:
        self.is_worker = function.startswith("zipper")
        self.is_segment = function == "zipper, segment"
        timeout = TIMEOUT_SECONDS if self.is_worker else OTHER_TIMEOUT_SECONDS
        most_calls = CALLS[function]
        super().__init__(
            name, simulation.clock, timeout, most_calls, script, simulation.happen, simulation.tell
        )
        s3 = client_of(self, aws.s3, simulation.on_answer)
        dynamodb = client_of(self, aws.dynamodb, simulation.on_answer)
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
        self.finalizer = _Finalizer(
            self, self.store, UploadCleaner(s3), objects, statuses, events, metrics
        )
        self.reconciler = Reconciler(self.store, self.queue, objects, self.finalizer, metrics)
        self.runner = _Runner(
            self,
            job_runner(
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
                quota=SHARE,
                max_names=MAX_NAMES,
                meter=Meter(),
            ),
        )

    def get_remaining_time_in_millis(self) -> int:
        """It is the handlers' context, too."""
        return round((self.deadline - self._clock.now).total_seconds() * 1000)


class _Runner:
    """Keeps the error that a run raised: the handler turns it into a message that stays."""

    def __init__(self, process: Process, runner: JobRunner) -> None:
        self._runner = runner
        self._process = process

    def run(self, submission: Submission, lease_until: datetime) -> Job | None:
        try:
            return self._runner.run(submission, lease_until)
        except Exception as error:
            self._process.error = error
            raise


class _Finalizer(JobFinalizer):
    def __init__(self, process: Process, *collaborators: Any) -> None:
        super().__init__(*collaborators)
        self._process = process

    def fail_exhausted(self, submission: Submission) -> Job:
        try:
            return super().fail_exhausted(submission)
        except Exception as error:
            self._process.error = error
            raise


@dataclass(frozen=True)
class Crash:
    """A worker died, at ``at``, of the ``receives``-th delivery of a message."""

    message: Message
    receives: int
    at: datetime


class Simulation:
    """All that there is in an example."""

    def __init__(self, aws: Aws) -> None:
        aws.empty()
        self.problems: list[str] = []
        self.story: list[str] = []
        self.clock = Clock(START)
        self.history = History(self.clock, self.problem)
        self.queue = Queue(self.clock, TIMEOUT_SECONDS, MAX_RECEIVE_COUNT)
        self.bus = Bus(self._on_event)
        self.sources = Sources(aws.s3)
        self.orders: list[RequestedJob] = []
        self.crashes: list[Crash] = []
        self._aws = aws
        self._s3 = aws.s3
        self._running: list[Invocation] = []
        self._started = 0
        self._touched: set[str] = set()

    # What happens.

    def happen(self, happening: Any) -> None:
        happening.happen(self)

    def submit(self, kind: Kind, script: Script = NO_FAULTS, *, is_taken: bool = False) -> None:
        """A client asks for a job over the API."""
        key = f"key-{len(self.orders)}"
        order = self._order(idempotent_job_id(key, EVERYONE), kind)
        headers = {"idempotency-key": key}
        order.api_event = http_event("POST", "/zip-jobs", kind.body, headers)
        if is_taken:
            order.is_taken = True
            self._s3.put_object(Bucket="dst", Key=f"zips/{order.job_id}.zip", Body=OTHERS)
        self.submit_again(order, script)

    def submit_again(self, order: RequestedJob, script: Script) -> None:
        """The client asks for the same again, for it got no answer, or does not trust it."""
        process = self._start("enqueue", script)
        answer = self._run(process, lambda: enqueue.handler(order.api_event or {}, process))
        status = answer["statusCode"] if answer else None
        self.tell(f"{order.job_id} ({order.kind.name}) submitted: {status}")
        if status == 202:
            order.is_accepted = True
        elif not process.met_fault:
            self.problem(f"{order.job_id} was not accepted: {answer}")

    def drop(self, kind: Kind, key: str | None = None) -> None:
        """Somebody drops a manifest, of a key of its own unless there is one."""
        number = len(self.orders)
        key = key or f"manifests/{number}.json"
        etag = self._s3.put_object(Bucket="manifests", Key=key, Body=kind.body)["ETag"].strip('"')
        sequencer = f"{number:020X}"
        found = {"key": key, "etag": etag, "sequencer": sequencer}
        event = {
            "detail-type": "Object Created",
            "time": "2026-11-23T12:00:00Z",
            "detail": {"bucket": {"name": "manifests"}, "object": found},
        }
        order = self._order(manifest_job_id("manifests", key, None, etag, sequencer), kind)
        order.is_accepted = True
        order.manifest_key = key
        self.queue.send(json.dumps(event))
        self.tell(f"{order.job_id} ({kind.name}) dropped")

    def deliver(self, message: Message, script: Script = NO_FAULTS) -> Invocation | None:
        """A worker gets a message. Returns it, None if the message was given up instead."""
        job_id, receives = self.job_of(message), message.receives + 1
        record = self.queue.receive(message)
        if record is None:
            self.tell(f"a message of {job_id} becomes a dead letter")
            return None
        is_segment = parse_message(message.body).segment is not None
        process = self._start("zipper, segment" if is_segment else "zipper", script)
        self.tell(f"{process.name} gets {_about(message)}, for the {receives}. time")
        answer = self._run(
            process, lambda: zipper.handler({"Records": [record]}, cast("LambdaContext", process))
        )
        if answer is None and process.error is None:
            self.crashes.append(Crash(message, receives, self.clock.now))
        elif answer is None:
            self.tell(f"{process.name} could not say that it did nothing: {process.error!r}")
        elif answer["batchItemFailures"]:
            self.tell(f"{process.name}: {process.error!r}")
            self._check_refusal(process, job_id)
        elif message in self.queue.messages:
            self.queue.messages.remove(message)
        return process

    def deliver_dead_letter(self, message: Message, script: Script = NO_FAULTS) -> None:
        """The dead-letter function gets a message."""
        job_id = self.job_of(message)
        self.order_of(job_id).is_given_up = True
        message.visible_at = self.clock.now + timedelta(seconds=OTHER_TIMEOUT_SECONDS)
        process = self._start("dead_letter", script)
        event = {"Records": [record_of(message)]}
        answer = self._run(process, lambda: dead_letter.handler(event, process))
        self.tell(f"{process.name} gets {_about(message)}: {answer} {process.error!r}")
        if answer is not None and not answer["batchItemFailures"]:
            if message in self.queue.dead_letters:
                self.queue.dead_letters.remove(message)
        elif answer is not None:
            self._check_refusal(process, job_id)

    def cancel(self, order: RequestedJob, script: Script = NO_FAULTS) -> None:
        """The client does not want the job any more."""
        order.is_cancelled = True
        process = self._start("cancel", script)
        event = http_event("DELETE", f"/zip-jobs/{order.job_id}")
        answer = self._run(process, lambda: cancel.handler(event, process))
        status = answer["statusCode"] if answer else None
        self.tell(f"{order.job_id} is cancelled: {status}")
        known = self.history.jobs.get(order.job_id)
        if status is None or status == 503:
            if self._is_well(process):
                self.problem(f"{order.job_id} could not be cancelled: {answer}")
        elif status == 404 and known is not None:
            self.problem(f"{order.job_id} is {known.status}, and was not found")
        elif status == 409 and (known is None or known.status is Status.CANCELLED):
            self.problem(f"{order.job_id} was not cancelled: {answer}")
        elif status == 200 and (known is None or known.status is not Status.CANCELLED):
            self.problem(f"{order.job_id} was not cancelled, and the client told so")

    def reconcile(self, script: Script = NO_FAULTS) -> None:
        """The reconciler comes."""
        for order in self.orders:
            known = self.history.jobs.get(order.job_id)
            order.is_given_up |= known is not None and known.sweeps > 0
        process = self._start("reconciler", script)
        answer = self._run(process, lambda: reconciler.handler({}, cast("LambdaContext", process)))
        self.tell(f"{process.name}: {answer}")
        is_left = bool(answer and answer["left"]) and self._is_well(process)
        if is_left and not isinstance(process.error, JobBusy):
            self.problem(f"{process.name} left something: {process.error!r}")

    def lose(self, message: Message) -> None:
        self.queue.messages.remove(message)
        self.tell(f"{_about(message)} is lost")

    def change(self, key: str, body: bytes | None) -> None:
        """Somebody replaces a source object, or deletes it, or puts it there at last."""
        self.sources.put(key, body)
        self.tell(f"{key} is {body and body[:9]!r} now")
        for order in self.orders:
            known = self.history.jobs.get(order.job_id)
            if key in order.kind.keys and not (known and known.is_final):
                order.is_disturbed = True

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.tell(f"{seconds} seconds pass")

    def wait_until(self, moment: datetime) -> None:
        """Let time pass until then, unless it is later already."""
        self.clock.now = max(self.clock.now, moment)

    # What is known.

    def job_of(self, message: Message) -> str:
        return parse_message(message.body).job_id

    def order_of(self, job_id: str) -> RequestedJob:
        return next(order for order in self.orders if order.job_id == job_id)

    def is_unfinished(self, job_id: str) -> bool:
        """Whether there is a record of the job, and no end."""
        known = self.history.jobs.get(job_id)
        return known is not None and not known.is_final

    @property
    def overdue(self) -> list[datetime]:
        items = self._aws.dynamodb.scan(TableName="jobs", IndexName=SWEEP_INDEX)["Items"]
        return [datetime.fromtimestamp(int(item["sweepAt"]["N"]), UTC) for item in items]

    def problem(self, what: str) -> None:
        self.tell(f"WRONG: {what}")
        self.problems.append(what)

    def tell(self, what: str) -> None:
        self.story.append(f"{self.clock.now:%d %H:%M:%S} {what}")

    def on_answer(self, process: Process, request: Any, answer: Any) -> None:
        self.history.on_answer(process, request, answer)
        _, _, path = request.url.partition("/dst/")
        if path and request.method in ("PUT", "POST", "DELETE"):
            self._touched.add(path.partition("?")[0])

    # What has to be true.

    def check(self) -> None:
        """Raise AssertionError if something is wrong."""
        for order in self.orders:
            job = self.history.jobs.get(order.job_id)
            if job is not None and job.is_final:
                self._check_end(order, job)
        self._touched.clear()
        assert not self.problems, "\n".join([*self.problems, "", *self.story])

    def recover(self, crash: Crash) -> None:
        """One function timeout after a worker died, the next one takes over."""
        over = crash.at + timedelta(seconds=TIMEOUT_SECONDS)
        self.wait_until(over)
        if crash.message.visible_at > self.clock.now:
            self.problem(f"{_about(crash.message)} is invisible until {crash.message.visible_at}")
        process = self.deliver(crash.message)
        if process is not None and isinstance(process.error, JobBusy):
            holder = self.history.holder(self.job_of(crash.message))
            if holder is None or holder.deadline <= over:
                self.problem(f"{process.name} had to wait longer than a timeout: {process.error}")

    def finish(self) -> None:
        """Let everything go well from now on, until nothing is left to do; look at what came."""
        self.tell("From now on all goes well.")
        self.bus.refusals = 0
        for _ in range(100):
            for message in self.queue.visible:
                self.deliver(message)
            for message in self.queue.visible_dead_letters:
                self.deliver_dead_letter(message)
            if any(at <= self.clock.now for at in self.overdue):
                self.reconcile()
            if self.queue.visible or self.queue.visible_dead_letters:
                continue
            left = [*self.queue.messages, *self.queue.dead_letters]
            times = [*(message.visible_at for message in left), *self.overdue]
            if not times:
                break
            self.wait_until(min(times))
        else:
            self.problem("it never ends")
        self._check_nothing_is_left()
        self._check_status_objects()
        self.check()

    def _check_end(self, order: RequestedJob, job: Job) -> None:
        how = job.error.code if job.error else str(job.status)
        if not order.is_verified and how not in order.ends:
            self.problem(
                f"{job.job_id} ({order.kind.name}) is {how}, not {order.ends}: {job.error}"
            )
        keys = {key for facts in job.archives for key in (facts.key, facts.receipt_key)}
        if job.status is Status.READY and (keys & self._touched or not order.is_verified):
            try:
                for wrong in archive_problems(order, job, self._s3, self.sources):
                    self.problem(f"{job.job_id} is READY, but {wrong}")
            except self._s3.exceptions.ClientError as error:
                self.problem(f"{job.job_id} is READY, but lacks its archive or receipt: {error}")
        order.is_verified = True

    def _check_nothing_is_left(self) -> None:
        for order in self.orders:
            job = self.history.jobs.get(order.job_id)
            if job is None:
                if order.is_accepted:
                    self.problem(f"{order.job_id} was accepted and is lost")
                continue
            if not job.is_final:
                self.problem(f"{job.job_id} is {job.status} and has no end")
            elif not self.history.events.get(job.job_id):
                self.problem(f"{job.job_id} is {job.status} and had no event")
            if job.status is not Status.READY:
                self._check_no_archive(order)
        if uploads := self._s3.list_multipart_uploads(Bucket="dst").get("Uploads"):
            self.problem(f"uploads are left: {[upload['Key'] for upload in uploads]}")
        found = self._s3.list_objects_v2(Bucket="manifests", Prefix=WORK_PREFIX).get("Contents", [])
        if found:
            self.problem(f"working objects are left: {[one['Key'] for one in found]}")

    def _check_status_objects(self) -> None:
        """Of each manifest one is there, and tells of its last drop."""
        last = {order.manifest_key: order.job_id for order in self.orders if order.manifest_key}
        for key, job_id in last.items():
            said, job = self._status_object(key), self.history.jobs.get(job_id)
            if job is not None and said != CompletionDetail.of(job):
                self.problem(f"{job_id} is {job.status}, and {key}'s status object says {said}")

    def _status_object(self, manifest_key: str) -> CompletionDetail | None:
        key = f"zips/{PurePosixPath(manifest_key).stem}.status.json"
        if not self._s3.list_objects_v2(Bucket="dst", Prefix=key).get("Contents"):
            return None
        body = self._s3.get_object(Bucket="dst", Key=key)["Body"].read()
        return CompletionDetail.model_validate_json(body)

    def _check_no_archive(self, order: RequestedJob) -> None:
        prefix = f"zips/{order.job_id}"
        found = self._s3.list_objects_v2(Bucket="dst", Prefix=prefix).get("Contents", [])
        keys = [one["Key"] for one in found]
        if order.is_taken and f"{prefix}.zip" in keys:
            keys.remove(f"{prefix}.zip")
            body = self._s3.get_object(Bucket="dst", Key=f"{prefix}.zip")["Body"].read()
            if body != OTHERS:
                self.problem(f"{prefix}.zip is not {OTHERS!r} any more")
        elif order.is_taken:
            self.problem(f"{prefix}.zip was somebody else's, and is gone")
        if keys:
            self.problem(f"{order.job_id} did not get READY, and left {keys}")

    def _check_refusal(self, process: Invocation, job_id: str) -> None:
        """Whether it is right that a message stays."""
        if isinstance(process.error, JobBusy):
            holder = self.history.holder(job_id)
            is_excused = holder is not None and (
                holder.is_running or holder.is_gone or holder.met_fault
            )
            if not is_excused and not process.met_fault:
                self.problem(f"{process.name} found {job_id} busy, by {holder and holder.name}")
        elif not isinstance(process.error, TransientError) or (
            # What was made of other states of the sources has to be removed first.
            self._is_well(process) and not self.order_of(job_id).is_disturbed
        ):
            error = "".join(traceback.format_exception(process.error))
            self.problem(f"{process.name} could not handle its message: {error}")

    def _is_well(self, process: Invocation) -> bool:
        """Whether there was nothing that could have kept a process from its work.

        Who makes a segment may find that another has made it meanwhile, and cleaned up.
        """
        found_others = bool(self._running) or (process.is_segment and process.was_interrupted)
        return not (process.met_fault or found_others)

    # How it runs.

    def _order(self, job_id: str, kind: Kind) -> RequestedJob:
        for key in kind.keys:
            self.sources.need(key)
        order = RequestedJob(job_id, kind, {key: self.sources.now(key) for key in kind.keys})
        self.orders.append(order)
        return order

    def _on_event(self, detail: str) -> None:
        self.history.on_event(detail)
        event = json.loads(detail)
        self.tell(f"event: {event['eventId']}")
        for key in [facts[key] for facts in event["archives"] for key in ("key", "receiptKey")]:
            if not self._s3.list_objects_v2(Bucket="dst", Prefix=key).get("Contents"):
                self.problem(f"an event speaks of {key}, which is not there")
        manifest_key = self.order_of(event["jobId"]).manifest_key
        if manifest_key and self._status_object(manifest_key) is None:
            self.problem(f"{event['jobId']} had its event before its status object")

    def _start(self, function: str, script: Script) -> Invocation:
        self._started += 1
        name = f"{function} {self._started}"
        return Invocation(self, self._aws, name, function, script)

    def _run(self, process: Invocation, handler: Callable[[], Any]) -> Any:
        """What the handler answers, or None: its process died, or it raised."""
        self._running.append(process)
        try:
            with (
                patch.object(wiring, "enqueue_dependencies", lambda: self._submitting(process)),
                patch.object(working, "zipper_dependencies", lambda: self._zipping(process)),
                patch.object(lifecycle, "finalizer", lambda: process.finalizer),
                patch.object(lifecycle, "cancel_dependencies", lambda: self._canceling(process)),
                patch.object(lifecycle, "reconciler", lambda: process.reconciler),
                patch.object(zipper, "utc_now", self.clock),
            ):
                return handler()
        except ProcessStopped:
            return None
        except Exception as error:  # noqa: BLE001  (Lambda takes all)
            if not isinstance(error, TransientError) or self._is_well(process):
                self.problem(f"{process.name} broke: {''.join(traceback.format_exception(error))}")
            return None
        finally:
            self._running.pop()
            process.is_over = True

    def _submitting(self, process: Invocation) -> wiring.EnqueueDependencies:
        return wiring.EnqueueDependencies(
            ApiAuth.NONE, POLICY, process.requests, process.queue, process.store
        )

    def _canceling(self, process: Invocation) -> lifecycle.CancelDependencies:
        return lifecycle.CancelDependencies(ApiAuth.NONE, process.store, process.finalizer)

    def _zipping(self, process: Invocation) -> working.ZipperDependencies:
        return working.ZipperDependencies(process.runner, process.queue)  # type: ignore[arg-type]


def _about(message: Message) -> str:
    submission = parse_message(message.body)
    if submission.segment is None:
        return f"the message of {submission.job_id}"
    return f"segment {submission.segment} of {submission.job_id}"
