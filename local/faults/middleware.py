"""Stands between the embedded AWS and those who call it, and spoils what the plan says."""

import socket
import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.test import run_wsgi_app

from local.aws_requests import OWN_ACCESS_KEY, AwsRequest, drain, name_request, signer
from local.faults.injector import Faults
from local.faults.responses import Headers, error_answer
from local.faults.rules import RequestFault, Stall

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing the socket sends RST and not FIN."""


class FaultyAws:
    """A WSGI application in front of another.

    Its werkzeug server must be a threaded one, whose handler lets go of a dropped connection.
    """

    def __init__(self, app: "WSGIApplication", faults: Faults) -> None:
        self._app = app
        self._faults = faults

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if not self._faults.is_installed or signer(environ) == OWN_ACCESS_KEY:
            return self._app(environ, start_response)
        request = name_request(environ)
        caller = self._faults.callers.get(signer(environ))
        fault = self._faults.strike(request, caller) if request else None
        if request is None or fault is None:
            return self._app(environ, start_response)
        if fault.latency is not None:
            self._faults.pause(fault.latency)
            return self._app(environ, start_response)
        if fault.stall or fault.cut is not None:
            return self._spoil_body(fault, environ, start_response)
        if fault.when == "after":
            self._whole(environ)
        elif fault.error:
            drain(environ)
        if fault.error:
            return _fail(fault, request, environ, start_response)
        if caller and fault.kill:
            caller.kill()
        if caller and fault.timeout:
            caller.time_out()
        raise _reset(environ)

    def _spoil_body(
        self, fault: RequestFault, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        status, headers, body = self._whole(environ)
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

    def _whole(self, environ: "WSGIEnvironment") -> tuple[str, Headers, bytes]:
        """Let the request have its effect; the answer that it would have got."""
        pieces, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        body = b"".join(pieces)
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
    headers, body = error_answer(fault.error, request.protocol)
    status = fault.error.status
    start_response(f"{status} {HTTP_STATUS_CODES.get(status, 'Unknown')}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _reset(environ: "WSGIEnvironment") -> ConnectionResetError:
    """Break the connection off; the error that makes the server let go of it."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    connection.close()
    return ConnectionResetError("The fault plan resets this connection.")
