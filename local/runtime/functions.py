"""Lambda functions. Each keeps warm as many execution environments as invocations overlap."""

import threading
from collections.abc import Callable
from typing import Any, Protocol

from local.deployment.declarations import DeclaredFunction
from local.runtime.execution import ExecutionEnvironment, InvocationFailed, LogSink

Launch = Callable[[DeclaredFunction, LogSink], ExecutionEnvironment]


class Invocable(Protocol):
    """A function, or an object that invokes one."""

    def invoke(self, event: object) -> Any:
        """Run the handler on ``event``. Return its response. Raises InvocationFailed."""


class Function:
    """A declared function. Thread-safe. ``launch`` starts its execution environments."""

    def __init__(
        self,
        declared: DeclaredFunction,
        log: LogSink,
        launch: Launch,
    ) -> None:
        self.declared = declared
        self._log = log
        self._launch = launch
        self._idle: list[ExecutionEnvironment] = []
        self._all: set[ExecutionEnvironment] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def start(self) -> None:
        """Start one environment. Raises LocalError if the handler cannot be loaded."""
        environment = self._new_environment()
        environment.wait_until_ready()
        with self._lock:
            self._idle.append(environment)

    def invoke(self, event: object) -> Any:
        """Run the handler on ``event``. Return its response. Raises InvocationFailed."""
        with self._lock:
            environment = self._take_idle()
        environment = environment or self._new_environment()
        try:
            return environment.invoke(event)
        finally:
            with self._lock:
                keep = environment.is_alive and not self._stopped and self._is_current(environment)
                if keep:
                    self._idle.append(environment)
                else:
                    self._all.discard(environment)
            if not keep:
                environment.stop()

    def _take_idle(self) -> ExecutionEnvironment | None:
        while self._idle:
            environment = self._idle.pop()
            if environment.is_alive:
                return environment
            self._all.discard(environment)
        return None

    def _is_current(self, environment: ExecutionEnvironment) -> bool:
        return environment.declared is self.declared

    def update(self, declared: DeclaredFunction) -> None:
        """Use this declaration for the next invocations. Running ones end with the old one."""
        with self._lock:
            self.declared = declared
            idle, self._idle = self._idle, []
            self._all.difference_update(idle)
        for environment in idle:
            environment.stop()

    def stop(self) -> None:
        """Kill every process of this function."""
        with self._lock:
            self._stopped = True
            environments = list(self._all)
        for environment in environments:
            environment.stop()

    def _new_environment(self) -> ExecutionEnvironment:
        with self._lock:
            if self._stopped:
                raise InvocationFailed("The function has been stopped")
            environment = self._launch(self.declared, self._log)
            self._all.add(environment)
            return environment
