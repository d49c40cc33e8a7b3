"""A WSGI middleware that applies the faults of a plan to requests."""

import socket
import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.test import run_wsgi_app

from local.aws_requests import OWN_ACCESS_KEY, AwsRequest, drain, identify_request, signer
from local.error_responses import Headers, error_response
from local.faults.injector import FaultInjector
from local.faults.rules import RequestFault, Stall

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MESSAGE = "Injected by the fault plan."

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with a timeout of 0: closing the socket sends RST instead of FIN."""


class FaultMiddleware:
    """A WSGI application in front of another.

    It needs a threaded werkzeug server whose handler closes dropped connections.
    """

    def __init__(self, app: "WSGIApplication", faults: FaultInjector) -> None:
        self._app = app
        self._faults = faults

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if not self._faults.is_installed or signer(environ) == OWN_ACCESS_KEY:
            return self._app(environ, start_response)
        request = identify_request(environ)
        process = self._faults.processes.get(signer(environ))
        fault = self._faults.fault_for(request, process) if request else None
        if request is None or fault is None:
            return self._app(environ, start_response)
        if fault.latency is not None:
            self._faults.pause(fault.latency)
            return self._app(environ, start_response)
        if fault.stall or fault.cut is not None:
            return self._truncate_or_stall(fault, environ, start_response)
        if fault.when == "after":
            self._run(environ)
        elif fault.error:
            drain(environ)
        if fault.error:
            return _fail(fault, request, environ, start_response)
        if process and fault.kill:
            process.kill()
        if process and fault.timeout:
            process.time_out()
        raise _reset(environ)

    def _truncate_or_stall(
        self, fault: RequestFault, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        status, headers, body = self._run(environ)
        if fault.cut is not None:
            if not body:
                raise _reset(environ)
            start_response(status, headers)
            return [body[: min(fault.cut, len(body) - 1)]]
        assert fault.stall is not None
        start_response(status, headers)
        return self._stalling(body, fault.stall)

    def _stalling(self, body: bytes, stall: Stall) -> Iterator[bytes]:
        sent = max(0, min(stall.after, len(body) - 1))
        if body:
            yield body[:sent]
        self._faults.pause(stall.seconds)
        yield body[sent:]

    def _run(self, environ: "WSGIEnvironment") -> tuple[str, Headers, bytes]:
        """Run the request, and return the response that it would have received."""
        chunks, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        body = b"".join(chunks)
        if body:
            headers["Content-Length"] = str(len(body))
        return status, list(headers), body


def _fail(
    fault: RequestFault,
    request: AwsRequest,
    environ: "WSGIEnvironment",
    start_response: "StartResponse",
) -> Iterable[bytes]:
    assert fault.error is not None
    status = fault.error.status
    headers, body = error_response(request.protocol, status, fault.error.code, MESSAGE)
    start_response(f"{status} {HTTP_STATUS_CODES.get(status, 'Unknown')}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _reset(environ: "WSGIEnvironment") -> ConnectionResetError:
    """Reset the connection. Return the error that makes the server close it."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    connection.close()
    return ConnectionResetError("The fault plan resets this connection.")
