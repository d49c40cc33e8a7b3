"""Adds CORS headers, and responds to preflight requests.

It follows "Configure CORS for HTTP APIs" in the API Gateway Developer Guide: preflight requests get
a response whatever the routes, and CORS headers of the integration are dropped.
"""

from werkzeug.wrappers import Response

from local.deployment.declarations import DeclaredCors
from local.gateway.request import RawRequest

_PREFIX = "access-control-"
ANY_ORIGIN = "*"


def preflight(cors: DeclaredCors, request: RawRequest) -> Response:
    """Return the response to an OPTIONS request, without headers if the origin is not allowed."""
    response = Response(status=204)
    if origin := _allowed_origin(cors, request):
        response.headers[f"{_PREFIX}allow-origin"] = origin
        response.headers[f"{_PREFIX}allow-methods"] = ",".join(cors.allow_methods)
        response.headers[f"{_PREFIX}allow-headers"] = ",".join(cors.allow_headers)
        response.headers[f"{_PREFIX}max-age"] = str(cors.max_age_seconds)
    return response


def add_headers(cors: DeclaredCors, request: RawRequest, response: Response) -> None:
    """Replace the CORS headers of a function's response with those of the API."""
    for name in {name for name, _ in response.headers if name.lower().startswith(_PREFIX)}:
        response.headers.remove(name)
    if origin := _allowed_origin(cors, request):
        response.headers[f"{_PREFIX}allow-origin"] = origin
        response.headers[f"{_PREFIX}expose-headers"] = ",".join(cors.expose_headers)


def allows(cors: DeclaredCors, origin: str) -> bool:
    """Return whether pages of ``origin`` may call the API."""
    return ANY_ORIGIN in cors.allow_origins or origin in cors.allow_origins


def _allowed_origin(cors: DeclaredCors, request: RawRequest) -> str | None:
    origin = request.headers.get("origin")
    if origin is None or not allows(cors, origin):
        return None
    return ANY_ORIGIN if ANY_ORIGIN in cors.allow_origins else origin
