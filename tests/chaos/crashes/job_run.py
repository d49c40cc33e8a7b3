"""One job from its request to its final status, with its client, queue and schedule."""

import json
from collections.abc import Mapping
from typing import Any

from local.faults.plan import FaultPlan
from local.faults.rules import FUNCTIONS, RequestFault
from tests.chaos.crashes.processes import Call, RecordingFaultInjector, WorkerKilled, WorkerPool
from tests.chaos.crashes.stack import Queue, Stack
from tests.support.events.http import http_event
from zipjobs.jobs.job import EVERYONE, FINAL_STATUSES, Status
from zipjobs.jobs.messages import parse_message
from zipjobs.requests.idempotency import idempotent_job_id

MAX_ATTEMPTS = 3
"""Attempts per request. The crash makes one of them fail."""

MAX_DELIVERIES = 30
"""Deliveries of one job's messages, duplicates included."""

NO_FAULTS = FaultPlan(faults=())


class JobRun:
    """A job whose processes can be killed after one of their calls.

    ``calls`` are the counted calls, and ``killed_after`` is the one after which a process was
    killed. ``final_statuses`` holds each final status that the record had after an invocation.
    """

    def __init__(
        self,
        name: str,
        request: Mapping[str, Any],
        stack: Stack,
        workers: WorkerPool,
        faults: RecordingFaultInjector,
        kill_after: int | Call | None = None,
    ) -> None:
        self.job_id = ""
        self.calls: list[Call] = []
        self.final_statuses: set[Status] = set()
        self.log: list[str] = []
        self.killed_after: Call | None = None
        self.stack = stack
        self.faults = faults
        self._name = name
        self._request = request
        self._workers = workers
        self._kill_after = kill_after
        self._first_body: str | None = None
        self._was_killed = False
        faults.install(NO_FAULTS)

    # Faults

    def start_counting(self, function: str) -> None:
        """Count the calls of a function, or of all, and kill its process after one of them.

        ``kill_after`` is the number of that call, or selects the first call of a kind.
        """
        self._was_killed = False
        self.faults.calls.clear()
        match self._kill_after:
            case int(nth):
                self.fail(function, nth=nth, when="after", kill=True)
            case Call(caller, _, operation):
                self.fail(caller, operation=operation, nth=1, when="after", kill=True)

    def stop_counting(self, function: str) -> None:
        """Stop counting calls, and remove the faults."""
        self.calls = [call for call in self.faults.calls if function in (FUNCTIONS, call.function)]
        if self._was_killed:
            self.killed_after = self.faults.struck[0]
        self.faults.install(NO_FAULTS)

    def fail(self, caller: str, **rule: Any) -> None:
        """Install one fault for the calls of a function, or of all functions."""
        if caller != FUNCTIONS:
            self._workers.start(caller)
        rule["caller"] = caller
        self.faults.install(FaultPlan(faults=(RequestFault.model_validate(rule),)))

    def kill_worker(self, operation: str, when: str = "after") -> None:
        """Deliver messages until a worker is killed, right before or after ``operation``."""
        self.fail("zipper", operation=operation, nth=1, when=when, kill=True)
        while (is_done := self.deliver()) is True:
            pass
        assert is_done is None, f"no worker was killed {when} {operation}"
        self.faults.install(NO_FAULTS)

    # Events

    def post(self) -> None:
        """POST the job, and retry until there is a response."""
        assert any(self.post_once() for _ in range(MAX_ATTEMPTS))

    def post_once(self) -> bool:
        """POST the job once; return whether there was a response."""
        self.job_id = idempotent_job_id(self._name, EVERYONE)
        headers = {"idempotency-key": self._name}
        event = http_event("POST", "/zip-jobs", json.dumps(self._request), headers)
        response = self._invoke("enqueue", event)
        assert response is None or response["statusCode"] == 202, response
        return response is not None

    def upload_manifest(self) -> None:
        """Upload the manifest; its event is sent to the queue."""
        body = json.dumps(self._request).encode()
        event = self.stack.upload_manifest(f"manifests/{self._name}.json", body)
        self.job_id = parse_message(event).job_id

    def cancel(self) -> None:
        """DELETE the job, and retry until there is a response."""
        event = http_event("DELETE", f"/zip-jobs/{self.job_id}")
        for _ in range(MAX_ATTEMPTS):
            if response := self._invoke("cancel", event):
                is_cancelled = self.stack.status(self.job_id) is Status.CANCELLED
                assert response["statusCode"] == (200 if is_cancelled else 409), response
                return
        raise AssertionError(f"no response to DELETE in {MAX_ATTEMPTS} attempts")

    def deliver(self) -> bool | None:
        """Deliver a message. Return True if it was processed, and None if the worker was killed.

        Return False if the message stays on the queue, or if there is none.
        """
        record = self.stack.queue.receive()
        return False if record is None else self._deliver("zipper", self.stack.queue, record)

    def deliver_all(self) -> None:
        """Deliver all messages of the queue."""
        self._drain("zipper", self.stack.queue)

    def move_to_dead_letters(self) -> None:
        """Receive the messages until the queue moves them to the dead-letter queue."""
        while record := self.stack.queue.receive():
            self.stack.queue.make_visible(record)

    def deliver_dead_letters(self) -> None:
        """Deliver all messages of the dead-letter queue."""
        self._drain("dead_letter", self.stack.dead_letters)

    def lose_messages(self) -> None:
        """Delete all messages of the queue."""
        self.stack.queue.purge()

    def reconcile(self) -> None:
        """Run the reconciler, and retry until a run completes."""
        assert any(self._invoke("reconciler", {}) is not None for _ in range(MAX_ATTEMPTS))

    def redeliver_first_message(self) -> None:
        """Deliver the first message again."""
        if self._first_body is not None:
            self.stack.queue.send(self._first_body)
            self.deliver_all()

    def report(self, error: Exception) -> str:
        """Return the error and the log as text."""
        lines = [f"{error}", f"killed after: {self.killed_after}", *self.log]
        return f"{self._name}: " + "\n  ".join(lines)

    def _drain(self, function: str, queue: Queue) -> None:
        for _ in range(MAX_DELIVERIES):
            record = queue.receive()
            if record is None:
                return
            self._deliver(function, queue, record)
        raise AssertionError(f"messages are left after {MAX_DELIVERIES} deliveries to {function}")

    def _deliver(self, function: str, queue: Queue, record: dict[str, Any]) -> bool | None:
        """Invoke a function with a message, as an event source mapping does."""
        self._first_body = self._first_body or record["body"]
        response = self._invoke(function, {"Records": [record]})
        if response is None or response["batchItemFailures"]:
            queue.make_visible(record)
            return None if response is None else False
        queue.delete(record)
        return True

    def _invoke(self, function: str, event: object) -> Any:
        """Invoke a function. Return its response, or None if its process was killed."""
        try:
            response, log = self._workers.invoke(function, event)
            self.log += [f"{function} returned {response}", *(f"    {line}" for line in log)]
        except WorkerKilled:
            response = None
            self._was_killed = True
            self.log.append(
                f"{function} was killed: {[str(fault) for fault in self.faults.injected]}"
            )
        status = self.stack.status(self.job_id)
        if status in FINAL_STATUSES:
            self.final_statuses.add(status)
        return response
