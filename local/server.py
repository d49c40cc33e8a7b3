"""Serves moto on loopback as AWS: its gaps closed, and failing where it is told to."""

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from local.errors import LocalError
from local.faults.injector import Faults
from local.faults.middleware import FaultyAws
from local.foreign_requests import AllowsOrigin, LocalRequestsOnly, no_foreign_origin
from local.iam.enforcement import GuardedAws
from local.iam.permissions import Permissions
from local.moto_gaps import close_gaps

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOOPBACK = "127.0.0.1"

SERVICES: tuple[Any, ...] = (
    *("apigateway", "apigatewayv2", "awslambda", "dynamodb", "events"),
    *("cloudwatch", "iam", "kms", "logs", "s3", "sns", "sqs", "sts"),
)
"""What a stack asks of moto. Made before it serves: werkzeug compiles routes by way of ``ast``,
which fails in CPython 3.11 when two threads parse at a time."""


@contextmanager
def serving_aws(
    faults: Faults,
    port: int = 0,
    services: tuple[Any, ...] = SERVICES,
    permissions: Permissions | None = None,
) -> Iterator[str]:
    """Serve AWS while the block lasts, with the faults that are installed then; yields its URL.

    ``services`` are moto's names of those that are asked by several threads at once. Port 0 picks
    a free one. Without ``permissions`` everybody may everything. Raises LocalError.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    close_gaps()
    moto = DomainDispatcherApplication(create_backend_app)
    for service in services:
        moto.app_instances[service] = create_backend_app(service)
    apps: dict[str, Any] = moto.app_instances
    if "dynamodb" in apps:
        apps["dynamodb"] = _OneAtATime(apps["dynamodb"])
    guarded = moto if permissions is None else GuardedAws(moto, permissions)
    with serving(FaultyAws(guarded, faults), port, _AwsHandler) as url:
        try:
            yield url
        finally:
            faults.clear()


class _OneAtATime:
    """A WSGI application whose requests do not overlap.

    "Conditional writes" in the DynamoDB Developer Guide: of two that were to make the other's
    condition false, one fails. Moto looks and writes in two steps, and lets both pass.
    """

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        with self._lock:
            return self._app(environ, start_response)


class _AwsHandler(MotoRequestHandler):
    """Lets go of a connection that was dropped, and does not wait for its next request."""

    def connection_dropped(
        self, error: BaseException, environ: "WSGIEnvironment | None" = None
    ) -> None:
        self.close_connection = True


@contextmanager
def serving(
    app: Any,
    port: int,
    handler: type[WSGIRequestHandler] = WSGIRequestHandler,
    allows_origin: AllowsOrigin = no_foreign_origin,
) -> Iterator[str]:
    """Serve a WSGI application on loopback while the block lasts; yields its URL.

    Requests of foreign pages are refused, except for what ``allows_origin`` allows. Raises
    LocalError if the port is taken.
    """
    app = LocalRequestsOnly(app, allows_origin)
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


def aws_client(service: str, endpoint_url: str, region: str, access_key_id: str = "local") -> Any:
    """A boto3 client for the embedded AWS, which takes any credentials."""
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key="local",  # noqa: S106  (moto takes any)
    )
