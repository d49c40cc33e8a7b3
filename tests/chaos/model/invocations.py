"""One invocation of a function. Each of its calls to AWS can fail or be its last."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock
from typing import Any, Protocol, TypeVar

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from zipjobs.errors import ServiceUnavailable
from zipjobs.s3.part_upload import Chunks, PartSender, Sent

T = TypeVar("T")


class Clock:
    """The time of everything but moto."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class ProcessStopped(BaseException):
    """The process does not exist any more."""


class FaultKind(StrEnum):
    """What befalls a call. The SDK has tried again by the time that one is refused."""

    DIES_BEFORE = "dies before"
    DIES_AFTER = "dies after"
    REFUSED = "refused"
    UNANSWERED = "has its effect, unanswered"
    SENT_TWICE = "has its effect twice, for its first answer was lost"
    MEANWHILE = "meanwhile"


class Action(Protocol):
    """Something that happens to a simulation."""

    def happen(self, simulation: Any) -> None: ...


@dataclass(frozen=True)
class CallFault:
    """What befalls the ``call``-th call of a process, from 1, and as many as there are ``calls``.

    A process that makes fewer calls is counted through again.
    """

    call: int
    fault_kind: FaultKind
    calls: int = 1
    happening: Action | None = None

    def strikes(self, call: int, most_calls: int) -> bool:
        """Whether it is that call's, of a process that makes so many at the most."""
        first = (self.call - 1) % most_calls + 1
        return first <= call < first + self.calls


Script = tuple[CallFault, ...]
NO_FAULTS: Script = ()


class Process:
    """Makes the calls of one invocation, which ends at its deadline; it cannot outlive that.

    Nothing that it does once it is gone has an effect, neither its cleaning up nor what other
    threads of it were about to send.
    """

    is_worker = False

    def __init__(
        self,
        name: str,
        clock: Clock,
        timeout_seconds: int,
        most_calls: int,
        script: Script,
        happen: Callable[[Action], None],
        tell: Callable[[str], None],
    ) -> None:
        self.name = name
        self.deadline = clock.now + timedelta(seconds=timeout_seconds)
        self.calls = 0
        self.is_gone = False
        self.is_over = False
        self.met_fault = False
        self.was_interrupted = False
        self.error: Exception | None = None
        self._clock = clock
        self._script = script
        self._most_calls = most_calls
        self._happen = happen
        self._tell = tell
        self._lock = Lock()

    @property
    def is_running(self) -> bool:
        return not self.is_over and not self.is_gone and self._clock.now < self.deadline

    def call(
        self,
        what: str,
        do: Callable[[], T],
        refused: Callable[[], Exception],
        unanswered: Callable[[], Exception] | None = None,
    ) -> T:
        """Do what has an effect outside of the process, unless the script has it otherwise."""
        with self._lock:
            self._live_on()
            self.calls += 1
            number = self.calls
        troubles = [
            trouble for trouble in self._script if trouble.strikes(number, self._most_calls)
        ]
        for trouble in troubles:
            self._tell(f"{self.name}, call {number}, {what}: {trouble.fault_kind}")
            if trouble.happening is None:
                self.met_fault = True
            else:
                self.was_interrupted = True
                self._happen(trouble.happening)
                self._live_on()
        kinds = {trouble.fault_kind for trouble in troubles}
        if FaultKind.DIES_BEFORE in kinds:
            self._die()
        if FaultKind.REFUSED in kinds:
            raise refused()
        if FaultKind.SENT_TWICE in kinds:
            do()
        done = do()
        if FaultKind.DIES_AFTER in kinds:
            self._die()
        if FaultKind.UNANSWERED in kinds:
            raise (unanswered or refused)()
        return done

    def _live_on(self) -> None:
        if self.is_gone:
            raise ProcessStopped
        if self._clock.now >= self.deadline:
            self._tell(f"{self.name} is stopped by its timeout")
            self._die()

    def _die(self) -> None:
        self.is_gone = True
        raise ProcessStopped


def client_of(process: Process, client: Any, on_answer: Callable[[Process, Any, Any], None]) -> Any:
    """``client`` for the use of one process. ``on_answer`` is told of all that AWS has done."""
    mine = object.__new__(type(client))
    mine.__dict__.update(client.__dict__)
    mine._endpoint = object.__new__(type(client._endpoint))
    mine._endpoint.__dict__.update(client._endpoint.__dict__)
    session = _Session(process, client._endpoint.http_session, on_answer)
    mine._endpoint.http_session = session
    make_request = mine._endpoint.make_request

    def say_how_often(*arguments: Any) -> Any:
        session.sent = 0
        answer, parsed = make_request(*arguments)
        parsed["ResponseMetadata"]["RetryAttempts"] = session.sent - 1
        return answer, parsed

    mine._endpoint.make_request = say_how_often
    return mine


class _Session:
    """botocore's connections. A request was ``sent`` so many times."""

    def __init__(
        self, process: Process, session: Any, on_answer: Callable[[Process, Any, Any], None]
    ) -> None:
        self._process = process
        self._session = session
        self._on_answer = on_answer
        self.sent = 0

    def send(self, request: Any) -> Any:
        def do() -> Any:
            self.sent += 1
            request.reset_stream()
            answer = self._session.send(request)
            self._on_answer(self._process, request, answer)
            return answer

        return self._process.call(
            _name_of(request),
            do,
            lambda: EndpointConnectionError(endpoint_url=request.url),
            lambda: ReadTimeoutError(endpoint_url=request.url),
        )

    def close(self) -> None:
        """The connections are everybody's."""


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
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        length: int,
        open_chunks: Callable[[], Chunks],
    ) -> Sent:
        return self._process.call(
            f"part {number} of {key}",
            lambda: self._sender.put(bucket, key, upload_id, number, length, open_chunks),
            lambda: ServiceUnavailable("S3 answered SlowDown"),
        )
