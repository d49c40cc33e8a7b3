"""Requests as API Gateway hands them to a function: payload format 2.0 of an HTTP API."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

JOB = "/zip-jobs/{jobId}"
_BELOW = "/zip-jobs/"


def route_of(method: str, path: str) -> str:
    """The route key of a request."""
    return f"{method} {JOB if path.startswith(_BELOW) else path}"


def http_event(
    method: str,
    path: str,
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    authorizer: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The event. A body of bytes is what the gateway takes for binary."""
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
    if path.startswith(_BELOW):
        event["pathParameters"] = {"jobId": path.removeprefix(_BELOW)}
    if body is not None:
        event["body"] = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    return event
