"""Requests as events, and functions' answers as responses: payload format 2.0.

As "Create AWS Lambda proxy integrations for HTTP APIs" in the API Gateway Developer Guide
documents it.
"""

import base64
import json
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from werkzeug.wrappers import Request, Response

from local.gateway.request import RawRequest
from local.names import ACCOUNT_ID


def request_event(
    request: Request,
    raw: RawRequest,
    route_key: str,
    parameters: Mapping[str, str],
    authorizer: Mapping[str, Any],
) -> dict[str, Any]:
    """The event of a request to a route, with the parameters of its path."""
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
        try:
            event["body"] = raw.body.decode()
        except UnicodeDecodeError:
            event["body"] = base64.b64encode(raw.body).decode()
            event["isBase64Encoded"] = True
    return event


def response_of(answer: Any) -> Response:
    """An answer without ``statusCode`` is a JSON body with 200, as API Gateway infers it."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(json.dumps(answer), 200, content_type="application/json")
    body = answer.get("body") or ""
    data = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    response = Response(data, answer["statusCode"], content_type="text/plain;charset=UTF-8")
    for name, value in (answer.get("headers") or {}).items():
        response.headers[name] = str(value)
    for cookie in _strings(answer.get("cookies")):
        response.headers.add("Set-Cookie", cookie)
    return response


def message(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """What API Gateway says itself."""
    body = json.dumps({"message": text})
    return Response(body, status, headers, content_type="application/json")


def _strings(values: Iterable[str] | None) -> Iterable[str]:
    return values or ()
