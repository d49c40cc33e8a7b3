"""Converts requests to events, and functions' results to responses (payload format 2.0).

It follows "Create AWS Lambda proxy integrations for HTTP APIs" in the API Gateway Developer Guide.
"""

import base64
import json
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from werkzeug.wrappers import Request, Response

from local.gateway.request import RawRequest
from local.names import ACCOUNT_ID

_TEXT_TYPES = ("application/json", "application/javascript", "application/xml")


def request_event(
    request: Request,
    raw: RawRequest,
    route_key: str,
    parameters: Mapping[str, str],
    authorizer: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the event of a request to a route. ``parameters`` are those of its path."""
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": raw.path,
        "rawQueryString": raw.query,
        "headers": dict(raw.headers),
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": "local",
            **({"authorizer": dict(authorizer)} if authorizer else {}),
            "domainName": request.host,
            "domainPrefix": "local",
            "http": {
                "method": raw.method,
                "path": raw.path,
                "protocol": request.environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
                "sourceIp": request.remote_addr,
                "userAgent": raw.headers.get("user-agent", ""),
            },
            "requestId": uuid.uuid4().hex[:15] + "=",
            "routeKey": route_key,
            "stage": "$default",
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if parameters:
        event["pathParameters"] = dict(parameters)
    if request.args:
        event["queryStringParameters"] = {
            name: ",".join(values) for name, values in request.args.lists()
        }
    if raw.body:
        event["isBase64Encoded"] = not _is_text(raw)
        event["body"] = raw.body.decode() if _is_text(raw) else base64.b64encode(raw.body).decode()
    return event


def _is_text(raw: RawRequest) -> bool:
    """Return whether API Gateway passes the body as text. It encodes all others in base64."""
    media_type = raw.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not media_type.startswith("text/") and media_type not in _TEXT_TYPES:
        return False
    try:
        raw.body.decode()
    except UnicodeDecodeError:
        return False
    return True


def to_response(result: Any) -> Response:
    """Convert a result. Without ``statusCode`` it is a JSON body with status 200."""
    if not isinstance(result, dict) or "statusCode" not in result:
        return Response(json.dumps(result), 200, content_type="application/json")
    body = result.get("body") or ""
    data = base64.b64decode(body) if result.get("isBase64Encoded") else body.encode()
    response = Response(data, result["statusCode"], content_type="text/plain;charset=UTF-8")
    for name, value in (result.get("headers") or {}).items():
        response.headers[name] = str(value)
    for cookie in result.get("cookies") or ():
        response.headers.add("Set-Cookie", cookie)
    return response


def gateway_message(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response of API Gateway itself."""
    body = json.dumps({"message": text})
    return Response(body, status, headers, content_type="application/json")
