"""The installed fault plan, and the faults that it has injected."""

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
from local.faults.random_choices import RandomChoices
from local.faults.rules import FUNCTIONS, MessageFault, RequestFault

if TYPE_CHECKING:
    from local.runtime.execution import ExecutionEnvironment

MAX_REORDER_SECONDS = 1.0
"""The longest delay of a reordered delivery, and of a duplicate after the original."""

Message = dict[str, Any]


@dataclass(frozen=True)
class InjectedFault:
    """A fault that happened: rule ``rule`` of the plan (from 0) had ``effect`` on ``target``."""

    rule: int
    effect: str
    target: str

    def __str__(self) -> str:
        return f"{self.effect}: {self.target}"


@dataclass(frozen=True)
class Delivery:
    """Messages to deliver to a function ``delay`` seconds from now."""

    messages: Sequence[Message]
    delay: float = 0.0


@dataclass
class _InstalledPlan:
    plan: FaultPlan
    random_choices: RandomChoices
    matches: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Number of matching requests by rule, and by invocation if ``nth`` counts per invocation."""
    injected: list[InjectedFault] = field(default_factory=list)
    invocations: dict[str, dict[str, int]] = field(default_factory=dict)
    """The number of each invocation, by the function's short name and the invocation's ID."""
    cleared: threading.Event = field(default_factory=threading.Event)

    def fault_for(self, request: AwsRequest, invocation_id: str | None) -> RequestFault | None:
        if invocation_id:
            known = self.invocations.setdefault(request.caller, {})
            number = known.setdefault(invocation_id, len(known) + 1)
            request = replace(request, invocation=number)
        first = None
        for rule, fault in enumerate(self.plan.faults):
            if isinstance(fault, RequestFault) and fault.matches(request):
                fires = self._fires(rule, fault, request, invocation_id or "")
                first = first or ((rule, fault) if fires else None)
        if first is None:
            return None
        self._record(first[0], str(first[1]), str(request))
        return first[1]

    def _fires(self, rule: int, fault: RequestFault, request: AwsRequest, invocation: str) -> bool:
        """Count a matching request, and decide whether the fault happens."""
        count = (rule, invocation if fault.per == "invocation" else "")
        self.matches[count] += 1
        if fault.times is not None and self._injected_by(rule) >= fault.times:
            return False
        if fault.nth is not None:
            return self.matches[count] in fault.nth
        if fault.probability is None:
            return True
        subject = (request.caller, request.service, request.operation, request.key)
        return self.random_choices.number(rule, *subject) < fault.probability

    def _injected_by(self, rule: int) -> int:
        return sum(injected.rule == rule for injected in self.injected)

    def deliveries(self, queue: str, messages: Sequence[Message]) -> Iterator[Delivery]:
        batch, delay, duplicates = list(messages), 0.0, []
        number = self.random_choices.number
        for rule, fault in enumerate(self.plan.faults):
            if not isinstance(fault, MessageFault) or not fault.matches(queue):
                continue
            if fault.reorder:
                delay += MAX_REORDER_SECONDS * number(rule, queue, "hold")
                order = [number(rule, queue, "order") for _ in batch]
                pairs = sorted(zip(order, batch, strict=True), key=itemgetter(0))
                batch = [message for _, message in pairs]
                self._record(rule, "reorder", _ids(batch))
            if fault.delay and number(rule, queue, "delay") < fault.delay.probability:
                delay += fault.delay.seconds
                self._record(rule, "delay", _ids(batch))
            for message in batch if fault.duplicate else ():
                if number(rule, queue, "duplicate") < (fault.duplicate or 0):
                    later = 2 * number(rule, queue, "later") - 1  # half of them without delay
                    duplicates.append(Delivery([message], max(0.0, later) * MAX_REORDER_SECONDS))
                    self._record(rule, "duplicate", _ids([message]))
        yield Delivery(batch, delay)
        yield from (replace(copy, delay=copy.delay + delay) for copy in duplicates)

    def _record(self, rule: int, effect: str, target: str) -> None:
        self.injected.append(InjectedFault(rule, effect, target))


class FaultInjector:
    """Decides which requests and messages fail. None does until a plan is installed. Thread-safe.

    ``processes`` are the functions' processes by the access key IDs of their credentials.
    """

    def __init__(self) -> None:
        self.processes: dict[str, ExecutionEnvironment] = {}
        self._lock = threading.Lock()
        self._installed: _InstalledPlan | None = None
        self._injected: list[InjectedFault] = []

    def install(self, plan: FaultPlan) -> None:
        """Install ``plan`` in place of any other. Its counts start at zero.

        Raises LocalError if the ``caller`` of a rule does not exist.
        """
        self._check_callers(plan)
        self.clear()
        with self._lock:
            self._installed = _InstalledPlan(plan, RandomChoices(plan.seed))
            self._injected = self._installed.injected

    def clear(self) -> None:
        """Remove the plan, and end its pauses. ``injected`` keeps its records."""
        with self._lock:
            if self._installed:
                self._installed.cleared.set()
            self._installed = None

    @property
    def is_installed(self) -> bool:
        return self._installed is not None

    @property
    def injected(self) -> list[InjectedFault]:
        """The faults injected since the last plan was installed."""
        with self._lock:
            return list(self._injected)

    def summary(self) -> list[str]:
        """Return a line for each rule and effect, with the number of faults."""
        counts = Counter((injected.rule, injected.effect) for injected in self.injected)
        return [
            f"by rule {rule}: {effect}, {count} times"
            for (rule, effect), count in sorted(counts.items())
        ]

    def fault_for(
        self, request: AwsRequest, process: "ExecutionEnvironment | None"
    ) -> RequestFault | None:
        """Count a request of ``process`` (None: of a client), and return its fault, if any.

        If several rules fire, the first one wins.
        """
        request = replace(request, caller=process.name if process else CLIENT)
        with self._lock:
            if self._installed is None:
                return None
            return self._installed.fault_for(request, process.invocation_id if process else None)

    def deliveries(self, queue: str, messages: Sequence[Message]) -> list[Delivery]:
        """Return how to deliver messages of a queue (by logical name): first once, then copies."""
        with self._lock:
            if self._installed is None:
                return [Delivery(messages)]
            return list(self._installed.deliveries(queue, messages))

    def pause(self, seconds: float) -> None:
        """Wait ``seconds``, or until the plan is cleared."""
        if installed := self._installed:
            installed.cleared.wait(seconds)

    def _check_callers(self, plan: FaultPlan) -> None:
        names = [FUNCTIONS, *sorted({CLIENT, *(known.name for known in self.processes.values())})]
        for number, fault in enumerate(plan.faults):
            if isinstance(fault, RequestFault) and not any(
                fnmatchcase(name, fault.caller) for name in names
            ):
                raise LocalError(
                    f"faults[{number}].caller of the fault plan: no caller matches "
                    f"{fault.caller!r}. Use one of {', '.join(names)}, or a glob."
                )


def _ids(messages: Sequence[Message]) -> str:
    return ", ".join(message["MessageId"] for message in messages)
