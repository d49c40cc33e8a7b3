"""A Lambda execution environment: a process under AWS's own runtime interface client.

It serves one invocation at a time through its own Runtime API ("Using the Lambda runtime API" in
the Lambda Developer Guide). The declared timeout and memory are enforced.
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from local.deployment.declarations import DeclaredFunction
from local.errors import LocalError
from local.loopback import serving
from local.runtime.memory import MemoryWatch

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

INIT_SECONDS = 60.0
MIB = 1024 * 1024
INHERITED_VARIABLES = ("PATH", "LD_LIBRARY_PATH")

LogSink = Callable[[str, str], None]
"""Takes a function's name and a line of its log."""


class InvocationFailed(Exception):
    """The function raised, exited or timed out. The message is Lambda's."""


@dataclass
class _Invocation:
    request_id: str
    event: bytes
    deadline: float
    done: threading.Event
    result: bytes | None = None
    error: str | None = None


class ExecutionEnvironment:
    """A process of a function, and the Runtime API that it polls. ``declared`` is the function."""

    def __init__(
        self, declared: DeclaredFunction, environment: Mapping[str, str], log: LogSink
    ) -> None:
        self.declared = declared
        self._log = log
        self._next: queue.SimpleQueue[_Invocation | None] = queue.SimpleQueue()
        self._current: _Invocation | None = None
        self._ready = threading.Event()
        self._init_error: str | None = None
        self._started = time.monotonic()
        self._init_seconds: float | None = None
        self._cleanup = ExitStack()
        url = self._cleanup.enter_context(serving(runtime_api(self), 0))
        self._process = subprocess.Popen(  # noqa: S603  (our own handlers)
            [sys.executable, "-m", "awslambdaric", declared.handler],
            cwd=declared.code,
            env={
                **_process_environment(declared),
                **environment,
                **declared.environment,
                "AWS_LAMBDA_RUNTIME_API": urlsplit(url).netloc,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C must not reach the functions: we stop them
        )
        threading.Thread(target=self._forward_log, daemon=True).start()
        threading.Thread(target=self._watch_process, daemon=True).start()

    @property
    def name(self) -> str:
        """The function's short name."""
        return self.declared.short_name

    @property
    def invocation_id(self) -> str | None:
        """The request ID of the running invocation."""
        current = self._current
        return current.request_id if current else None

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Wait until the handler is loaded. Raises LocalError if it cannot be loaded."""
        self._ready.wait(INIT_SECONDS)
        if self._init_seconds is None:
            reason = self._init_error or "it was not ready in time"
            self.stop()
            raise LocalError(
                f"Function {self.declared.name} cannot start its handler "
                f"{self.declared.handler}: {reason}"
            )

    def invoke(self, event: object) -> Any:
        """Run one invocation. Raises InvocationFailed."""
        self._ready.wait(INIT_SECONDS)
        if self._init_seconds is None:
            raise InvocationFailed(self._init_error or "The function did not start")
        timeout = self.declared.timeout_seconds
        invocation = _Invocation(
            request_id=str(uuid.uuid4()),
            event=json.dumps(event).encode(),
            deadline=time.time() + timeout,
            done=threading.Event(),
        )
        self._current = invocation
        started = time.monotonic()
        self._log(self.declared.name, f"START RequestId: {invocation.request_id} Version: $LATEST")
        memory = MemoryWatch(self._process, self.declared.memory_mb * MIB)
        if self.is_alive:
            self._next.put(invocation)
        else:
            invocation.error = "Runtime.ExitError: the process exited while it was idle"
            invocation.done.set()
        if not invocation.done.wait(timeout):
            self.time_out()
            self._process.wait()
        peak = memory.stop()
        if memory.exceeded:
            invocation.error = "Runtime.OutOfMemory: the function exceeded its memory limit"
        self._report(invocation.request_id, time.monotonic() - started, peak)
        self._current = None
        if invocation.error is not None or invocation.result is None:
            error = invocation.error or "no response"
            self._log(self.declared.name, f"{invocation.request_id} {error}")
            raise InvocationFailed(error)
        return json.loads(invocation.result)

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def time_out(self) -> None:
        """End the running invocation as timed out."""
        if current := self._current:
            current.error = f"Task timed out after {self.declared.timeout_seconds:.2f} seconds"
        self._process.kill()

    def stop(self) -> None:
        self._next.put(None)
        self._process.kill()
        self._process.wait()
        self._cleanup.close()

    # Called by the Runtime API.

    def next_invocation(self) -> _Invocation | None:
        if self._init_seconds is None:
            self._init_seconds = time.monotonic() - self._started
            self._ready.set()
        return self._next.get()

    def complete(self, request_id: str, body: bytes) -> None:
        if self._current and self._current.request_id == request_id:
            self._current.result = body
            self._current.done.set()

    def fail(self, request_id: str, body: bytes) -> None:
        if self._current and self._current.request_id == request_id:
            self._current.error = _describe_error(body)
            self._current.done.set()

    def fail_init(self, body: bytes) -> None:
        self._init_error = _describe_error(body)
        self._ready.set()

    # Process monitoring.

    def _forward_log(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._log(self.declared.name, line.decode(errors="replace").rstrip("\r\n"))

    def _watch_process(self) -> None:
        status = self._process.wait()
        reason = f"signal {-status}" if status < 0 else f"exit status {status}"
        self._init_error = self._init_error or f"Runtime.ExitError: {reason}"
        self._ready.set()
        if current := self._current:
            current.error = current.error or f"Runtime.ExitError: {reason}"
            current.done.set()

    def _report(self, request_id: str, seconds: float, peak_bytes: int) -> None:
        """Log the END and REPORT lines, as Lambda does."""
        name = self.declared.name
        milliseconds = seconds * 1000
        init = ""
        if self._init_seconds:
            init = f"\tInit Duration: {self._init_seconds * 1000:.2f} ms"
            self._init_seconds = 0.0
        self._log(name, f"END RequestId: {request_id}")
        self._log(
            name,
            f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
            f"Billed Duration: {int(milliseconds) + 1} ms\t"
            f"Memory Size: {self.declared.memory_mb} MB\t"
            f"Max Memory Used: {peak_bytes // MIB} MB{init}",
        )


def runtime_api(environment: ExecutionEnvironment) -> "WSGIApplication":
    """Return the Runtime API (version 2018-06-01) of ``environment``."""

    @Request.application
    def respond(request: Request) -> Response:
        if request.method == "GET":
            invocation = environment.next_invocation()
            if invocation is None:
                return Response(status=410)
            headers = {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:local",
            }
            return Response(invocation.event, headers=headers, content_type="application/json")
        body = request.get_data()
        *_, request_id, outcome = request.path.split("/")
        if outcome == "response":
            environment.complete(request_id, body)
        elif request_id == "init":
            environment.fail_init(body)
        else:
            environment.fail(request_id, body)
        return Response(status=202)

    return respond


def _process_environment(declared: DeclaredFunction) -> dict[str, str]:
    """Return Lambda's reserved variables, and the few of our own that a process needs."""
    inherited = {name: value for name in INHERITED_VARIABLES if (value := os.environ.get(name))}
    return {
        **inherited,
        "PYTHONPATH": str(declared.code),
        "PYTHONUNBUFFERED": "1",
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
        "LAMBDA_TASK_ROOT": str(declared.code),
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_FUNCTION_NAME": declared.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(declared.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": declared.log_group,
        "AWS_LAMBDA_LOG_FORMAT": declared.log_format,
        "_HANDLER": declared.handler,
    }


def _describe_error(body: bytes) -> str:
    try:
        error = json.loads(body)
        return f"{error['errorType']}: {error['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace") or "no error message"
