"""Reads from servers that break HTTP or S3's API.

No case hangs, returns wrong bytes, or raises anything but an error of the service.
"""

import resource
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from tests.support.http_server import (
    Exchange,
    Handler,
    ScriptedServer,
    error,
    reply,
    response,
)
from tests.support.waiting import WAIT_SECONDS
from tests.unit.s3.loopback import Loopback, an_object, noise, read, sha
from zipjobs.errors import (
    PermanentError,
    ServiceUnavailable,
    SourceEncrypted,
    SourceForbidden,
    SourceNotFound,
)
from zipjobs.s3 import retry
from zipjobs.s3.object_reader import ObjectReader

OBJECT = noise(50_000)
FINE = an_object(OBJECT)
HEADERS = {
    "ETag": '"e"',
    "Last-Modified": "Sun, 01 Nov 2026 12:00:00 GMT",
    "Content-Range": f"bytes 0-{len(OBJECT) - 1}/{len(OBJECT)}",
}


@pytest.fixture(autouse=True)
def few_attempts(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "ATTEMPTS", 3)


def without(name: str) -> bytes:
    return response(OBJECT, 206, {key: value for key, value in HEADERS.items() if key != name})


def with_header(name: str, value: str) -> bytes:
    return response(OBJECT, 206, {**HEADERS, name: value})


def chunked(*pieces: bytes, status: int = 206, end: bytes = b"0\r\n\r\n") -> bytes:
    lines = {"Transfer-Encoding": "chunked", **HEADERS}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    body = b"".join(b"%x;extension=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return f"HTTP/1.1 {status} Reason\r\n{head}\r\n".encode() + body + end


def endless_trailers(exchange: Exchange) -> None:
    exchange.send(chunked(OBJECT, end=b"0\r\n"))
    while True:
        exchange.send(b"x-trailer: 1\r\n" * 1000)


def endless_headers(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 206 Reason\r\n")
    while True:
        exchange.send(b"x-header: 1\r\n" * 1000)


HTML = b"<html><body><h1>It works!</h1></body></html>"

BROKEN: dict[str, Handler] = {
    "closed before the response": reply(then=Exchange.hang_up),
    "reset before the response": reply(then=Exchange.reset),
    "closed in the headers": reply(without("")[:60], then=Exchange.hang_up),
    "closed in the body": reply(without("")[:-10], then=Exchange.hang_up),
    "reset in the body": reply(without("")[:-10], then=Exchange.reset),
    "body too short": an_object(OBJECT, length=100),
    "closed in a chunk": reply(chunked(OBJECT)[:-30], then=Exchange.hang_up),
    "no chunk": reply(chunked(end=b"nonsense\r\n\r\n")),
    "endless headers": endless_headers,
    "no ETag": reply(without("ETag")),
    "no Last-Modified": reply(without("Last-Modified")),
    "bad date": reply(with_header("Last-Modified", "yesterday")),
    "no Content-Range": reply(without("Content-Range")),
    "bad Content-Range": reply(with_header("Content-Range", "bytes a-b/c")),
    "another range": reply(with_header("Content-Range", f"bytes 1-{len(OBJECT)}/{len(OBJECT)}")),
    "no HTTP": reply(b"220 smtp.example ESMTP\r\n\r\n", then=Exchange.hang_up),
    "HTML error": reply(response(HTML, 502)),
    "503": reply(error(503, "SlowDown")),
    "500": reply(error(500, "InternalError")),
    "429": reply(error(429, "TooManyRequests")),
    "expired credentials": reply(error(400, "ExpiredToken")),
    "clock skew": reply(error(403, "RequestTimeTooSkewed")),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_response_is_followed_by_the_whole_object(
    loopback: Loopback, broken: Handler
) -> None:
    server = loopback.serve(broken, FINE)
    reader = ObjectReader(loopback.connect(server.url))
    assert sha(read(reader, flows=True)) == sha(OBJECT)
    assert sha(read(reader, flows=True)) == sha(OBJECT)


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_server_that_stays_broken_is_given_up(loopback: Loopback, broken: Handler) -> None:
    server = loopback.serve(broken)
    with pytest.raises(ServiceUnavailable):
        read(ObjectReader(loopback.connect(server.url)), flows=True)
    assert len(server.requests) <= 2 * retry.ATTEMPTS


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize(
    "slow",
    [
        reply(then=Exchange.stall),
        reply(without("")[: 10 - len(OBJECT)], then=Exchange.stall),
        lambda exchange: [exchange.send(byte) for byte in dripped(exchange)],
    ],
    ids=["no response", "stalls", "1 byte at a time"],
)
def test_a_response_below_the_minimum_rate_is_given_up(loopback: Loopback, slow: Handler) -> None:
    server = loopback.serve(slow, FINE)
    assert sha(read(ObjectReader(loopback.connect(server.url)), flows=True)) == sha(OBJECT)
    assert len(server.requests) == 2


def dripped(exchange: Exchange) -> Iterator[bytes]:
    """Yield a response byte by byte, far below the minimum rate, until the client hangs up."""
    data = without("")
    yield data[: -len(OBJECT)]
    for at in range(len(data) - len(OBJECT), len(data)):
        exchange.server.released.wait(0.05)
        yield data[at : at + 1]


UNUSUAL: dict[str, Handler] = {
    "endless trailers": endless_trailers,
    "interim responses": reply(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" * 3 + without("")),
    "chunked with extensions": reply(chunked(OBJECT[:7], OBJECT[7:])),
    "trailers": reply(chunked(OBJECT, end=b"0\r\nx-trailer: 1\r\n\r\n")),
    "ends with the connection": reply(
        b"HTTP/1.0 206 Reason\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items()).encode()
        + b"\r\n"
        + OBJECT,
        then=Exchange.hang_up,
    ),
    "more than announced": reply(without("") + b"more"),
    "folded and empty headers": reply(without("").replace(b"\r\n\r\n", b"\r\nx-empty:\r\n\r\n", 1)),
}


@pytest.mark.parametrize("unusual", UNUSUAL.values(), ids=UNUSUAL)
def test_an_unusual_response_is_read(loopback: Loopback, unusual: Handler) -> None:
    reader = ObjectReader(loopback.to(unusual, FINE))
    assert sha(read(reader, flows=True)) == sha(OBJECT)
    assert sha(read(reader, flows=True)) == sha(OBJECT)


SSE_C = (
    b"<Error><Code>InvalidRequest</Code><Message>The object was stored using a form of Server Side "
    b"Encryption. The correct parameters must be provided to retrieve the object.</Message></Error>"
)
NO_VERSION = (
    b"<Error><Code>InvalidArgument</Code><Message>Invalid version id specified</Message></Error>"
)
PERMANENT: dict[str, tuple[Handler, type[PermanentError]]] = {
    "404": (reply(error(404, "NoSuchKey")), SourceNotFound),
    "delete marker": (reply(error(405, "MethodNotAllowed")), SourceNotFound),
    "no such version": (reply(response(NO_VERSION, 400)), SourceNotFound),
    "SSE-C": (reply(response(SSE_C, 400)), SourceEncrypted),
    "disabled KMS key": (reply(error(400, "KMS.DisabledException")), SourceEncrypted),
    "403": (reply(error(403, "AccessDenied")), SourceForbidden),
    "wrong credentials": (reply(error(403, "InvalidAccessKeyId")), SourceForbidden),
    "another 400": (reply(error(400, "InvalidBucketName")), SourceForbidden),
    "redirect to another host": (
        reply(response(status=302, headers={"Location": "http://127.0.0.1:1/"})),
        SourceForbidden,
    ),
    "200 with HTML": (reply(response(HTML)), PermanentError),
    "200 with an error inside": (
        reply(response(b"<Error><Code>Oh</Code></Error>")),
        PermanentError,
    ),
}


@pytest.mark.parametrize(("answer", "expected"), PERMANENT.values(), ids=PERMANENT)
def test_a_permanent_error_takes_one_request(
    loopback: Loopback, answer: Handler, expected: type[PermanentError]
) -> None:
    server = loopback.serve(answer)
    with pytest.raises(expected):
        read(ObjectReader(loopback.connect(server.url)), flows=True)
    assert len(server.requests) == 1


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def serve_faults(urls: "Queue[str]", end: Event) -> None:
    """Run a server that breaks one response in ten until ``end``."""
    faults = [BROKEN["reset in the body"], BROKEN["503"], BROKEN["closed before the response"]]
    numbers = count(1)

    def sometimes(exchange: Exchange) -> None:
        number = next(numbers)
        (faults[number // 10 % 3] if number % 10 == 0 else FINE)(exchange)

    server = ScriptedServer(sometimes)
    urls.put(server.url)
    end.wait()
    server.close()


@pytest.mark.parametrize("reads", [2000, pytest.param(20_000, marks=pytest.mark.load)])
def test_thousands_of_reads_survive_faults_and_leave_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, reads: int
) -> None:
    """One response in ten is broken. No connection, descriptor, thread or memory stays.

    The server has a process of its own: what it keeps does not count.
    """
    monkeypatch.setattr(retry, "ATTEMPTS", 10)
    spawn = get_context("spawn")
    urls, end = spawn.Queue(), spawn.Event()
    server = spawn.Process(target=serve_faults, args=(urls, end), daemon=True)
    server.start()
    url = urls.get(timeout=WAIT_SECONDS)
    before = descriptors(), threading.active_count()
    with ExitStack() as opened:
        reader = ObjectReader(Loopback(opened).connect(url, connections=16))

        def read_once(_: int) -> str:
            return sha(read(reader, flows=True))

        with ThreadPoolExecutor(16) as threads:
            digests = set(threads.map(read_once, range(1000)))
            warm = resident_bytes()
            for _ in range(reads // 1000):
                digests.update(threads.map(read_once, range(1000)))
            grown = resident_bytes() - warm
    assert digests == {sha(OBJECT)}
    assert grown < 5_000_000
    after = descriptors(), threading.active_count()
    assert all(now <= then for now, then in zip(after, before, strict=True)), (before, after)
    end.set()
    server.join()
