"""A simulation of the service: moto, a model queue and bus, a clock, and the handlers.

Each invocation runs until it returns or is stopped before anything else happens, unless a fault in
its script runs another action in between. So each run is deterministic. ``problems`` lists what
went wrong, and ``log_lines`` what happened before.
"""

import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from handlers import cancel, dead_letter, enqueue, reconciler, zipper
from tests.chaos.model.history import History
from tests.chaos.model.invocations import (
    NO_FAULTS,
    Action,
    Clock,
    Process,
    ProcessStopped,
    Script,
)
from tests.chaos.model.queues import Bus, Message, Queue, record_of
from tests.chaos.model.requested_jobs import (
    JobKind,
    RequestedJob,
    Sources,
    check_archives,
)
from tests.chaos.model.service import (
    FOREIGN_BODY,
    MAX_RECEIVE_COUNT,
    OTHER_TIMEOUT_SECONDS,
    START,
    TIMEOUT_SECONDS,
    WORK_PREFIX,
    Aws,
    Invocation,
)
from tests.support.events.http import http_event
from zipjobs.errors import JobBusy, TransientError
from zipjobs.jobs.events import CompletionDetail
from zipjobs.jobs.job import EVERYONE, Job, Status
from zipjobs.jobs.messages import manifest_job_id, parse_message
from zipjobs.jobs.table import UNFINISHED_INDEX
from zipjobs.requests.idempotency import idempotent_job_id


@dataclass(frozen=True)
class Crash:
    """A worker was stopped at ``at``, during the ``receives``-th delivery of a message."""

    message: Message
    receives: int
    at: datetime


class Simulation:
    """One example of hypothesis: the state of the service, and the checks."""

    def __init__(self, aws: Aws) -> None:
        aws.empty()
        self.problems: list[str] = []
        self.log_lines: list[str] = []
        self.clock = Clock(START)
        self.history = History(self.clock, self.add_problem)
        self.queue = Queue(self.clock, TIMEOUT_SECONDS, MAX_RECEIVE_COUNT)
        self.bus = Bus(self._on_event)
        self.sources = Sources(aws.s3)
        self.requested_jobs: list[RequestedJob] = []
        self.crashes: list[Crash] = []
        self._aws = aws
        self._s3 = aws.s3
        self._running: list[Invocation] = []
        self._started = 0
        self._written_keys: set[str] = set()

    # Actions

    def run_action(self, action: Action) -> None:
        action.happen(self)

    def submit(
        self, kind: JobKind, script: Script = NO_FAULTS, *, target_exists: bool = False
    ) -> None:
        """POST a job. ``target_exists``: another object has the archive's key."""
        idempotency_key = f"key-{len(self.requested_jobs)}"
        requested = self._request(idempotent_job_id(idempotency_key, EVERYONE), kind)
        headers = {"idempotency-key": idempotency_key}
        requested.api_event = http_event("POST", "/zip-jobs", kind.body, headers)
        if target_exists:
            requested.target_exists = True
            self._s3.put_object(Bucket="dst", Key=f"zips/{requested.job_id}.zip", Body=FOREIGN_BODY)
        self.submit_again(requested, script)

    def submit_again(self, requested: RequestedJob, script: Script) -> None:
        """POST the same job with the same idempotency key."""
        process, response = self._invoke("enqueue", enqueue.handler, requested.api_event, script)
        status = response["statusCode"] if response else None
        self.log(f"POST of {requested.job_id} ({requested.kind.name}) returned {status}")
        if status == 202:
            requested.is_accepted = True
        elif not process.met_fault:
            self.add_problem(f"{requested.job_id} was not accepted: {response}")

    def upload_manifest(self, kind: JobKind, key: str | None = None) -> None:
        """Upload a manifest, by default with a new key."""
        number = len(self.requested_jobs)
        key = key or f"manifests/{number}.json"
        etag = self._s3.put_object(Bucket="manifests", Key=key, Body=kind.body)["ETag"].strip('"')
        sequencer = f"{number:020X}"
        uploaded = {"key": key, "etag": etag, "sequencer": sequencer}
        event = {
            "detail-type": "Object Created",
            "time": "2026-11-23T12:00:00Z",
            "detail": {"bucket": {"name": "manifests"}, "object": uploaded},
        }
        requested = self._request(manifest_job_id("manifests", key, None, etag, sequencer), kind)
        requested.is_accepted = True
        requested.manifest_key = key
        self.queue.send(json.dumps(event))
        self.log(f"manifest of {requested.job_id} ({kind.name}) was uploaded")

    def deliver(self, message: Message, script: Script = NO_FAULTS) -> Invocation | None:
        """Deliver a message to a worker. Return None if it becomes a dead letter instead."""
        job_id, receives = self.job_of(message), message.receives + 1
        record = self.queue.receive(message)
        if record is None:
            self.log(f"a message of {job_id} becomes a dead letter")
            return None
        self.log(f"delivery {receives} of {_describe(message)}")
        is_segment = parse_message(message.body).segment is not None
        function = "zipper, segment" if is_segment else "zipper"
        event = {"Records": [record]}
        process, response = self._invoke(function, zipper.handler, event, script)
        if response is None and process.error is None:
            self.crashes.append(Crash(message, receives, self.clock.now))
        elif response is None:
            self.log(f"{process.name} could not report its failure: {process.error!r}")
        elif response["batchItemFailures"]:
            self.log(f"{process.name}: {process.error!r}")
            self._check_failed_delivery(process, job_id)
        elif message in self.queue.messages:
            self.queue.messages.remove(message)
        return process

    def deliver_dead_letter(self, message: Message, script: Script = NO_FAULTS) -> None:
        """Deliver a message to the dead-letter function."""
        job_id = self.job_of(message)
        self.requested_job(job_id).may_exhaust_retries = True
        message.visible_at = self.clock.now + timedelta(seconds=OTHER_TIMEOUT_SECONDS)
        event = {"Records": [record_of(message)]}
        process, response = self._invoke("dead_letter", dead_letter.handler, event, script)
        self.log(f"{process.name}, {_describe(message)}: {response} {process.error!r}")
        if response is None:
            return
        if response["batchItemFailures"]:
            self._check_failed_delivery(process, job_id)
        elif message in self.queue.dead_letters:
            self.queue.dead_letters.remove(message)

    def cancel(self, requested: RequestedJob, script: Script = NO_FAULTS) -> None:
        """DELETE the job."""
        requested.is_cancelled = True
        event = http_event("DELETE", f"/zip-jobs/{requested.job_id}")
        process, response = self._invoke("cancel", cancel.handler, event, script)
        status = response["statusCode"] if response else None
        job = self.history.jobs.get(requested.job_id)
        is_cancelled = job is not None and job.status is Status.CANCELLED
        self.log(f"DELETE of {requested.job_id} returned {status}")
        match status:
            case None | 503:
                is_right = not self._must_succeed(process)
            case 404:
                is_right = job is None
            case 409:
                is_right = job is not None and not is_cancelled
            case 200:
                is_right = is_cancelled
            case _:
                is_right = False
        if not is_right:
            status_of_job = job.status if job else "unknown"
            self.add_problem(f"{requested.job_id} is {status_of_job}, but DELETE: {response}")

    def reconcile(self, script: Script = NO_FAULTS) -> None:
        """Run the reconciler."""
        for requested in self.requested_jobs:
            job = self.history.jobs.get(requested.job_id)
            requested.may_exhaust_retries |= job is not None and job.sweeps > 0
        process, response = self._invoke("reconciler", reconciler.handler, {}, script)
        self.log(f"{process.name}: {response}")
        is_left = bool(response and response["left"]) and self._must_succeed(process)
        if is_left and not isinstance(process.error, JobBusy):
            self.add_problem(f"{process.name} did not finish: {process.error!r}")

    def lose_message(self, message: Message) -> None:
        self.queue.messages.remove(message)
        self.log(f"{_describe(message)} is lost")

    def change_source(self, key: str, body: bytes | None) -> None:
        """Replace, create or delete a source object."""
        self.sources.put(key, body)
        self.log(f"{key} is {body and body[:9]!r} now")
        for requested in self.requested_jobs:
            job = self.history.jobs.get(requested.job_id)
            if key in requested.kind.keys and not (job and job.is_final):
                requested.sources_changed = True

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.log(f"{seconds} seconds pass")

    def wait_until(self, moment: datetime) -> None:
        """Set the clock to ``moment``, unless it is later already."""
        self.clock.now = max(self.clock.now, moment)

    # State

    def job_of(self, message: Message) -> str:
        return parse_message(message.body).job_id

    def requested_job(self, job_id: str) -> RequestedJob:
        return next(requested for requested in self.requested_jobs if requested.job_id == job_id)

    def is_unfinished(self, job_id: str) -> bool:
        """Return whether the job has a record without a final status."""
        job = self.history.jobs.get(job_id)
        return job is not None and not job.is_final

    @property
    def reconcile_times(self) -> list[datetime]:
        """When the jobs in the reconciler's index are due."""
        items = self._aws.dynamodb.scan(TableName="jobs", IndexName=UNFINISHED_INDEX)["Items"]
        return [datetime.fromtimestamp(int(item["sweepAt"]["N"]), UTC) for item in items]

    def add_problem(self, text: str) -> None:
        self.log(f"WRONG: {text}")
        self.problems.append(text)

    def log(self, text: str) -> None:
        self.log_lines.append(f"{self.clock.now:%d %H:%M:%S} {text}")

    def on_response(self, process: Process, request: Any, response: Any) -> None:
        self.history.on_response(process, request, response)
        _, _, path = request.url.partition("/dst/")
        if path and request.method in ("PUT", "POST", "DELETE"):
            self._written_keys.add(path.partition("?")[0])

    # Checks

    def check(self) -> None:
        """Raise AssertionError if something is wrong."""
        for requested in self.requested_jobs:
            job = self.history.jobs.get(requested.job_id)
            if job is not None and job.is_final:
                self._check_outcome(requested, job)
        self._written_keys.clear()
        assert not self.problems, "\n".join([*self.problems, "", *self.log_lines])

    def recover(self, crash: Crash) -> None:
        """Check that another worker takes over one function timeout after a crash."""
        recovers_at = crash.at + timedelta(seconds=TIMEOUT_SECONDS)
        self.wait_until(recovers_at)
        message = crash.message
        if message.visible_at > self.clock.now:
            self.add_problem(f"{_describe(message)} is invisible until {message.visible_at}")
        process = self.deliver(message)
        if process is not None and isinstance(process.error, JobBusy):
            holder = self.history.lease_holder(self.job_of(message))
            if holder is None or holder.deadline <= recovers_at:
                self.add_problem(f"{process.name} waits longer than a timeout: {process.error}")

    def finish(self) -> None:
        """Process everything that is left without faults, and check the result."""
        self.log("No faults from here on.")
        self.bus.rejections = 0
        for _ in range(100):
            for message in self.queue.visible:
                self.deliver(message)
            for message in self.queue.visible_dead_letters:
                self.deliver_dead_letter(message)
            if any(time <= self.clock.now for time in self.reconcile_times):
                self.reconcile()
            if self.queue.visible or self.queue.visible_dead_letters:
                continue
            messages = [*self.queue.messages, *self.queue.dead_letters]
            times = [*(message.visible_at for message in messages), *self.reconcile_times]
            if not times:
                break
            self.wait_until(min(times))
        else:
            self.add_problem("messages or jobs are left after 100 rounds")
        self._check_jobs_are_final()
        self._check_nothing_is_left()
        self._check_status_objects()
        self.check()

    def _check_outcome(self, requested: RequestedJob, job: Job) -> None:
        outcome, expected = job.error.code if job.error else job.status, requested.expected_outcomes
        name = f"{job.job_id} ({requested.kind.name})"
        if not requested.is_verified and outcome not in expected:
            self.add_problem(f"{name} is {outcome}, expected {expected}: {job.error}")
        keys = {key for archive in job.archives for key in (archive.key, archive.receipt_key)}
        if job.status is Status.READY and (keys & self._written_keys or not requested.is_verified):
            try:
                check_archives(requested, job, self._s3, self.sources)
            except AssertionError as error:
                self.add_problem(f"{name} is READY, but its archive is wrong: {error}")
            except self._s3.exceptions.ClientError as error:
                self.add_problem(f"{name} is READY without archive or receipt: {error}")
        requested.is_verified = True

    def _check_jobs_are_final(self) -> None:
        for requested in self.requested_jobs:
            job = self.history.jobs.get(requested.job_id)
            if job is None:
                if requested.is_accepted:
                    self.add_problem(f"{requested.job_id} was accepted, but has no record")
                continue
            if not job.is_final:
                self.add_problem(f"{job.job_id} is {job.status}, which is not final")
            elif not self.history.events.get(job.job_id):
                self.add_problem(f"{job.job_id} is {job.status}, but has no event")
            if job.status is not Status.READY:
                self._check_no_archive(requested)

    def _check_nothing_is_left(self) -> None:
        if uploads := self._s3.list_multipart_uploads(Bucket="dst").get("Uploads"):
            self.add_problem(f"uploads are left: {[upload['Key'] for upload in uploads]}")
        if keys := self._keys("manifests", WORK_PREFIX):
            self.add_problem(f"working objects are left: {keys}")

    def _check_status_objects(self) -> None:
        """Check that each manifest has a status object that describes its last upload."""
        for key, job_id in {job.manifest_key: job.job_id for job in self.requested_jobs}.items():
            job = self.history.jobs.get(job_id)
            if key is None or job is None:
                continue
            status_object = self._status_object(key)
            if status_object != CompletionDetail.of(job):
                self.add_problem(f"{job_id} is {job.status}, but its status is {status_object}")

    def _status_object(self, manifest_key: str) -> CompletionDetail | None:
        key = f"zips/{PurePosixPath(manifest_key).stem}.status.json"
        if not self._keys("dst", key):
            return None
        return CompletionDetail.model_validate_json(self._body(key))

    def _check_no_archive(self, requested: RequestedJob) -> None:
        key = f"zips/{requested.job_id}.zip"
        keys = self._keys("dst", f"zips/{requested.job_id}")
        if requested.target_exists and key in keys:
            keys.remove(key)
            if self._body(key) != FOREIGN_BODY:
                self.add_problem(f"the job replaced the existing object {key}")
        elif requested.target_exists:
            self.add_problem(f"the job deleted the existing object {key}")
        if keys:
            self.add_problem(f"{requested.job_id} is not READY, but left {keys}")

    def _check_failed_delivery(self, process: Invocation, job_id: str) -> None:
        """Check that a message stays on the queue for a good reason."""
        if isinstance(process.error, JobBusy):
            holder = self.history.lease_holder(job_id)
            is_excused = holder is not None and (
                holder.is_running or holder.is_stopped or holder.met_fault
            )
            if not is_excused and not process.met_fault:
                self.add_problem(f"{process.name}: JobBusy, lease of {holder and holder.name}")
        elif not isinstance(process.error, TransientError) or (
            # Output that was built from earlier versions of the sources has to be deleted first.
            self._must_succeed(process) and not self.requested_job(job_id).sources_changed
        ):
            error = "".join(traceback.format_exception(process.error))
            self.add_problem(f"{process.name} could not process its message: {error}")

    def _must_succeed(self, process: Invocation) -> bool:
        """Return whether there was no fault and no other process at the same time.

        Meanwhile, another worker may have built the same segment and deleted working objects.
        """
        has_others = any(other is not process for other in self._running)
        was_overtaken = process.is_segment and process.was_interrupted
        return not (process.met_fault or has_others or was_overtaken)

    # Helpers

    def _request(self, job_id: str, kind: JobKind) -> RequestedJob:
        requested = RequestedJob(
            job_id, kind, {key: self.sources.current(key) for key in kind.keys}
        )
        self.requested_jobs.append(requested)
        return requested

    def _keys(self, bucket: str, prefix: str) -> list[str]:
        found = self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return [item["Key"] for item in found]

    def _body(self, key: str) -> bytes:
        body: bytes = self._s3.get_object(Bucket="dst", Key=key)["Body"].read()
        return body

    def _on_event(self, detail: str) -> None:
        event = json.loads(detail)
        self.history.on_event(event)
        self.log(f"event: {event['eventId']}")
        for key in [archive[key] for archive in event["archives"] for key in ("key", "receiptKey")]:
            if not self._keys("dst", key):
                self.add_problem(f"an event lists {key}, which does not exist")
        manifest_key = self.requested_job(event["jobId"]).manifest_key
        if manifest_key and self._status_object(manifest_key) is None:
            self.add_problem(f"{event['jobId']}: the event was sent before the status object")

    def _invoke(
        self, function: str, handler: Callable[[Any, Any], Any], event: Any, script: Script
    ) -> tuple[Invocation, Any]:
        """Invoke a handler. The response is None if its process was stopped, or if it raised."""
        self._started += 1
        name = f"{function} {self._started}"
        process = Invocation(self, self._aws, name, function, script)
        self._running.append(process)
        try:
            with process.wired():
                return process, handler(event, process)
        except ProcessStopped:
            return process, None
        except Exception as error:  # noqa: BLE001  (Lambda catches all)
            if not isinstance(error, TransientError) or self._must_succeed(process):
                trace = "".join(traceback.format_exception(error))
                self.add_problem(f"{process.name} raised: {trace}")
            return process, None
        finally:
            self._running.pop()
            process.has_returned = True


def _describe(message: Message) -> str:
    submission = parse_message(message.body)
    if submission.segment is None:
        return f"the message of {submission.job_id}"
    return f"segment {submission.segment} of {submission.job_id}"
