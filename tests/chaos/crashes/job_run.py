"""One job from its request to its final status, with its client, queue and schedule."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from local.faults.plan import FaultPlan
from local.faults.rules import FUNCTIONS, RequestFault
from tests.chaos.crashes.processes import Call, RecordingFaultInjector, WorkerDied, WorkerPool
from tests.chaos.crashes.stack import Queue, Stack
from tests.support.events.http import http_event
from zipjobs.jobs.job import EVERYONE, FINAL_STATUSES, Status
from zipjobs.jobs.messages import parse_message
from zipjobs.requests.idempotency import idempotent_job_id

MAX_ATTEMPTS = 3
"""Attempts per request. The crash makes one of them fail."""

MAX_DELIVERIES = 30
"""Of one job's messages, duplicates included."""

NO_FAULTS = FaultPlan(faults=())


class JobRun:
    """A job, whose functions can be made to die after one of their calls.

    ``calls`` are those that were counted, and ``killed_after`` the one after which somebody died.
    ``ends`` are the final statuses that the record has had after each invocation, and ``trail``
    says what has happened.
    """

    def __init__(
        self,
        name: str,
        request: Mapping[str, Any],
        stack: Stack,
        workers: WorkerPool,
        faults: RecordingFaultInjector,
        dies_after: int | Call | None = None,
    ) -> None:
        self.job_id = ""
        self.calls: list[Call] = []
        self.ends: set[Status] = set()
        self.trail: list[str] = []
        self.killed_after: Call | None = None
        self.stack = stack
        self.faults = faults
        self._name = name
        self._request = request
        self._workers = workers
        self._dies_after = dies_after
        self._counted: str | None = None
        self._first_body: str | None = None
        self._has_died = False
        faults.install(NO_FAULTS)

    # What goes wrong

    def count(self, function: str = FUNCTIONS) -> None:
        """Count the calls of a function, or of all, from now on; after one of them it dies.

        After that of the number ``dies_after``, or the first of the kind.
        """
        self._counted = function
        self._has_died = False
        self.faults.calls.clear()
        match self._dies_after:
            case int(nth):
                self.fail(function, nth=nth, when="after", kill=True)
            case Call(caller, _, operation):
                self.fail(caller, operation=operation, nth=1, when="after", kill=True)

    def end_count(self) -> None:
        """Stop counting calls, and remove the faults."""
        if self._counted is None:
            return
        everybodys = self._counted == FUNCTIONS
        self.calls = [
            one for one in self.faults.calls if everybodys or one.function == self._counted
        ]
        if self._has_died:
            self.killed_after = self.faults.struck[0]
        self._counted = None
        self.faults.install(NO_FAULTS)

    def fail(self, caller: str, **rule: Any) -> None:
        """Have one thing go wrong with what a function asks for, or any of them."""
        if caller != FUNCTIONS:
            self._workers.start(caller)
        rule["caller"] = caller
        self.faults.install(FaultPlan(faults=(RequestFault.model_validate(rule),)))

    def crash(self, operation: str, when: Literal["before", "after"] = "after") -> None:
        """Deliver messages until a zipper dies, right before or after a call of ``operation``."""
        self.fail("zipper", operation=operation, nth=1, when=when, kill=True)
        while (is_done := self.deliver()) is True:
            pass
        assert is_done is None, f"no zipper died {when} {operation}"
        self.faults.install(NO_FAULTS)

    # What the world does

    def post(self) -> None:
        """POST the job, and retry until there is a response."""
        assert any(self.post_once() for _ in range(MAX_ATTEMPTS))

    def post_once(self) -> bool:
        """POST the job once; return whether there was a response."""
        self.job_id = idempotent_job_id(self._name, EVERYONE)
        headers = {"idempotency-key": self._name}
        event = http_event("POST", "/zip-jobs", json.dumps(self._request), headers)
        answer = self.invoke("enqueue", event)
        assert answer is None or answer["statusCode"] == 202, answer
        return answer is not None

    def drop(self) -> None:
        """Upload the manifest; its event is sent to the queue."""
        body = json.dumps(self._request).encode()
        event = self.stack.upload_manifest(f"manifests/{self._name}.json", body)
        self.job_id = parse_message(event).job_id

    def cancel(self) -> None:
        """DELETE the job, and retry until there is a response."""
        event = http_event("DELETE", f"/zip-jobs/{self.job_id}")
        for _ in range(MAX_ATTEMPTS):
            if answer := self.invoke("cancel", event):
                is_cancelled = self.stack.status(self.job_id) is Status.CANCELLED
                assert answer["statusCode"] == (200 if is_cancelled else 409), answer
                return
        raise AssertionError("the job cannot be cancelled")

    def deliver(self) -> bool | None:
        """The queue delivers a message: True if that is done with, None if the zipper died.

        False if it is to be tried again, or if there is none.
        """
        record = self.stack.queue.receive()
        return False if record is None else self._hand("zipper", self.stack.queue, record)

    def work(self) -> None:
        """Deliver all messages of the queue."""
        self._drain("zipper", self.stack.queue)

    def move_to_dead_letters(self) -> None:
        """Receive the messages until the queue moves them to the dead-letter queue."""
        while record := self.stack.queue.receive():
            self.stack.queue.give_back(record)

    def give_up(self) -> None:
        """Deliver all messages of the dead-letter queue."""
        self._drain("dead_letter", self.stack.dead_letters)

    def lose(self) -> None:
        """Delete all messages of the queue."""
        self.stack.queue.lose()

    def reconcile(self) -> None:
        """Run the reconciler, and retry until a run completes."""
        assert any(self.invoke("reconciler", {}) is not None for _ in range(MAX_ATTEMPTS))

    def repeat(self) -> None:
        """Deliver the first message again."""
        if self._first_body is not None:
            self.stack.queue.send(self._first_body)
            self.work()

    def invoke(self, function: str, event: object) -> Any:
        """Invoke a function; return its response, or None if its process died."""
        try:
            answer, log = self._workers.invoke(function, event)
            self.trail += [f"{function} answered {answer}", *(f"    {line}" for line in log)]
        except WorkerDied:
            answer = None
            self._has_died = True
            self.trail.append(f"{function} died: {[str(one) for one in self.faults.injected]}")
        status = self.stack.status(self.job_id)
        if status in FINAL_STATUSES:
            self.ends.add(status)
        return answer

    def told(self, error: Exception) -> str:
        """Return a readable report of what happened."""
        lines = [f"{error}", f"died after: {self.killed_after}", *self.trail]
        return f"{self._name}: " + "\n  ".join(lines)

    def _drain(self, function: str, queue: Queue) -> None:
        for _ in range(MAX_DELIVERIES):
            record = queue.receive()
            if record is None:
                return
            self._hand(function, queue, record)
        raise AssertionError(f"{function} has no end of messages")

    def _hand(self, function: str, queue: Queue, record: dict[str, Any]) -> bool | None:
        """Hand a message to a function, as an event source mapping does."""
        self._first_body = self._first_body or record["body"]
        answer = self.invoke(function, {"Records": [record]})
        if answer is None or answer["batchItemFailures"]:
            queue.give_back(record)
            return None if answer is None else False
        queue.delete(record)
        return True
