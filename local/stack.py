"""Starts and ends the embedded AWS: moto, the deployed program, its functions, queues and API."""

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
from local.faults.injector import Faults
from local.faults.plan import FaultPlan
from local.gateway.http_api import HttpApi
from local.gateway.identities import create_local_user
from local.iam.event_delivery import delivering
from local.iam.permissions import Permissions
from local.iam.services import Services
from local.names import ACCOUNT_ID
from local.runtime.event_source import EventSourceMapping
from local.runtime.execution import ExecutionEnvironment, LogSink
from local.runtime.functions import Function
from local.runtime.schedules import Schedule
from local.server import aws_client, serving, serving_aws

ROLE_SESSION_SECONDS = 43_200


@dataclass(frozen=True)
class LocalStack:
    """A running stack. ``outputs`` are the Pulumi program's, and ``awsEndpointUrl``."""

    outputs: Mapping[str, Any]
    functions: Mapping[str, Function] = field(repr=False)
    faults: Faults = field(repr=False)
    permissions: Permissions = field(repr=False)
    schedules: Sequence[Schedule] = field(repr=False)

    def client(self, service: str) -> Any:
        """A boto3 client for the embedded AWS; any credentials work."""
        return aws_client(service, self.outputs["awsEndpointUrl"], self.outputs["region"])


@contextmanager
def running_stack(
    port: int = 0,
    stack: str = "dev",
    overrides: Mapping[str, Any] | None = None,
    log: LogSink = lambda function, line: None,
    faults: FaultPlan | None = None,
) -> Iterator[LocalStack]:
    """Run the embedded AWS on loopback while the block lasts. One at a time in a process.

    ``port`` is the AWS endpoint's; the API listens on the next one. 0 picks free ones.
    ``overrides`` are settings of ``Pulumi.yaml`` by name. What ``faults`` plans begins when the
    stack is up. Raises LocalError, or what the Pulumi program raises.
    """
    config = configuration(stack, overrides or {})
    region = config["aws:region"]
    trouble, permissions = Faults(), Permissions(ACCOUNT_ID, log)
    with ExitStack() as cleanup:
        serving_all = serving_aws(trouble, port, permissions=permissions)
        endpoint_url = cleanup.enter_context(serving_all)
        cleanup.enter_context(delivering(permissions))
        create_local_user()
        api = _LateApp()
        serving_api = serving(api, port + 1 if port else 0, allows_origin=api.allows_origin)
        api_url = cleanup.enter_context(serving_api)
        provider = EmbeddedProvider(endpoint_url, region, api_url)
        outputs = run_program(provider, stack, config)
        declared = provider.declarations

        permissions.check()

        services = Services(permissions, region)
        launch = _Launch(endpoint_url, region, trouble, permissions, services)
        functions: dict[str, Function] = {}
        for name, declaration in declared.functions.items():
            functions[name] = Function(declaration, launch.environment, log, launch)
            cleanup.callback(functions[name].stop)
        with ThreadPoolExecutor(len(functions) or 1) as starting:
            list(starting.map(Function.start, functions.values()))
        if faults is not None:
            trouble.install(faults)

        sources = _sources(declared, functions, services, endpoint_url, region, trouble)
        by_api = {
            name: services.api_gateway(function, declared.execution_arn)
            for name, function in functions.items()
        }
        api.app = HttpApi(declared, by_api, region, log)
        for source in sources:
            source.start()
            cleanup.callback(source.join)
        for function in functions.values():
            cleanup.callback(function.stop)
        for source in sources:
            cleanup.callback(source.stop)
        outputs = {**outputs, "awsEndpointUrl": endpoint_url}
        schedules = [source for source in sources if isinstance(source, Schedule)]
        yield LocalStack(outputs, functions, trouble, permissions, schedules)


def _sources(
    declared: Declarations,
    functions: Mapping[str, Function],
    services: Services,
    endpoint_url: str,
    region: str,
    faults: Faults,
) -> list[EventSourceMapping | Schedule]:
    """What invokes functions by itself. Raises LocalError."""
    sqs = aws_client("sqs", endpoint_url, region, OWN_ACCESS_KEY)

    def mapping(declared: DeclaredMapping) -> EventSourceMapping:
        function = functions[declared.function_name]
        may = services.poller(function.declared, declared.queue_arn)
        return EventSourceMapping(declared, function, sqs, region, faults, may)

    def schedule(declared: DeclaredSchedule) -> Schedule:
        function = functions[declared.function_name]
        return Schedule(declared, services.event_bridge(function, declared.rule_arn))

    return [*map(mapping, declared.mappings), *map(schedule, declared.schedules)]


class _Launch:
    """Starts execution environments, each with credentials of its own, as Lambda does.

    So each request leads to the process that made it, which ``faults`` is told of, and to what that
    may.
    """

    def __init__(
        self,
        endpoint_url: str,
        region: str,
        faults: Faults,
        permissions: Permissions,
        services: Services,
    ) -> None:
        self.environment = {
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": endpoint_url,
        }
        self._sts = aws_client("sts", endpoint_url, region, OWN_ACCESS_KEY)
        self._faults = faults
        self._permissions = permissions
        self._services = services

    def __call__(
        self, declared: DeclaredFunction, environment: Mapping[str, str], log: LogSink
    ) -> ExecutionEnvironment:
        """Raises LocalError if Lambda may not assume the function's role."""
        if not self._services.may_run(declared):
            raise LocalError(f"Lambda may not assume the role of {declared.name}.")
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
        role = self._permissions.holdings.session(credentials["AccessKeyId"])
        assert role is not None
        log = self._services.log(declared, role, log)
        started = ExecutionEnvironment(declared, {**environment, **variables}, log)
        self._faults.callers[credentials["AccessKeyId"]] = started
        return started


class _LateApp:
    """A WSGI application whose address is needed before it can exist."""

    app: Any = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)

    def allows_origin(self, method: str, origin: str) -> bool:
        """Return what the application allows, and nothing before it exists."""
        return self.app is not None and bool(self.app.allows_origin(method, origin))
