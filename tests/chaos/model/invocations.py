"""One invocation of a function. Each of its calls to AWS can fail or be the last one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock
from typing import Any, Protocol, TypeVar

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from zipjobs.errors import ServiceUnavailable
from zipjobs.s3.part_upload import Chunks, PartSender, UploadedPart
from zipjobs.s3.target import Target

T = TypeVar("T")


class Clock:
    """The time of everything except moto."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class ProcessStopped(BaseException):
    """The process was killed or has timed out."""


class FaultKind(StrEnum):
    """A kind of fault at a call. A rejected call has used up the SDK's retries."""

    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"
    REJECTED = "rejected"
    NO_RESPONSE = "takes effect, no response"
    SENT_TWICE = "takes effect twice, first response lost"
    INTERRUPTED = "another action happens first"


class Action(Protocol):
    """Something that happens in a simulation."""

    def happen(self, simulation: Any) -> None: ...


@dataclass(frozen=True)
class CallFault:
    """A fault at the ``call``-th call of a process, counted from 1, and at ``calls`` calls in all.

    If a process makes fewer calls, the count wraps around.
    """

    call: int
    fault_kind: FaultKind
    calls: int = 1
    action: Action | None = None

    def matches(self, call: int, max_calls: int) -> bool:
        """Return whether the fault is at this call of a process that makes up to ``max_calls``."""
        first = (self.call - 1) % max_calls + 1
        return first <= call < first + self.calls


Script = tuple[CallFault, ...]
NO_FAULTS: Script = ()


class Process:
    """Makes the calls of one invocation, until its deadline.

    After it was stopped, its clean-up and the calls of its other threads have no effect.
    """

    is_worker = False

    def __init__(
        self,
        name: str,
        clock: Clock,
        timeout_seconds: int,
        max_calls: int,
        script: Script,
        run_action: Callable[[Action], None],
        log: Callable[[str], None],
    ) -> None:
        self.name = name
        self.deadline = clock.now + timedelta(seconds=timeout_seconds)
        self.calls = 0
        self.is_stopped = False
        self.has_returned = False
        self.met_fault = False
        self.was_interrupted = False
        self.error: Exception | None = None
        self._clock = clock
        self._script = script
        self._max_calls = max_calls
        self._run_action = run_action
        self._log = log
        self._lock = Lock()

    @property
    def is_running(self) -> bool:
        return not self.has_returned and not self.is_stopped and self._clock.now < self.deadline

    def call(
        self,
        name: str,
        do: Callable[[], T],
        rejected: Callable[[], Exception],
        no_response: Callable[[], Exception] | None = None,
    ) -> T:
        """Make a call with an effect outside of the process, with the faults of the script."""
        with self._lock:
            self._check_alive()
            self.calls += 1
            number = self.calls
        faults = [fault for fault in self._script if fault.matches(number, self._max_calls)]
        for fault in faults:
            self._log(f"{self.name}, call {number}, {name}: {fault.fault_kind}")
            if fault.action is None:
                self.met_fault = True
            else:
                self.was_interrupted = True
                self._run_action(fault.action)
                self._check_alive()
        kinds = {fault.fault_kind for fault in faults}
        if FaultKind.KILLED_BEFORE in kinds:
            self._stop()
        if FaultKind.REJECTED in kinds:
            raise rejected()
        if FaultKind.SENT_TWICE in kinds:
            do()
        response = do()
        if FaultKind.KILLED_AFTER in kinds:
            self._stop()
        if FaultKind.NO_RESPONSE in kinds:
            raise (no_response or rejected)()
        return response

    def _check_alive(self) -> None:
        if self.is_stopped:
            raise ProcessStopped
        if self._clock.now >= self.deadline:
            self._log(f"{self.name} timed out")
            self._stop()

    def _stop(self) -> None:
        self.is_stopped = True
        raise ProcessStopped


OnResponse = Callable[[Process, Any, Any], None]


def process_client(process: Process, client: Any, on_response: OnResponse) -> Any:
    """Return a copy of ``client`` for one process. ``on_response`` gets each response of AWS."""
    copy = object.__new__(type(client))
    copy.__dict__.update(client.__dict__)
    copy._endpoint = object.__new__(type(client._endpoint))
    copy._endpoint.__dict__.update(client._endpoint.__dict__)
    session = _Session(process, client._endpoint.http_session, on_response)
    copy._endpoint.http_session = session
    make_request = copy._endpoint.make_request

    def count_attempts(*arguments: Any) -> Any:
        session.sent = 0
        response, parsed = make_request(*arguments)
        parsed["ResponseMetadata"]["RetryAttempts"] = session.sent - 1
        return response, parsed

    copy._endpoint.make_request = count_attempts
    return copy


class _Session:
    """botocore's connections. ``sent`` counts how often a request was sent."""

    def __init__(self, process: Process, session: Any, on_response: OnResponse) -> None:
        self._process = process
        self._session = session
        self._on_response = on_response
        self.sent = 0

    def send(self, request: Any) -> Any:
        def do() -> Any:
            self.sent += 1
            request.reset_stream()
            response = self._session.send(request)
            self._on_response(self._process, request, response)
            return response

        return self._process.call(
            _name_of(request),
            do,
            lambda: EndpointConnectionError(endpoint_url=request.url),
            lambda: ReadTimeoutError(endpoint_url=request.url),
        )

    def close(self) -> None:
        """Do nothing, because other processes use the same connections."""


def _name_of(request: Any) -> str:
    target = request.headers.get("X-Amz-Target")
    if target is None:
        return f"{request.method} {request.url.split('/', 3)[-1]}"
    name = target.decode() if isinstance(target, bytes) else target
    return str(name.partition(".")[2])


class Sender:
    """A process's ``PartSender``."""

    def __init__(self, process: Process, sender: PartSender) -> None:
        self._process = process
        self._sender = sender

    def put(
        self,
        target: Target,
        upload_id: str,
        number: int,
        length: int,
        open_chunks: Callable[[], Chunks],
    ) -> UploadedPart:
        return self._process.call(
            f"part {number} of {target.key}",
            lambda: self._sender.put(target, upload_id, number, length, open_chunks),
            lambda: ServiceUnavailable("S3 returned SlowDown"),
        )
