"""Starts and stops the embedded AWS: moto, the deployed program, its functions, queues and API."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from local.aws_requests import OWN_ACCESS_KEY
from local.deployment.declarations import (
    Declarations,
    DeclaredFunction,
    DeclaredMapping,
    DeclaredSchedule,
)
from local.deployment.program import configuration, run_program
from local.deployment.provider import EmbeddedProvider
from local.errors import LocalError
from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from local.gateway.http_api import HttpApi
from local.gateway.identities import create_local_user
from local.iam.event_delivery import enforced_queue_policies
from local.iam.permissions import Permissions
from local.iam.service_access import ServiceAccess
from local.loopback import serving
from local.names import ACCOUNT_ID
from local.runtime.event_source import EventSourceMapping
from local.runtime.execution import ExecutionEnvironment, LogSink
from local.runtime.functions import Function
from local.runtime.schedules import Schedule
from local.server import aws_client, serving_aws

ROLE_SESSION_SECONDS = 43_200


@dataclass(frozen=True)
class LocalStack:
    """A running stack. ``outputs`` are those of the Pulumi program, and ``awsEndpointUrl``."""

    outputs: Mapping[str, Any]
    functions: Mapping[str, Function] = field(repr=False)
    faults: FaultInjector = field(repr=False)
    permissions: Permissions = field(repr=False)
    schedules: Sequence[Schedule] = field(repr=False)

    def client(self, service: str) -> Any:
        """Return a boto3 client for the embedded AWS."""
        return aws_client(service, self.outputs["awsEndpointUrl"], self.outputs["region"])


@contextmanager
def running_stack(
    port: int = 0,
    stack: str = "dev",
    overrides: Mapping[str, Any] | None = None,
    log: LogSink = lambda function, line: None,
    faults: FaultPlan | None = None,
) -> Iterator[LocalStack]:
    """Run the embedded AWS on loopback while the block runs. A process can run one at a time.

    ``port`` is the port of the AWS endpoint; the API listens on the next one. 0 picks free ports.
    ``overrides`` are settings of ``Pulumi.yaml`` by name. The plan ``faults`` is installed when the
    stack is ready. Raises LocalError, and what the Pulumi program raises.
    """
    config = configuration(stack, overrides or {})
    region = config["aws:region"]
    injector, permissions = FaultInjector(), Permissions(ACCOUNT_ID, log)
    with ExitStack() as cleanup:
        endpoint_url = cleanup.enter_context(serving_aws(injector, port, permissions=permissions))
        cleanup.enter_context(enforced_queue_policies(permissions))
        create_local_user()
        api = _DeferredApp()
        api_port = port + 1 if port else 0
        api_url = cleanup.enter_context(serving(api, api_port, allows_origin=api.allows_origin))
        provider = EmbeddedProvider(endpoint_url, region, api_url)
        outputs = run_program(provider, stack, config)
        declared = provider.declarations
        permissions.check()

        access = ServiceAccess(permissions, region)
        launcher = _Launcher(endpoint_url, region, injector, permissions, access)
        functions: dict[str, Function] = {}
        for name, declaration in declared.functions.items():
            functions[name] = Function(declaration, launcher.environment, log, launcher)
            cleanup.callback(functions[name].stop)
        with ThreadPoolExecutor(len(functions) or 1) as starting:
            list(starting.map(Function.start, functions.values()))
        if faults is not None:
            injector.install(faults)

        sqs = aws_client("sqs", endpoint_url, region, OWN_ACCESS_KEY)
        triggers = _triggers(declared, functions, access, sqs, region, injector)
        invokers = {
            name: access.api_gateway_invoker(function, declared.execution_arn)
            for name, function in functions.items()
        }
        api.app = HttpApi(declared, invokers, region, log)
        for trigger in triggers:
            trigger.start()
            cleanup.callback(trigger.join)
        for function in functions.values():
            cleanup.callback(function.stop)
        for trigger in triggers:
            cleanup.callback(trigger.stop)
        outputs = {**outputs, "awsEndpointUrl": endpoint_url}
        schedules = [trigger for trigger in triggers if isinstance(trigger, Schedule)]
        yield LocalStack(outputs, functions, injector, permissions, schedules)


def _triggers(
    declared: Declarations,
    functions: Mapping[str, Function],
    access: ServiceAccess,
    sqs: Any,
    region: str,
    faults: FaultInjector,
) -> list[EventSourceMapping | Schedule]:
    """Return the event source mappings and schedules. Raises LocalError."""

    def mapping(declared: DeclaredMapping) -> EventSourceMapping:
        function = functions[declared.function_name]
        is_allowed = access.polling_check(function.declared, declared.queue_arn)
        return EventSourceMapping(declared, function, sqs, region, faults, is_allowed)

    def schedule(declared: DeclaredSchedule) -> Schedule:
        function = functions[declared.function_name]
        return Schedule(declared, access.event_bridge_invoker(function, declared.rule_arn))

    return [*map(mapping, declared.mappings), *map(schedule, declared.schedules)]


class _Launcher:
    """Starts execution environments, each with its own credentials, as Lambda does.

    So each request identifies the process that sent it, for ``faults``, and its role.
    """

    def __init__(
        self,
        endpoint_url: str,
        region: str,
        faults: FaultInjector,
        permissions: Permissions,
        access: ServiceAccess,
    ) -> None:
        self.environment = {
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": endpoint_url,
        }
        self._sts = aws_client("sts", endpoint_url, region, OWN_ACCESS_KEY)
        self._faults = faults
        self._permissions = permissions
        self._access = access

    def __call__(
        self, declared: DeclaredFunction, environment: Mapping[str, str], log: LogSink
    ) -> ExecutionEnvironment:
        """Start an environment. Raises LocalError if Lambda may not assume the function's role."""
        if not self._access.can_assume_role(declared):
            raise LocalError(f"Lambda is not allowed to assume the role of {declared.name}.")
        credentials = self._sts.assume_role(
            RoleArn=declared.role_arn,
            RoleSessionName=declared.name[:64],
            DurationSeconds=ROLE_SESSION_SECONDS,
        )["Credentials"]
        variables = {
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
        }
        role = self._permissions.policy_store.session(credentials["AccessKeyId"])
        assert role is not None
        log = self._access.log_writer(declared, role, log)
        started = ExecutionEnvironment(declared, {**environment, **variables}, log)
        self._faults.processes[credentials["AccessKeyId"]] = started
        return started


class _DeferredApp:
    """A WSGI application that is set after its server has started, because it needs the URL."""

    app: Any = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)

    def allows_origin(self, method: str, origin: str) -> bool:
        return self.app is not None and bool(self.app.allows_origin(method, origin))
