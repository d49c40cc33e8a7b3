"""The faults that are installed, and what they have done so far."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from local.aws_requests import CLIENT, AwsRequest
from local.errors import LocalError
from local.faults.plan import FaultPlan
from local.faults.random_choices import Draws
from local.faults.rules import FUNCTIONS, MessageFault, RequestFault

if TYPE_CHECKING:
    from local.runtime.execution import ExecutionEnvironment

HELD_SECONDS = 1.0
"""The longest that reordering holds a delivery back, and that a second delivery comes later."""

Message = dict[str, Any]


@dataclass(frozen=True)
class Injected:
    """A fault that happened: rule ``rule`` of the plan (from 0) did ``what`` to ``whom``."""

    rule: int
    what: str
    whom: str

    def __str__(self) -> str:
        return f"{self.what}: {self.whom}"


@dataclass(frozen=True)
class Delivery:
    """Messages that a function is to be given ``delay`` seconds from now."""

    messages: Sequence[Message]
    delay: float = 0.0


@dataclass
class _Installed:
    """A plan at work."""

    plan: FaultPlan
    draws: Draws
    matched: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Matching requests by rule, and by invocation where that is what ``nth`` counts in."""
    injected: list[Injected] = field(default_factory=list)
    invocations: dict[str, dict[str, int]] = field(default_factory=dict)
    """The number of each invocation, by the function's short name and the invocation's id."""
    over: threading.Event = field(default_factory=threading.Event)

    def strike(self, request: AwsRequest, invocation_id: str | None) -> RequestFault | None:
        if invocation_id:
            known = self.invocations.setdefault(request.caller, {})
            number = known.setdefault(invocation_id, len(known) + 1)
            request = replace(request, invocation=number)
        struck = None
        for rule, fault in enumerate(self.plan.faults):
            if isinstance(fault, RequestFault) and fault.matches(request):
                fires = self._fires(rule, fault, request, invocation_id or "")
                struck = struck or ((rule, fault) if fires else None)
        if struck is None:
            return None
        self.note(struck[0], str(struck[1]), str(request))
        return struck[1]

    def _fires(self, rule: int, fault: RequestFault, request: AwsRequest, invocation: str) -> bool:
        """Count a request that matches, and decide."""
        count = (rule, invocation if fault.per == "invocation" else "")
        self.matched[count] += 1
        if fault.times is not None and self._done(rule) >= fault.times:
            return False
        if fault.nth is not None:
            return self.matched[count] in fault.nth
        what = (request.caller, request.service, request.operation, request.key)
        return fault.probability is None or self.draws.draw(rule, *what) < fault.probability

    def _done(self, rule: int) -> int:
        return sum(injected.rule == rule for injected in self.injected)

    def deliveries(self, queue: str, messages: Sequence[Message]) -> Iterator[Delivery]:
        batch, delay, copies = list(messages), 0.0, []
        for rule, fault in enumerate(self.plan.faults):
            if not isinstance(fault, MessageFault) or not fault.matches(queue):
                continue
            if fault.reorder:
                delay += HELD_SECONDS * self.draws.draw(rule, queue, "hold")
                order = [self.draws.draw(rule, queue, "order") for _ in batch]
                pairs = sorted(zip(order, batch, strict=True), key=itemgetter(0))
                batch = [message for _, message in pairs]
                self.note(rule, "reorder", _ids(batch))
            if fault.delay and self.draws.draw(rule, queue, "delay") < fault.delay.probability:
                delay += fault.delay.seconds
                self.note(rule, "delay", _ids(batch))
            for message in batch if fault.duplicate else ():
                if self.draws.draw(rule, queue, "duplicate") < (fault.duplicate or 0):
                    later = 2 * self.draws.draw(rule, queue, "later") - 1  # half of them at once
                    copies.append(Delivery([message], max(0.0, later) * HELD_SECONDS))
                    self.note(rule, "duplicate", _ids([message]))
        yield Delivery(batch, delay)
        yield from (replace(copy, delay=copy.delay + delay) for copy in copies)

    def note(self, rule: int, what: str, whom: str) -> None:
        self.injected.append(Injected(rule, what, whom))


class Faults:
    """What is wrong with an embedded AWS: nothing, until a plan is installed. Thread-safe.

    ``callers`` are the functions' processes by the access key ids of their credentials.
    """

    def __init__(self) -> None:
        self.callers: dict[str, ExecutionEnvironment] = {}
        self._lock = threading.Lock()
        self._installed: _Installed | None = None
        self._injected: list[Injected] = []

    def install(self, plan: FaultPlan) -> None:
        """Let ``plan`` come true from now on, in place of any other; its counts start anew.

        Raises LocalError if a rule's ``caller`` is nobody's name.
        """
        self._check(plan)
        self.clear()
        with self._lock:
            self._installed = _Installed(plan, Draws(plan.seed))
            self._injected = self._installed.injected

    def clear(self) -> None:
        """Let everything go well again, what is paused at once. ``injected`` stays."""
        with self._lock:
            if self._installed:
                self._installed.over.set()
            self._installed = None

    @property
    def is_installed(self) -> bool:
        return self._installed is not None

    @property
    def injected(self) -> list[Injected]:
        """All that has happened since the last plan was installed."""
        with self._lock:
            return list(self._injected)

    def summary(self) -> list[str]:
        """What has happened, and how often: a line for each rule and kind."""
        counts = Counter((injected.rule, injected.what) for injected in self.injected)
        return [
            f"by rule {rule}: {what}, {count} times"
            for (rule, what), count in sorted(counts.items())
        ]

    def strike(
        self, request: AwsRequest, caller: "ExecutionEnvironment | None"
    ) -> RequestFault | None:
        """Count a request; what is to befall it, if anything. The first rule that fires wins."""
        request = replace(request, caller=caller.name if caller else CLIENT)
        with self._lock:
            if self._installed is None:
                return None
            return self._installed.strike(request, caller.invocation_id if caller else None)

    def deliveries(self, queue: str, messages: Sequence[Message]) -> list[Delivery]:
        """How to deliver messages of the queue of that logical name: first they, then copies."""
        with self._lock:
            if self._installed is None:
                return [Delivery(messages)]
            return list(self._installed.deliveries(queue, messages))

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the plan is installed."""
        if installed := self._installed:
            installed.over.wait(seconds)

    def _check(self, plan: FaultPlan) -> None:
        names = sorted({CLIENT, *(caller.name for caller in self.callers.values())})
        for number, fault in enumerate(plan.faults):
            if isinstance(fault, RequestFault) and not any(
                fnmatchcase(name, fault.caller) for name in [FUNCTIONS, *names]
            ):
                raise LocalError(
                    f"faults[{number}].caller of the fault plan: {fault.caller!r} is nobody; there "
                    f"are {', '.join([FUNCTIONS, *names])}."
                )


def _ids(messages: Sequence[Message]) -> str:
    return ", ".join(message["MessageId"] for message in messages)
