"""Serves the declared routes of an HTTP API."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

from werkzeug.wrappers import Request, Response

from local.deployment.declarations import Declarations, DeclaredRoute
from local.errors import LocalError
from local.gateway import cors
from local.gateway.authorizers import Unauthorized, make_authorizer
from local.gateway.events import gateway_message, request_event, to_response
from local.gateway.request import RawRequest
from local.runtime.execution import InvocationFailed, LogSink
from local.runtime.functions import Invocable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MAX_PAYLOAD_BYTES = 10 * 1024 * 1024
MAX_EVENT_BYTES = 6_291_456
"""Of the whole event as JSON, in which quotes are escaped: "Lambda quotas", Developer Guide."""

LOG_NAME = "api"


class HttpApi:
    """A WSGI application with the declared routes.

    ``log`` gets the reason of each refused request. Raises LocalError for unsupported routes.
    """

    def __init__(
        self,
        declarations: Declarations,
        functions: Mapping[str, Invocable],
        region: str,
        log: LogSink,
    ) -> None:
        self._routes = [
            _Route(route, declarations, functions, region) for route in declarations.routes.values()
        ]
        self._cors = declarations.cors
        self._log = log

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        return self._respond(Request(environ))(environ, start_response)

    def allows_origin(self, method: str, origin: str) -> bool:
        """Return whether to serve a request that has a foreign Origin header.

        An API with CORS responds to preflight requests itself, so none reaches a function.
        """
        return self._cors is not None and (method == "OPTIONS" or cors.allows(self._cors, origin))

    def _respond(self, request: Request) -> Response:
        raw = RawRequest.from_werkzeug(request)
        if self._cors is not None and raw.method == "OPTIONS":
            return cors.preflight(self._cors, raw)
        for route in self._routes:
            parameters = route.match(raw)
            if parameters is not None:
                return self._serve(route, parameters, request, raw)
        return gateway_message(404, "Not Found")

    def _serve(
        self, route: "_Route", parameters: dict[str, str], request: Request, raw: RawRequest
    ) -> Response:
        if len(raw.body) > MAX_PAYLOAD_BYTES:
            return gateway_message(413, "Request Entity Too Large")
        try:
            context = route.authorizer.authorize(raw)
        except Unauthorized as refused:
            self._log(LOG_NAME, f"{refused.status} {raw.method} {raw.path}: {refused}")
            return gateway_message(refused.status, refused.message, refused.headers)
        event = request_event(request, raw, route.route_key, parameters, context)
        if len(json.dumps(event, ensure_ascii=False).encode()) > MAX_EVENT_BYTES:
            return gateway_message(500, "Internal Server Error")
        try:
            response = to_response(route.function.invoke(event))
        except InvocationFailed:
            return gateway_message(500, "Internal Server Error")
        if self._cors is not None:
            cors.add_headers(self._cors, raw, response)
        return response


class _Route:
    def __init__(
        self,
        declared: DeclaredRoute,
        declarations: Declarations,
        functions: Mapping[str, Invocable],
        region: str,
    ) -> None:
        function_name = declarations.integrations.get(declared.target.removeprefix("integrations/"))
        if function_name is None or function_name not in functions:
            raise LocalError(f"Route {declared.route_key} has no declared function.")
        self.function = functions[function_name]
        self.route_key = declared.route_key
        self.authorizer = make_authorizer(declared, declarations.authorizers, region)
        self._method, _, path = declared.route_key.partition(" ")
        self._pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))

    def match(self, request: RawRequest) -> dict[str, str] | None:
        """Return the path parameters, or None if the route does not match."""
        if request.method != self._method:
            return None
        match = self._pattern.fullmatch(request.path)
        if match is None:
            return None
        return {name: unquote(value) for name, value in match.groupdict().items()}
