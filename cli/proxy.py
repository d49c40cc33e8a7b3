"""The API on loopback, for a browser, which cannot sign requests: this signs them for it.

Whoever can talk to it acts with the credentials of the person who runs it. So it takes requests
of one browser only, which was given a secret; and none that another site's page makes, or that
come by another name.
"""

import re
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cli.api import MAX_BODY_BYTES, Api
from cli.errors import CliError

LOOPBACK = "127.0.0.1"
PAGE = "/docs"
OPEN = "/open"
COOKIE = "zipjobs"

PASSED = re.compile(r"/docs|/openapi\.json|/zip-jobs(/[^/]+)?")
"""Paths of the API."""

PASSED_ON = ("accept", "accept-encoding", "content-type", "idempotency-key")
PASSED_BACK = (
    *("cache-control", "content-encoding", "content-security-policy", "content-type"),
    *("location", "referrer-policy", "retry-after", "x-content-type-options"),
)


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs. ``url`` is for the one browser that may use it."""

    port: int
    url: str


@contextmanager
def running_proxy(api: Api, port: int = 0) -> Iterator[Proxy]:
    """Serve the paths of ``api`` while the block lasts. Port 0 picks a free one.

    Raises CliError if the port is taken.
    """
    secret = secrets.token_urlsafe(32)
    try:
        server = _Server((LOOPBACK, port), _Handler)
    except OSError as error:
        raise CliError(f"Port {port} on {LOOPBACK} cannot be had: {error.strerror}.") from error
    server.api, server.secret = api, secret
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        port = server.server_port
        yield Proxy(port, f"http://{LOOPBACK}:{port}{OPEN}?secret={secret}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: Api
    secret: str


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        self.close_connection = True
        if not self._is_from_here():
            self._answer(HTTPStatus.FORBIDDEN, b"Not from this page.\n")
        elif urlsplit(self.path).path == OPEN:
            self._open()
        elif not self._is_ours(self._cookie()):
            self._answer(HTTPStatus.FORBIDDEN, b"Open the address that `docs` printed.\n")
        else:
            self._pass_on()

    def _is_from_here(self) -> bool:
        """Whether it comes by our own name, and from no other site's page.

        A name of somebody else's that leads to loopback shows in Host; a page of another site, or
        another port, shows in Origin, and in Sec-Fetch-Site.
        """
        port = self.server.server_port
        hosts = (f"{LOOPBACK}:{port}", f"localhost:{port}")
        origin = self.headers.get("origin")
        return (
            self.headers.get_all("host", []) in ([host] for host in hosts)
            and (origin is None or origin in [f"http://{host}" for host in hosts])
            and self.headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        )

    def _open(self) -> None:
        """Give a browser that knows the secret a cookie, and lead it to the page."""
        (secret,) = parse_qs(urlsplit(self.path).query).get("secret", [""])[:1]
        if not self._is_ours(secret):
            self._answer(HTTPStatus.FORBIDDEN, b"Open the address that `docs` printed.\n")
            return
        cookie = f"{self._cookie_name()}={secret}; Path=/; HttpOnly; SameSite=Strict"
        headers = {"location": PAGE, "set-cookie": cookie, "referrer-policy": "no-referrer"}
        self._answer(HTTPStatus.SEE_OTHER, b"", headers)

    def _pass_on(self) -> None:
        length = self.headers.get("content-length", "0")
        if not PASSED.fullmatch(urlsplit(self.path).path):
            self._answer(HTTPStatus.NOT_FOUND, b"Not a path of the API.\n")
            return
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"Too much.\n")
            return
        body = self.rfile.read(int(length))
        passed = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
        if self.command == "POST":  # so that it may be sent again, and is one job all the same
            passed.setdefault("idempotency-key", str(uuid.uuid4()))
        try:
            answer = self.server.api.send(self.command, self._target(), body, passed)
        except CliError as error:
            self._answer(HTTPStatus.BAD_GATEWAY, f"{error}\n".encode())
            return
        headers = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
        self._answer(answer.status, answer.data, headers)

    def _target(self) -> str:
        """Path and query, whatever form the request's line had."""
        parts = urlsplit(self.path)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": "text/plain", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _cookie_name(self) -> str:
        """Cookies do not tell ports apart."""
        return f"{COOKIE}-{self.server.server_port}"

    def _cookie(self) -> str:
        try:
            cookies = SimpleCookie(self.headers.get("cookie", ""))
        except CookieError:
            return ""
        found = cookies.get(self._cookie_name())
        return found.value if found else ""

    def _is_ours(self, secret: str) -> bool:
        return secrets.compare_digest(secret.encode(), self.server.secret.encode())

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  (as it was)
        """Nothing: what is asked is the browser's business."""
