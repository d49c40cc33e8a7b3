"""Captures requests of boto3 as WSGI environments, without sending them."""

import io
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest


class NotSent(Exception):
    """Raised in place of sending a request."""


class Capture:
    """Clients for the region ``eu-central-1``, and the ``environ`` of their last request."""

    def __init__(self) -> None:
        self.environ: dict[str, Any] = {}
        self._session = boto3.Session("KEY", "secret", region_name="eu-central-1")
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            client = self._session.client(service, endpoint_url="http://127.0.0.1:1")  # type: ignore[call-overload]
            client.meta.events.register("before-send", self._capture)
            self._clients[service] = client
        return self._clients[service]

    def _capture(self, request: AWSPreparedRequest, **_: Any) -> None:
        url = urlsplit(request.url)
        body: Any = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        body = body if isinstance(body, bytes | bytearray) else body.read()
        self.environ = {
            "REQUEST_METHOD": request.method,
            "PATH_INFO": unquote(url.path, "latin-1"),
            "QUERY_STRING": url.query,
            "wsgi.input": io.BytesIO(body),
        }
        for name, value in request.headers.items():
            key = name.upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
            self.environ[key] = value.decode() if isinstance(value, bytes) else str(value)
        self.environ.setdefault("CONTENT_LENGTH", str(len(body)))
        raise NotSent
