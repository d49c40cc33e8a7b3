"""The API on loopback, for a browser, which cannot sign requests: this signs them for it.

Anyone who can talk to it acts with the credentials of the person who runs it. So it serves one
browser only: the first one that opens a URL with a secret gets a cookie, and the secret works once.
It refuses requests that another site's page makes, or that come by another name.
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

PASSED = re.compile(r"/docs|/openapi\.json|/zip-jobs(/[^/]+)?")
"""Paths of the API."""

PASSED_ON = ("accept", "accept-encoding", "content-type", "idempotency-key")
PASSED_BACK = (
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
"""The answer to the opening request. It is not a redirect: the browser comes from a file, and so it
would follow a redirect without the SameSite=Strict cookie."""


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs. ``url`` lets in one browser, once."""

    port: int
    url: str


@contextmanager
def running_proxy(
    api: Api, port: int = 0, on_opened: Callable[[], None] = lambda: None
) -> Iterator[Proxy]:
    """Serve the paths of ``api`` while the block lasts. Port 0 picks a free one.

    Another thread calls ``on_opened`` when a browser has used the URL. Raises CliError if the port
    is taken.
    """
    try:
        server = _Server((LOOPBACK, port), _Handler)
    except OSError as error:
        raise CliError(f"Port {port} on {LOOPBACK} cannot be had: {error.strerror}.") from error
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
        """Return True to the first thread that calls this, and False to all others."""
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
        if not self._is_from_here(is_opening):
            self._answer(HTTPStatus.FORBIDDEN, b"Not from this page.\n")
        elif is_opening:
            self._open()
        elif not _is_equal(self._cookie(), self.server.cookie):
            self._refuse("This browser has no access.")
        else:
            self._pass_on()

    def _is_from_here(self, is_opening: bool) -> bool:
        """Return whether the request names this proxy, and no page of another site sends it.

        Another name that leads to loopback shows in Host; a page of another site, or of another
        port, shows in Origin, and in Sec-Fetch-Site. The redirect file counts as another site: it
        may lead a tab to the opening URL, whose secret no other page knows.
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
        """Return whether a browser shows the answer in a tab, and not in a part of a page."""
        return (
            self.headers.get("sec-fetch-mode") == "navigate"
            and self.headers.get("sec-fetch-dest") == "document"
        )

    def _open(self) -> None:
        """Give the first browser that knows the secret a cookie, and lead it to the page."""
        (secret,) = parse_qs(urlsplit(self.path).query).get("secret", [""])[:1]
        if not _is_equal(secret, self.server.secret):
            self._refuse("This browser has no access.")
            return
        if not self.server.claim():
            self._refuse("This address works only once, and a browser has used it.")
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
        self._answer(HTTPStatus.OK, OPENED, headers)

    def _refuse(self, why: str) -> None:
        text = f"{why} Run `{program()} docs` again.\n"
        self._answer(HTTPStatus.FORBIDDEN, text.encode())

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

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  (as it was)
        """Nothing: what is asked is the browser's business."""


def _is_equal(text: str, secret: str) -> bool:
    """Compare in a time that does not depend on where the texts differ."""
    return secrets.compare_digest(text.encode(), secret.encode())
