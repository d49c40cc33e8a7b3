"""Serves moto on loopback as AWS: gaps closed, permissions enforced, faults injected."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)

from local.faults.injector import FaultInjector
from local.faults.middleware import FaultMiddleware
from local.foreign_requests import aws_error
from local.iam.enforcement import IamMiddleware
from local.iam.permissions import Permissions
from local.loopback import serving
from local.moto_gaps import close_gaps
from local.s3.middleware import S3Middleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SERVICES: tuple[Any, ...] = (
    *("awslambda", "cloudwatch", "dynamodb", "events", "iam", "kms"),
    *("logs", "s3", "sns", "sqs", "sts"),
)
"""The services that a stack uses. They are created before moto serves requests: werkzeug compiles
routes with ``ast``, which fails in CPython 3.11 when two threads parse at the same time."""


@contextmanager
def serving_aws(
    faults: FaultInjector,
    port: int = 0,
    services: tuple[Any, ...] = SERVICES,
    permissions: Permissions | None = None,
) -> Iterator[str]:
    """Serve AWS while the block runs. Yield its URL.

    ``services`` are moto's names of the services that several threads use at once. Port 0 picks a
    free port. Without ``permissions``, every request is allowed. Raises LocalError.
    """
    close_gaps()
    moto = DomainDispatcherApplication(create_backend_app)
    for service in services:
        moto.app_instances[service] = create_backend_app(service)
    apps: dict[str, Any] = moto.app_instances
    if "dynamodb" in apps:
        apps["dynamodb"] = _Serialized(apps["dynamodb"])
    s3 = S3Middleware(moto)
    guarded = s3 if permissions is None else IamMiddleware(s3, permissions)
    with serving(FaultMiddleware(guarded, faults), port, aws_error, handler=_AwsHandler) as url:
        try:
            yield url
        finally:
            faults.clear()


class _Serialized:
    """A WSGI application that handles one request at a time.

    Moto checks the condition of a write and writes in two steps, so two conditional writes that
    exclude each other could both succeed. On AWS one fails: "Conditional writes" in the DynamoDB
    Developer Guide.
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
    """Closes a dropped connection instead of waiting for its next request."""

    def connection_dropped(
        self, error: BaseException, environ: "WSGIEnvironment | None" = None
    ) -> None:
        self.close_connection = True


def aws_client(service: str, endpoint_url: str, region: str, access_key_id: str = "local") -> Any:
    """Return a boto3 client for the embedded AWS, which accepts any credentials.

    It uses no proxy. Otherwise botocore would iterate over ``os.environ``, which fails if another
    thread changes it.
    """
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key="local",  # noqa: S106  (moto accepts any)
        config=Config(proxies={}),
    )
