"""Runs what is declared: the functions, what invokes them, and the API."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import RLock
from typing import Any, Protocol, TypeVar

from local.deployment.declarations import Declarations, DeclaredMapping, DeclaredSchedule
from local.faults.injector import FaultInjector
from local.gateway.http_api import HttpApi
from local.iam.service_access import ServiceAccess
from local.runtime.event_source import EventSourceMapping, ScaleOut
from local.runtime.execution import LogSink
from local.runtime.functions import Function, Launch
from local.runtime.schedules import Schedule

Declared = TypeVar("Declared")


class Trigger(Protocol):
    """Invokes a function on a thread of its own."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def join(self) -> None: ...


class Services:
    """Lambda, EventBridge's schedules and API Gateway, for one stack.

    With ``scales_out``, queues start functions like those of AWS: see ``ScaleOut``.
    ``functions`` and ``schedules`` are those that run, by name and by target ID. ``api`` is the
    WSGI application of the API, if one is declared.
    """

    def __init__(
        self,
        launch: Launch,
        access: ServiceAccess,
        sqs: Any,
        region: str,
        faults: FaultInjector,
        log: LogSink,
        *,
        scales_out: bool = False,
    ) -> None:
        self._launch = launch
        self._access = access
        self._sqs = sqs
        self._region = region
        self._faults = faults
        self._log = log
        self._scales_out = scales_out
        self._lock = RLock()
        self.functions: dict[str, Function] = {}
        self.schedules: dict[str, Schedule] = {}
        self._mappings: dict[str, EventSourceMapping] = {}
        self._started: dict[str, object] = {}
        """The declaration of each running trigger, by ID."""
        self.api: HttpApi | None = None

    def apply(self, declared: Declarations) -> None:
        """Start what is new, restart what changed and stop what is gone. Raises LocalError.

        Running invocations end as they began.
        """
        with self._lock:
            declared = declared.snapshot()  # Pulumi changes resources in parallel
            self._apply_functions(declared)
            self._apply_triggers(self._mappings, declared.mappings, self._mapping)
            self._apply_triggers(self.schedules, declared.schedules, self._schedule)
            self.api = self._http_api(declared)

    def warm_up(self) -> None:
        """Start an environment of each function. Raises LocalError for one that cannot start."""
        with ThreadPoolExecutor(len(self.functions) or 1) as starting:
            list(starting.map(Function.start, self.functions.values()))

    def stop(self) -> None:
        """Stop everything. Running invocations are killed."""
        triggers: list[Trigger] = [*self._mappings.values(), *self.schedules.values()]
        for trigger in triggers:
            trigger.stop()
        for function in self.functions.values():
            function.stop()
        for trigger in triggers:
            trigger.join()

    def _apply_functions(self, declared: Declarations) -> None:
        for name in self.functions.keys() - declared.functions.keys():
            self.functions.pop(name).stop()
        for name, declaration in declared.functions.items():
            if name not in self.functions:
                self.functions[name] = Function(declaration, self._log, self._launch)
            elif self.functions[name].declared != declaration:
                self.functions[name].update(declaration)

    def _apply_triggers(
        self,
        running: dict[str, Any],
        declared: Mapping[str, Declared],
        make: Callable[[Declared], Trigger],
    ) -> None:
        for trigger_id in _changed(running, declared, self._started):
            running.pop(trigger_id).stop()
            del self._started[trigger_id]
        for trigger_id, declaration in declared.items():
            if trigger_id not in running:
                running[trigger_id] = trigger = make(declaration)
                self._started[trigger_id] = declaration
                trigger.start()

    def _mapping(self, declared: DeclaredMapping) -> EventSourceMapping:
        function = self.functions[declared.function_name]
        is_allowed = self._access.polling_check(function.declared, declared.queue_arn)
        is_limited = self._scales_out and not declared.is_provisioned
        scale_out = ScaleOut() if is_limited else None
        return EventSourceMapping(
            declared, function, self._sqs, self._region, self._faults, is_allowed, scale_out
        )

    def _schedule(self, declared: DeclaredSchedule) -> Schedule:
        function = self.functions[declared.function_name]
        return Schedule(declared, self._access.event_bridge_invoker(function, declared.rule_arn))

    def _http_api(self, declared: Declarations) -> HttpApi:
        invokers = {
            name: self._access.api_gateway_invoker(function, declared.execution_arn)
            for name, function in self.functions.items()
        }
        return HttpApi(declared, invokers, self._region, self._log)


def _changed(
    running: Mapping[str, object], declared: Mapping[str, object], started: Mapping[str, object]
) -> Iterable[str]:
    return [each for each in running if declared.get(each) != started[each]]
