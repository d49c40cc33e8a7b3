"""Plays API Gateway: serves the declared routes as HTTP API requests, payload format 2.0.

As "Working with AWS Lambda proxy integrations for HTTP APIs" in the API Gateway Developer Guide
documents it.
"""

import base64
import json
import re
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from werkzeug.wrappers import Request, Response

from local.declarations import Declarations, DeclaredRoute
from local.errors import LocalError
from local.execution import InvocationFailed
from local.functions import Function
from local.resources import ACCOUNT_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MAX_PAYLOAD_BYTES = 10 * 1024 * 1024
MAX_LAMBDA_PAYLOAD_BYTES = 6 * 1024 * 1024


class HttpApi:
    """A WSGI application with one route per declared route."""

    def __init__(self, declarations: Declarations, functions: Mapping[str, Function]) -> None:
        self._routes = [_Route(route, declarations, functions) for route in declarations.routes]

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        for route in self._routes:
            parameters = route.match(request)
            if parameters is not None:
                return self._serve(route, parameters, request)
        return _message(404, "Not Found")

    def _serve(self, route: "_Route", parameters: dict[str, str], request: Request) -> Response:
        authorization = request.headers.get("Authorization", "")
        if route.needs_signature and not authorization.startswith("AWS4-HMAC-SHA256 "):
            return _message(403, "Forbidden")
        body = request.get_data()
        if len(body) > MAX_PAYLOAD_BYTES:
            return _message(413, "Request Entity Too Large")
        if len(body) > MAX_LAMBDA_PAYLOAD_BYTES:
            return _message(500, "Internal Server Error")
        try:
            return _response(route.function.invoke(_event(route, parameters, request, body)))
        except InvocationFailed:
            return _message(500, "Internal Server Error")


class _Route:
    def __init__(
        self,
        declared: DeclaredRoute,
        declarations: Declarations,
        functions: Mapping[str, Function],
    ) -> None:
        function_name = declarations.integrations.get(declared.target)
        if function_name is None or function_name not in functions:
            raise LocalError(f"Route {declared.route_key} leads to no function.")
        self.function = functions[function_name]
        self.route_key = declared.route_key
        self.needs_signature = declared.authorization_type == "AWS_IAM"
        self._method, _, path = declared.route_key.partition(" ")
        self._pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))

    def match(self, request: Request) -> dict[str, str] | None:
        """The path parameters, or None if the route is another."""
        if request.method != self._method:
            return None
        found = self._pattern.fullmatch(_raw_path(request))
        if found is None:
            return None
        return {name: unquote(value) for name, value in found.groupdict().items()}


def _event(
    route: _Route, parameters: dict[str, str], request: Request, body: bytes
) -> dict[str, Any]:
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route.route_key,
        "rawPath": _raw_path(request),
        "rawQueryString": request.query_string.decode(),
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": "local",
            "domainName": request.host,
            "domainPrefix": "local",
            "http": {
                "method": request.method,
                "path": _raw_path(request),
                "protocol": request.environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
                "sourceIp": request.remote_addr,
                "userAgent": request.headers.get("User-Agent", ""),
            },
            "requestId": uuid.uuid4().hex[:15] + "=",
            "routeKey": route.route_key,
            "stage": "$default",
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if parameters:
        event["pathParameters"] = parameters
    if request.args:
        event["queryStringParameters"] = {
            name: ",".join(values) for name, values in request.args.lists()
        }
    if body:
        try:
            event["body"] = body.decode()
        except UnicodeDecodeError:
            event["body"] = base64.b64encode(body).decode()
            event["isBase64Encoded"] = True
    return event


def _response(answer: Any) -> Response:
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


def _strings(values: Iterable[str] | None) -> Iterable[str]:
    return values or ()


def _message(status: int, text: str) -> Response:
    return Response(json.dumps({"message": text}), status, content_type="application/json")


def _raw_path(request: Request) -> str:
    raw: str = request.environ.get("RAW_URI", request.path)
    return raw.partition("?")[0]
