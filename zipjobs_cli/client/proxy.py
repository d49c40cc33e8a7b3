"""A proxy on loopback that signs a browser's requests to the API.

Every client of the proxy acts with the credentials of the user who runs it. So it serves only one
browser: the first one that opens a URL with a secret gets a cookie, and the secret works once. The
proxy rejects requests from pages of other sites, and requests with another host name.
"""

import re
import secrets
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from zipjobs_cli.client.api import MAX_BODY_BYTES, Api
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.screen import program

LOOPBACK = "127.0.0.1"
PAGE = "/docs"
OPEN = "/open"
COOKIE = "zipjobs"

API_PATHS = re.compile(r"/docs|/openapi\.json|/zip-jobs(/[^/]+)?")

REQUEST_HEADERS = ("accept", "accept-encoding", "content-type", "idempotency-key")
RESPONSE_HEADERS = (
    *("cache-control", "content-encoding", "content-security-policy", "content-type"),
    *("location", "referrer-policy", "retry-after", "x-content-type-options"),
)

OPENED = b"""<!DOCTYPE html>
<html lang="en">
<meta http-equiv="refresh" content="0; url=%b">
<title>S3 ZIP Jobs</title>
<a href="%b">Open the page</a>
</html>
""" % (PAGE.encode(), PAGE.encode())
"""The response to the first request. It is not an HTTP redirect: the browser comes from a file, so
it would follow a redirect without the SameSite=Strict cookie."""


@dataclass(frozen=True)
class Proxy:
    """A running proxy. ``url`` gives access to one browser, once."""

    port: int
    url: str


@contextmanager
def running_proxy(
    api: Api, port: int = 0, on_opened: Callable[[], None] = lambda: None
) -> Iterator[Proxy]:
    """Serve the paths of ``api`` until the block ends. Port 0 selects a free port.

    ``on_opened`` is called from another thread when a browser has used the URL. Raises CliError if
    the port is in use.
    """
    try:
        server = _Server((LOOPBACK, port), _Handler)
    except OSError as error:
        raise CliError(f"Cannot listen on {LOOPBACK}:{port}: {error.strerror}.") from error
    server.api, server.on_opened = api, on_opened
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        port = server.server_port
        yield Proxy(port, f"http://{LOOPBACK}:{port}{OPEN}?secret={server.secret}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: Api
    on_opened: Callable[[], None]

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.secret = secrets.token_urlsafe(32)
        self.cookie = secrets.token_urlsafe(32)
        self._unopened = Lock()

    def claim(self) -> bool:
        """Return True for the first call, and False for all later calls."""
        return self._unopened.acquire(blocking=False)


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
        is_opening = self.command == "GET" and urlsplit(self.path).path == OPEN
        if not self._is_same_origin(is_opening):
            self._respond(HTTPStatus.FORBIDDEN, b"Requests from other sites are not allowed.\n")
        elif is_opening:
            self._open()
        elif not _is_equal(self._cookie(), self.server.cookie):
            self._deny("This browser has no access.")
        else:
            self._forward()

    def _is_same_origin(self, is_opening: bool) -> bool:
        """Return whether the request is for this host, and not from a page of another site.

        Host shows another host name that resolves to loopback. Origin and Sec-Fetch-Site show a
        page of another site or port. The redirect file counts as another site. It may navigate a
        tab to the opening URL, whose secret no other page knows.
        """
        port = self.server.server_port
        hosts = (f"{LOOPBACK}:{port}", f"localhost:{port}")
        origin = self.headers.get("origin")
        return (
            self.headers.get_all("host", []) in ([host] for host in hosts)
            and (origin is None or origin in [f"http://{host}" for host in hosts])
            and (
                self.headers.get("sec-fetch-site", "none") in ("none", "same-origin")
                or (is_opening and self._is_for_a_tab())
            )
        )

    def _is_for_a_tab(self) -> bool:
        """Return whether the browser shows the response in a tab, not in a frame of a page."""
        return (
            self.headers.get("sec-fetch-mode") == "navigate"
            and self.headers.get("sec-fetch-dest") == "document"
        )

    def _open(self) -> None:
        """Set a cookie for the first browser that knows the secret, and open the page."""
        (secret,) = parse_qs(urlsplit(self.path).query).get("secret", [""])[:1]
        if not _is_equal(secret, self.server.secret):
            self._deny("This browser has no access.")
            return
        if not self.server.claim():
            self._deny("This address works only once, and a browser has already used it.")
            return
        self.server.on_opened()
        cookie = f"{self._cookie_name()}={self.server.cookie}; Path=/; HttpOnly; SameSite=Strict"
        headers = {
            "cache-control": "no-store",
            "content-security-policy": "default-src 'none'",
            "content-type": "text/html",
            "referrer-policy": "no-referrer",
            "set-cookie": cookie,
        }
        self._respond(HTTPStatus.OK, OPENED, headers)

    def _deny(self, reason: str) -> None:
        text = f"{reason} Run `{program()} docs` again.\n"
        self._respond(HTTPStatus.FORBIDDEN, text.encode())

    def _forward(self) -> None:
        length = self.headers.get("content-length", "0")
        if not API_PATHS.fullmatch(urlsplit(self.path).path):
            self._respond(HTTPStatus.NOT_FOUND, b"The API has no such path.\n")
            return
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self._respond(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"The request is too large.\n")
            return
        body = self.rfile.read(int(length))
        headers = {name: self.headers[name] for name in REQUEST_HEADERS if name in self.headers}
        if self.command == "POST":  # so that retries do not create a second job
            headers.setdefault("idempotency-key", str(uuid.uuid4()))
        try:
            response = self.server.api.send(self.command, self._target(), body, headers)
        except CliError as error:
            self._respond(HTTPStatus.BAD_GATEWAY, f"{error}\n".encode())
            return
        passed = {
            name: response.headers[name] for name in RESPONSE_HEADERS if name in response.headers
        }
        self._respond(response.status, response.data, passed)

    def _target(self) -> str:
        """Return path and query. The request line may contain a whole URL."""
        parts = urlsplit(self.path)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def _respond(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": "text/plain", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _cookie_name(self) -> str:
        """Return a name with the port: browsers send cookies to all ports of a host."""
        return f"{COOKIE}-{self.server.server_port}"

    def _cookie(self) -> str:
        try:
            cookies = SimpleCookie(self.headers.get("cookie", ""))
        except CookieError:
            return ""
        cookie = cookies.get(self._cookie_name())
        return cookie.value if cookie else ""

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  (the base class's name)
        """Log nothing."""


def _is_equal(text: str, secret: str) -> bool:
    """Compare in constant time."""
    return secrets.compare_digest(text.encode(), secret.encode())
