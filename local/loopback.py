"""Serves WSGI applications on loopback, for requests from this machine only."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from local.errors import LocalError
from local.foreign_requests import (
    AllowsOrigin,
    ErrorResponse,
    LocalRequestsOnly,
    api_error,
    no_foreign_origin,
)

LOOPBACK = "127.0.0.1"
SHUTDOWN_POLL_SECONDS = 0.05


@contextmanager
def serving(
    app: Any,
    port: int,
    error_response: ErrorResponse = api_error,
    allows_origin: AllowsOrigin = no_foreign_origin,
    handler: type[WSGIRequestHandler] = WSGIRequestHandler,
) -> Iterator[str]:
    """Serve a WSGI application on loopback while the block runs. Yield its URL.

    Requests from foreign pages are refused with ``error_response``, unless ``allows_origin``
    allows them. Raises LocalError if the port is in use.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = LocalRequestsOnly(app, error_response, allows_origin)
    try:
        server: BaseWSGIServer = make_server(
            LOOPBACK, port, app, threaded=True, request_handler=handler
        )
    except (OSError, SystemExit) as error:
        raise LocalError(
            f"Port {port} on {LOOPBACK} is in use. Use --port to choose another."
        ) from error
    thread = threading.Thread(
        target=server.serve_forever, args=(SHUTDOWN_POLL_SECONDS,), daemon=True
    )
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
