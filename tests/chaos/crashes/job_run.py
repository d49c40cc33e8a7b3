"""One job from its request to its end, with its client, its queue and its schedule around it."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from local.faults.plan import FaultPlan
from local.faults.rules import FUNCTIONS, RequestFault
from tests.chaos.crashes.processes import Call, Died, Fleet, WatchedFaults
from tests.chaos.crashes.stack import Queue, Stack
from tests.support.events.http import http_event
from zipjobs.jobs.job import EVERYONE, FINAL_STATUSES, Status
from zipjobs.jobs.messages import parse_message
from zipjobs.requests.idempotency import idempotent_job_id

PATIENCE = 3
"""How often anybody tries again. One try is lost by the crash."""

MOST_DELIVERIES = 30
"""Of one job's messages, with those that were sent twice."""

NO_FAULTS = FaultPlan(faults=())


class Trial:
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
        fleet: Fleet,
        faults: WatchedFaults,
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
        self._fleet = fleet
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
        """Let everything go well again."""
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
            self._fleet.start(caller)
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
        """The client POSTs the job, again and again until it is answered."""
        assert any(self.post_once() for _ in range(PATIENCE))

    def post_once(self) -> bool:
        """The client POSTs the job; whether that was answered."""
        self.job_id = idempotent_job_id(self._name, EVERYONE)
        headers = {"idempotency-key": self._name}
        event = http_event("POST", "/zip-jobs", json.dumps(self._request), headers)
        answer = self.invoke("enqueue", event)
        assert answer is None or answer["statusCode"] == 202, answer
        return answer is not None

    def drop(self) -> None:
        """Somebody drops the manifest, and its event comes to the queue."""
        body = json.dumps(self._request).encode()
        event = self.stack.drop_manifest(f"manifests/{self._name}.json", body)
        self.job_id = parse_message(event).job_id

    def cancel(self) -> None:
        """The client DELETEs the job, again and again until that is answered."""
        event = http_event("DELETE", f"/zip-jobs/{self.job_id}")
        for _ in range(PATIENCE):
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
        """The queue delivers its messages until there are none."""
        self._drain("zipper", self.stack.queue)

    def bury(self) -> None:
        """The queue gives up on its messages: they were received too often."""
        while record := self.stack.queue.receive():
            self.stack.queue.give_back(record)

    def give_up(self) -> None:
        """The dead-letter queue delivers its messages until there are none."""
        self._drain("dead_letter", self.stack.dead_letters)

    def lose(self) -> None:
        """All messages are lost."""
        self.stack.queue.lose()

    def reconcile(self) -> None:
        """The schedule runs the reconciler, until a run comes to its end."""
        assert any(self.invoke("reconciler", {}) is not None for _ in range(PATIENCE))

    def repeat(self) -> None:
        """The queue delivers the first message once more, as late as it likes."""
        if self._first_body is not None:
            self.stack.queue.send(self._first_body)
            self.work()

    def invoke(self, function: str, event: object) -> Any:
        """Invoke a function; None if it died."""
        try:
            answer, log = self._fleet.invoke(function, event)
            self.trail += [f"{function} answered {answer}", *(f"    {line}" for line in log)]
        except Died:
            answer = None
            self._has_died = True
            self.trail.append(f"{function} died: {[str(one) for one in self.faults.injected]}")
        status = self.stack.status(self.job_id)
        if status in FINAL_STATUSES:
            self.ends.add(status)
        return answer

    def told(self, error: Exception) -> str:
        """What happened, to be read."""
        lines = [f"{error}", f"died after: {self.killed_after}", *self.trail]
        return f"{self._name}: " + "\n  ".join(lines)

    def _drain(self, function: str, queue: Queue) -> None:
        for _ in range(MOST_DELIVERIES):
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
