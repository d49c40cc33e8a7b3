"""Worker processes: each runs one function, and a fault can kill it."""

import itertools
import multiprocessing
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, cast

from local.aws_requests import AwsRequest
from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from local.faults.rules import RequestFault
from tests.chaos.crashes.function_process import serve
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from local.runtime.execution import ExecutionEnvironment

REGION = "us-east-1"

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(["tests.chaos.crashes.preload"])
_processes = threading.Lock()
_numbers = itertools.count()


class WorkerKilled(Exception):
    """The process was killed before it sent a response."""


@dataclass(frozen=True)
class Call:
    """A request of a function."""

    function: str
    service: str
    operation: str

    def __str__(self) -> str:
        return f"{self.service} {self.operation} by {self.function}"


class RecordingFaultInjector(FaultInjector):
    """A fault injector that records the ``calls`` of all functions, and the ``struck`` ones."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.struck: list[Call] = []

    def install(self, plan: FaultPlan) -> None:
        super().install(plan)
        self.struck.clear()

    def fault_for(
        self, request: AwsRequest, process: "ExecutionEnvironment | None"
    ) -> RequestFault | None:
        fault = super().fault_for(request, process)
        if process is not None:
            call = Call(process.name, request.service, request.operation)
            self.calls.append(call)
            if fault is not None:
                self.struck.append(call)
        return fault


class Worker:
    """One process of a function. Its credentials identify it to the fault injector."""

    invocation_id = None

    def __init__(
        self, function: str, environment: Mapping[str, str], faults: FaultInjector
    ) -> None:
        self.name = function
        self._faults = faults
        self._access_key = f"WORKER{next(_numbers)}"
        self._pipe, child_pipe = _forking.Pipe()
        credentials = {"AWS_ACCESS_KEY_ID": self._access_key, "AWS_SECRET_ACCESS_KEY": "secret"}
        self._process = _forking.Process(
            target=serve, args=(child_pipe, function, {**environment, **credentials}), daemon=True
        )
        with _processes:
            self._process.start()
        child_pipe.close()
        faults.processes[self._access_key] = cast("ExecutionEnvironment", self)

    def invoke(self, event: object) -> tuple[Any, list[str]]:
        """Return the handler's response and its log lines. Raises WorkerKilled."""
        try:
            self._pipe.send(event)
            assert self._pipe.poll(WAIT_SECONDS), f"{self.name} does not respond"
            response: tuple[Any, list[str]] = self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as end:
            wait([self._process.sentinel])
            self.stop()
            code = self._process.exitcode
            assert code == -signal.SIGKILL, f"{self.name} exited with {code}, expected SIGKILL"
            raise WorkerKilled from end
        return response

    def kill(self) -> None:
        """Kill the process and wait for it."""
        self._process.kill()
        wait([self._process.sentinel])

    time_out = kill

    def stop(self) -> None:
        """Kill the process and release its resources."""
        self._faults.processes.pop(self._access_key, None)
        self.kill()
        with _processes:
            self._process.join()
        self._pipe.close()


class WorkerPool:
    """A process of each function, and a spare one to replace it."""

    def __init__(self, environment: Mapping[str, str], faults: FaultInjector) -> None:
        self._environment = {**environment, "AWS_DEFAULT_REGION": REGION}
        self._faults = faults
        self._workers: dict[str, list[Worker]] = {}

    def start(self, function: str) -> None:
        """Start the processes of a function if they are not running."""
        workers = self._workers.setdefault(function, [])
        while len(workers) < 2:
            workers.append(Worker(function, self._environment, self._faults))

    def invoke(self, function: str, event: object) -> tuple[Any, list[str]]:
        """Invoke a function. Raises WorkerKilled; the next invocation uses another process."""
        self.start(function)
        try:
            return self._workers[function][0].invoke(event)
        except WorkerKilled:
            del self._workers[function][0]
            raise

    def stop(self) -> None:
        for workers in self._workers.values():
            for worker in workers:
                worker.stop()
