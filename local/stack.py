"""Starts and ends the embedded AWS: moto, the deployed program, its functions, queues and API."""

import logging
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from local.declarations import DeclaredFunction
from local.deploy import configuration, run_program
from local.errors import LocalError
from local.event_source import EventSourceMapping
from local.execution import LogSink
from local.functions import Function
from local.http_api import HttpApi
from local.moto_gaps import close_gaps
from local.provider import EmbeddedProvider

LOOPBACK = "127.0.0.1"
ROLE_SESSION_SECONDS = 43_200

SERVICES: tuple[Any, ...] = (
    *("apigateway", "apigatewayv2", "awslambda", "dynamodb", "events"),
    *("iam", "logs", "s3", "sqs", "sts"),
)
"""What a stack asks of moto. Made before it serves: werkzeug compiles routes by way of ``ast``,
which fails in CPython 3.11 when two threads parse at a time."""


@dataclass(frozen=True)
class LocalStack:
    """A running stack. ``outputs`` are the Pulumi program's, and ``awsEndpointUrl``."""

    outputs: Mapping[str, Any]
    functions: Mapping[str, Function] = field(repr=False)

    def client(self, service: str) -> Any:
        """A boto3 client for the embedded AWS; any credentials work."""
        return _client(service, self.outputs["awsEndpointUrl"], self.outputs["region"])


@contextmanager
def running_stack(
    port: int = 0,
    stack: str = "dev",
    overrides: Mapping[str, Any] | None = None,
    log: LogSink = lambda function, line: None,
) -> Iterator[LocalStack]:
    """Run the embedded AWS on loopback while the block lasts. One at a time in a process.

    ``port`` is the AWS endpoint's; the API listens on the next one. 0 picks free ones.
    ``overrides`` are settings of ``Pulumi.yaml`` by name. Raises LocalError, or what the Pulumi
    program raises.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    close_gaps()
    config = configuration(stack, overrides or {})
    region = config["aws:region"]
    with ExitStack() as cleanup:
        aws = DomainDispatcherApplication(create_backend_app)
        for service in SERVICES:
            aws.app_instances[service] = create_backend_app(service)
        endpoint_url = cleanup.enter_context(_serving(aws, port, MotoRequestHandler))
        api = _LateApp()
        api_url = cleanup.enter_context(_serving(api, port + 1 if port else 0, WSGIRequestHandler))
        provider = EmbeddedProvider(endpoint_url, region, api_url)
        outputs = run_program(provider, stack, config)
        declared = provider.declarations

        functions: dict[str, Function] = {}
        for name, declaration in declared.functions.items():
            environment = _role_environment(declaration, endpoint_url, region)
            functions[name] = Function(declaration, environment, log)
            cleanup.callback(functions[name].stop)
        with ThreadPoolExecutor(len(functions) or 1) as starting:
            list(starting.map(Function.start, functions.values()))

        mappings = [
            EventSourceMapping(
                mapping,
                functions[mapping.function_name],
                _client("sqs", endpoint_url, region),
                region,
            )
            for mapping in declared.mappings
        ]
        api.app = HttpApi(declared, functions)
        for mapping in mappings:
            mapping.start()
            cleanup.callback(mapping.join)
        for function in functions.values():
            cleanup.callback(function.stop)
        for mapping in mappings:
            cleanup.callback(mapping.stop)
        yield LocalStack({**outputs, "awsEndpointUrl": endpoint_url}, functions)


@contextmanager
def _serving(app: Any, port: int, handler: type[WSGIRequestHandler]) -> Iterator[str]:
    """Serve a WSGI application on loopback; yields its URL."""
    try:
        server: BaseWSGIServer = make_server(
            LOOPBACK, port, app, threaded=True, request_handler=handler
        )
    except (OSError, SystemExit) as error:
        raise LocalError(f"Port {port} on {LOOPBACK} is taken. Choose another.") from error
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _LateApp:
    """A WSGI application whose address is needed before it can exist."""

    app: Any = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


def _client(service: str, endpoint_url: str, region: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106  (moto takes any)
    )


def _role_environment(function: DeclaredFunction, endpoint_url: str, region: str) -> dict[str, str]:
    """The credentials of the function's own role, as Lambda puts them into its environment."""
    credentials = _client("sts", endpoint_url, region).assume_role(
        RoleArn=function.role_arn,
        RoleSessionName=function.name[:64],
        DurationSeconds=ROLE_SESSION_SECONDS,
    )["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": endpoint_url,
    }
