"""A client and the scripted servers that it talks to."""

import hashlib
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from botocore.credentials import ReadOnlyCredentials

from tests.support.http_server import Certificate, Exchange, Handler, ScriptedServer, response
from tests.support.waiting import WAIT_SECONDS
from zipjobs.errors import ZipJobsError
from zipjobs.s3.http.client import HttpClient
from zipjobs.s3.http.endpoint import Endpoint
from zipjobs.s3.http.transfer import BodyFlow, Request
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.source import ObjectVersion, Source

ALL = 2**40
"""A window through which any body flows."""


class Received:
    """A receiver that keeps everything. ``window`` bytes flow at once, the rest when it is told."""

    is_wanted = True

    def __init__(self, window: int = ALL) -> None:
        self.status = 0
        self.fields: Mapping[str, str] = {}
        self.body = bytearray()
        self.error: Exception | None = None
        self.ends = 0
        self.began = threading.Event()
        self.over = threading.Event()
        self._window = window
        self._flow: BodyFlow | None = None

    @property
    def flow(self) -> BodyFlow:
        assert self.began.wait(WAIT_SECONDS)
        assert self._flow is not None
        return self._flow

    def headers(self, status: int, headers: Mapping[str, str], body: BodyFlow) -> None:
        self.status, self.fields, self._flow = status, headers, body
        body.let(self._window)
        self.began.set()

    def data(self, chunk: memoryview | bytes) -> None:
        self.body += chunk

    def end(self, error: Exception | None) -> None:
        self.ends += 1
        self.error = error
        self.over.set()

    def wait(self) -> "Received":
        assert self.over.wait(WAIT_SECONDS)
        return self

    def whole(self) -> bytes:
        """The body, once it is there without an error."""
        self.wait()
        if self.error is not None:
            raise self.error
        return bytes(self.body)


class Loopback:
    """Makes servers and clients, and closes them."""

    def __init__(self, opened: ExitStack) -> None:
        self._opened = opened

    def serve(self, *answers: Handler, tls: Certificate | None = None) -> ScriptedServer:
        server = ScriptedServer(*answers, tls=tls.context() if tls else None)
        self._opened.callback(server.close)
        return server

    def connect(
        self, url: str, connections: int = 4, ca_bundle: str | None = None, **options: Any
    ) -> HttpClient:
        credentials = options.get("credentials", lambda: ReadOnlyCredentials("id", "key", None))
        endpoint = Endpoint(url, "us-east-1", ca_bundle, options.get("proxy"))
        client = HttpClient(endpoint, credentials, connections)
        self._opened.callback(client.close)
        return client

    def to(self, *answers: Handler, connections: int = 4) -> HttpClient:
        """A client of a server with this script."""
        return self.connect(self.serve(*answers).url, connections)


def get(client: HttpClient, path: str = "/src/a", window: int = ALL) -> Received:
    received = Received(window)
    client.send(Request(path, "", {}, received))
    return received


def sha(data: bytes | bytearray) -> str:
    return hashlib.sha256(data).hexdigest()


def noise(size: int) -> bytes:
    return hashlib.shake_128(b"noise").digest(size)


class Sink:
    """A reader's sink that lets everything flow, and keeps it."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.error: ZipJobsError | None = None
        self.over = threading.Event()
        self.has_begun = threading.Event()
        self.length = 0

    def found(self, pinned: ObjectVersion, length: int) -> None:
        self.length = length
        self.has_begun.set()

    def received(self, chunk: memoryview | bytes) -> None:
        self.body += chunk

    def done(self) -> None:
        self.over.set()

    def failed(self, error: ZipJobsError) -> None:
        self.error = error
        self.has_begun.set()
        self.over.set()

    def whole(self) -> bytes:
        """The object, once it is there without an error."""
        assert self.over.wait(WAIT_SECONDS)
        if self.error is not None:
            raise self.error
        return bytes(self.body)


def read(reader: ObjectReader, key: str = "a", *, flows: bool = False) -> bytes:
    """The object. Unless it ``flows``, it may break off before it is wanted: that is no attempt."""
    sink = Sink()
    under_way = reader.read(Source("src", key), 0, 1_000_000, sink, None, flows=flows)
    assert sink.has_begun.wait(WAIT_SECONDS)
    if sink.error is None and not flows:
        under_way.proceed(sink.length)
    return sink.whole()


def an_object(
    body: bytes,
    come: int | None = None,
    then: Handler | None = None,
    length: int | None = None,
    etag: str = '"e"',
) -> Handler:
    """Serves the range that is asked for, or the first ``come`` bytes of it.

    Announces ``length``, if that is not what is served; more only if something happens ``then``.
    """

    def answer(exchange: Exchange) -> None:
        wanted = exchange.request.headers["range"].removeprefix("bytes=").split("-")
        first, last = int(wanted[0]), min(int(wanted[1]), len(body) - 1)
        headers = {
            "ETag": etag,
            "Last-Modified": "Sun, 01 Nov 2026 12:00:00 GMT",
            "Content-Range": f"bytes {first}-{last}/{len(body)}",
        }
        served = last + 1 - first
        announced = served if length is None else length if then else min(length, served)
        exchange.send(response(body[first : last + 1][:come], 206, headers, announced))
        if then is not None:
            then(exchange)

    return answer
