"""Refuses requests that a web page of another site may have sent.

The servers of the embedded AWS listen on loopback and accept published credentials, so every page
that a developer opens can send requests to them. A browser names the page's site in the Origin
header. A page can also reach loopback through its own DNS name (DNS rebinding); the Host header
shows that name.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from local.aws_requests import drain, protocol_of
from local.error_responses import Headers, error_response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_LOCAL = r"(127\.0\.0\.1|\[::1\]|([a-z0-9._-]+\.)?localhost)(:\d{1,5})?"
_LOCAL_HOST = re.compile(_LOCAL, re.IGNORECASE | re.ASCII)
"""The names of this machine. ``bucket.localhost`` is the host of virtual-hosted requests to S3."""

_LOCAL_ORIGIN = re.compile(rf"https?://{_LOCAL}", re.IGNORECASE | re.ASCII)

AllowsOrigin = Callable[[str, str], bool]
"""Takes the method and the foreign Origin header of a request. Returns whether to serve it."""

ErrorResponse = Callable[["WSGIEnvironment", str], tuple[Headers, bytes]]
"""Takes a refused request and the reason. Returns headers and body of the response."""


def no_foreign_origin(method: str, origin: str) -> bool:
    """Allow no foreign origin."""
    return False


def refusal(
    method: str, host: str, origin: str | None, allows_origin: AllowsOrigin = no_foreign_origin
) -> str | None:
    """Return why a request is refused, or None if it may be served.

    ``host`` and ``origin`` are the values of the headers. If the header is missing, ``host`` is
    empty and ``origin`` is None. The values of a repeated header are joined by commas, and a value
    with a comma is never local.
    """
    if not host:
        return (
            "The request has no Host header. Use HTTP/1.1, and 127.0.0.1 or localhost as the host "
            "of the URL."
        )
    if not _LOCAL_HOST.fullmatch(host):
        return (
            f"The Host header {json.dumps(host)} is not a name of this machine. Use 127.0.0.1 or "
            "localhost as the host of the URL."
        )
    if origin is None or _LOCAL_ORIGIN.fullmatch(origin) or allows_origin(method, origin):
        return None
    return (
        f"The Origin header {json.dumps(origin)} is not a site on this machine. Serve the page "
        "from localhost. If the page calls the API only, you can add its origin to the setting "
        "apiCorsOrigins instead."
    )


class LocalRequestsOnly:
    """A WSGI application that passes requests on to ``app`` unless a foreign page may have sent
    them.

    ``error_response`` makes headers and body of a refusal, in the format of the served API.
    """

    def __init__(
        self, app: "WSGIApplication", error_response: ErrorResponse, allows_origin: AllowsOrigin
    ) -> None:
        self._app = app
        self._error_response = error_response
        self._allows_origin = allows_origin

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        headers = environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN")
        reason = refusal(method, *headers, self._allows_origin)
        if reason is None:
            return self._app(environ, start_response)
        drain(environ)
        response_headers, body = self._error_response(environ, reason)
        start_response("403 Forbidden", response_headers)
        return [] if method == "HEAD" else [body]


def aws_error(environ: "WSGIEnvironment", reason: str) -> tuple[Headers, bytes]:
    """Return AccessDenied in the protocol of the request, so that AWS clients show ``reason``."""
    return error_response(protocol_of(environ), 403, "AccessDenied", reason)


def api_error(environ: "WSGIEnvironment", reason: str) -> tuple[Headers, bytes]:
    """Return an error as API Gateway writes it."""
    body = json.dumps({"message": reason}).encode()
    return [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body
