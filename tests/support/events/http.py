"""Events that an HTTP API sends to a function, in payload format 2.0."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

JOB_ROUTE = "/zip-jobs/{jobId}"
_JOBS_PREFIX = "/zip-jobs/"


def route_of(method: str, path: str) -> str:
    """Return the route key of a request."""
    return f"{method} {JOB_ROUTE if path.startswith(_JOBS_PREFIX) else path}"


def http_event(
    method: str,
    path: str,
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    authorizer: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the event of a request. API Gateway encodes a binary body in Base64."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_of(method, path),
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": {"accept": "*/*", **(headers or {})},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1"},
            "requestId": "id",
            "stage": "$default",
        },
        "isBase64Encoded": isinstance(body, bytes),
    }
    if query:
        event["queryStringParameters"] = dict(query)
    if authorizer:
        event["requestContext"]["authorizer"] = authorizer
    if path.startswith(_JOBS_PREFIX):
        event["pathParameters"] = {"jobId": path.removeprefix(_JOBS_PREFIX)}
    if body is not None:
        event["body"] = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    return event
