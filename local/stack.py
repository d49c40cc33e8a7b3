"""Starts and stops the embedded AWS: moto, the deployed program, its functions, queues and API."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.functions.runtime import PACKAGE_ZIP
from local.aws_requests import OWN_ACCESS_KEY
from local.deployment.declarations import ROOT, DeclaredFunction
from local.deployment.engine import Engine, stack_config
from local.deployment.mocks import EmbeddedProvider
from local.deployment.packages import Packages
from local.deployment.program import configuration, project, run_program
from local.deployment.provider import Provider, serving_provider
from local.deployment.resources import Resources, source_tree
from local.errors import LocalError
from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from local.gateway.events import gateway_message
from local.gateway.identities import create_local_user
from local.iam.event_delivery import enforced_queue_policies
from local.iam.permissions import Permissions
from local.iam.service_access import ServiceAccess
from local.loopback import serving
from local.names import ACCOUNT_ID
from local.runtime.execution import ExecutionEnvironment, LogSink
from local.runtime.functions import Function
from local.runtime.schedules import Schedule
from local.runtime.services import Services
from local.server import aws_client, serving_aws

ROLE_SESSION_SECONDS = 43_200


@dataclass(frozen=True)
class LocalStack:
    """A running stack. ``outputs`` are those of the Pulumi program, and ``awsEndpointUrl``."""

    outputs: Mapping[str, Any]
    functions: Mapping[str, Function] = field(repr=False)
    faults: FaultInjector = field(repr=False)
    permissions: Permissions = field(repr=False)
    schedules: Mapping[str, Schedule] = field(repr=False)

    def client(self, service: str) -> Any:
        """Return a boto3 client for the embedded AWS."""
        return aws_client(service, self.outputs["awsEndpointUrl"], self.outputs["region"])


@dataclass(frozen=True)
class EmbeddedAws:
    """The embedded AWS in one region. ``apply`` runs what is declared by its ``resources``."""

    endpoint_url: str
    region: str
    resources: Resources
    services: Services
    faults: FaultInjector
    permissions: Permissions

    def client(self, service: str) -> Any:
        """Return a boto3 client for the embedded AWS."""
        return aws_client(service, self.endpoint_url, self.region)

    def apply(self) -> None:
        """Run what is declared now. Raises LocalError."""
        self.services.apply(self.resources.declarations)

    def stack(self, outputs: Mapping[str, Any]) -> LocalStack:
        """Return the stack with these outputs of the program."""
        return LocalStack(
            {**outputs, "awsEndpointUrl": self.endpoint_url},
            self.services.functions,
            self.faults,
            self.permissions,
            self.services.schedules,
        )


@contextmanager
def running_aws(
    region: str,
    port: int = 0,
    log: LogSink = lambda function, line: None,
    code_folder: Callable[[Any], Path] = source_tree,
    *,
    scales_out: bool = False,
) -> Iterator[EmbeddedAws]:
    """Run an empty AWS on loopback while the block runs. A process can run one at a time.

    ``port`` is the port of the AWS endpoint; the API listens on the next one. 0 picks free ports.
    ``code_folder`` returns the folder with the code of a function's archive. With ``scales_out``,
    queues start functions as slowly as on AWS. Raises LocalError.
    """
    injector, permissions = FaultInjector(), Permissions(ACCOUNT_ID, log)
    with ExitStack() as cleanup:
        url = cleanup.enter_context(serving_aws(injector, port, permissions=permissions))
        cleanup.enter_context(enforced_queue_policies(permissions))
        create_local_user()
        access = ServiceAccess(permissions, region)
        launcher = _Launcher(url, region, injector, permissions, access)
        sqs = aws_client("sqs", url, region, OWN_ACCESS_KEY)
        services = Services(launcher, access, sqs, region, injector, log, scales_out=scales_out)
        api = _Api(services)
        api_port = port + 1 if port else 0
        api_url = cleanup.enter_context(serving(api, api_port, allows_origin=api.allows_origin))
        cleanup.callback(services.stop)
        resources = Resources(url, region, api_url, code_folder)
        yield EmbeddedAws(url, region, resources, services, injector, permissions)


@contextmanager
def running_stack(
    port: int = 0,
    stack: str = "dev",
    overrides: Mapping[str, Any] | None = None,
    log: LogSink = lambda function, line: None,
    faults: FaultPlan | None = None,
    *,
    scales_out: bool = False,
) -> Iterator[LocalStack]:
    """Deploy the program to the embedded AWS, and run it while the block runs.

    ``overrides`` are settings of ``Pulumi.yaml`` by name. The plan ``faults`` is installed when the
    stack is ready. Raises LocalError, and what the Pulumi program raises.
    """
    config = configuration(stack, overrides or {})
    with running_aws(config["aws:region"], port, log, scales_out=scales_out) as aws:
        outputs = run_program(EmbeddedProvider(aws.resources), stack, config)
        aws.permissions.check()
        aws.apply()
        aws.services.warm_up()
        if faults is not None:
            aws.faults.install(faults)
        yield aws.stack(outputs)


@contextmanager
def running_pulumi_stack(
    port: int = 0,
    overrides: Mapping[str, str] | None = None,
    log: LogSink = lambda function, line: None,
    *,
    scales_out: bool = False,
) -> Iterator[tuple[LocalStack, Engine]]:
    """Deploy the program with ``pulumi up``, and run it while the block runs.

    ``overrides`` are settings of ``Pulumi.yaml`` as text, by name. The engine's output goes to
    stderr. Raises LocalError.
    """
    if not PACKAGE_ZIP.exists():
        raise LocalError(f"{PACKAGE_ZIP} does not exist. Run `make build`.")
    config = stack_config("dev", overrides or {})
    region = config.get("aws:region", project()["config"]["aws:region"]["value"])
    packages = Packages()
    with ExitStack() as cleanup:
        state = Path(cleanup.enter_context(TemporaryDirectory(prefix="pulumi-")))
        aws = cleanup.enter_context(
            running_aws(region, port, log, packages.folder, scales_out=scales_out)
        )
        provider = Provider(aws.resources, region, aws.apply)
        engine = Engine(ROOT, state, cleanup.enter_context(serving_provider(provider)))
        cleanup.callback(engine.config_file.unlink, missing_ok=True)
        engine.create_stack(config)
        engine.show("up", "--yes", "--skip-preview")
        aws.permissions.check()
        aws.services.warm_up()
        yield aws.stack(engine.outputs()), engine


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
        self._environment = {
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": endpoint_url,
        }
        self._sts = aws_client("sts", endpoint_url, region, OWN_ACCESS_KEY)
        self._faults = faults
        self._permissions = permissions
        self._access = access

    def __call__(self, declared: DeclaredFunction, log: LogSink) -> ExecutionEnvironment:
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
        started = ExecutionEnvironment(declared, {**self._environment, **variables}, log)
        self._faults.processes[credentials["AccessKeyId"]] = started
        return started


class _Api:
    """The WSGI application of the API that is deployed now."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def __call__(self, environ: Any, start_response: Any) -> Any:
        api = self._services.api or gateway_message(404, "Not Found")
        return api(environ, start_response)

    def allows_origin(self, method: str, origin: str) -> bool:
        api = self._services.api
        return api is not None and api.allows_origin(method, origin)
