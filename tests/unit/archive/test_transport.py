"""Reads on sockets, against a server that does what it is told, and often the wrong thing."""

import errno
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http_server import (
    Answer,
    Certificate,
    Exchange,
    ScriptedServer,
    error,
    make_certificate,
    nobody_listens,
    response,
    say,
)
from tests.waiting import wait_for
from zipjobs.archive import connection as connection_module
from zipjobs.archive import reader as reader_module
from zipjobs.archive.connection import DRAINED_BYTES, RECEIVE_BYTES, BodyFlow, Get
from zipjobs.archive.reader import ObjectReader
from zipjobs.archive.source import Pinned, Source
from zipjobs.archive.transport import Transport
from zipjobs.archive.wire import MAX_HEAD_BYTES, WireError
from zipjobs.errors import ServiceUnavailable, ZipJobsError

ALL = 2**40
"""A window through which any body flows."""

WAIT_SECONDS = 20.0


class Received:
    """A receiver that keeps everything. ``window`` bytes flow at once, the rest when it is told."""

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
    """Makes servers and transports, and closes them."""

    def __init__(self, opened: ExitStack) -> None:
        self._opened = opened

    def serve(self, *answers: Answer, tls: Certificate | None = None) -> ScriptedServer:
        server = ScriptedServer(*answers, tls=tls.context() if tls else None)
        self._opened.callback(server.close)
        return server

    def connect(
        self, url: str, connections: int = 4, ca_bundle: str | None = None, **options: Any
    ) -> Transport:
        credentials = options.get("credentials", lambda: ReadOnlyCredentials("id", "key", None))
        transport = Transport(url, "us-east-1", credentials, connections, ca_bundle)
        self._opened.callback(transport.close)
        return transport

    def to(self, *answers: Answer, connections: int = 4) -> Transport:
        """A transport to a server with this script."""
        return self.connect(self.serve(*answers).url, connections)


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    with ExitStack() as opened:
        yield Loopback(opened)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "FIRST_PAUSE_SECONDS", 0.001)


def get(transport: Transport, path: str = "/src/a", window: int = ALL) -> Received:
    received = Received(window)
    transport.send(Get(path, "", {}, received))
    return received


def sha(data: bytes | bytearray) -> str:
    return hashlib.sha256(data).hexdigest()


def noise(size: int) -> bytes:
    return hashlib.shake_128(b"noise").digest(size)


# What comes back.


def test_a_request_goes_out_as_it_was_given_and_signed(loopback: Loopback) -> None:
    server = loopback.serve(say(response(b"hello", headers={"X-Amz-Id-2": "abc"})))
    received = Received()
    get = Get("/src/a%20b//%2B", "versionId=1", {"range": "bytes=0-9"}, received)
    loopback.connect(server.url).send(get)
    assert received.whole() == b"hello"
    assert (received.status, received.fields["x-amz-id-2"]) == (200, "abc")
    sent = server.requests[0]
    assert (sent.method, sent.target) == ("GET", "/src/a%20b//%2B?versionId=1")
    assert sent.headers["host"] == f"127.0.0.1:{server.port}"
    assert sent.headers["range"] == "bytes=0-9"
    assert "range;" in sent.headers["authorization"]


def dripping(data: bytes) -> Answer:
    return lambda exchange: exchange.drip(data)


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"
WAYS: dict[str, Answer] = {
    "at once": say(response(b"hello")),
    "byte by byte": dripping(response(b"hello")),
    "headers, then body": say(response(length=5), b"hello"),
    "after an interim response": say(CONTINUE, response(b"hello")),
    "together with an interim response": say(CONTINUE + response(b"hello")),
    "after several interim responses": say(CONTINUE + HINTS, HINTS + response(b"hello")),
    "after an interim response, byte by byte": dripping(CONTINUE + HINTS + response(b"hello")),
    "chunked": say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    "chunked, byte by byte": dripping(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n"
        b"2\r\nhe\r\n3\r\nllo\r\n0\r\nx-t: 1\r\n\r\n"
    ),
    "until the connection closes": say(b"HTTP/1.0 200 OK\r\n\r\nhello", then=Exchange.hang_up),
    "with nothing in the headers": say(b"HTTP/1.1 200\r\n\r\nhello", then=Exchange.hang_up),
    "at last": say(response(b"hello", headers={"Connection": "close"}), then=Exchange.hang_up),
}


@pytest.mark.parametrize("answer", WAYS.values(), ids=WAYS)
def test_a_body_arrives_whole_in_whatever_way_it_comes(loopback: Loopback, answer: Answer) -> None:
    transport = loopback.to(answer, say(response(b"next")))
    first = get(transport)
    assert first.whole() == b"hello"
    assert first.status == 200
    assert get(transport).whole() == b"next"
    assert first.ends == 1


def test_an_empty_body_ends_at_once_without_being_asked_for(loopback: Loopback) -> None:
    transport = loopback.to(say(response()), say(b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert get(transport, window=0).whole() == b""
    assert get(transport, window=0).whole() == b""


def test_an_error_comes_with_its_chunked_body(loopback: Loopback) -> None:
    received = get(loopback.to(say(error(503, "SlowDown"))))
    assert received.whole() == b"<Error><Code>SlowDown</Code></Error>"
    assert received.status == 503


def test_a_large_head_is_read_and_an_endless_one_is_not(loopback: Loopback) -> None:
    large = response(b"hello", headers={"X-Amz-Meta": "m" * (MAX_HEAD_BYTES - 100)})
    transport = loopback.to(say(large), say(b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000))
    first = get(transport)
    assert first.whole() == b"hello"
    assert len(first.fields["x-amz-meta"]) == MAX_HEAD_BYTES - 100
    assert isinstance(get(transport).wait().error, WireError)


BROKEN: dict[str, Answer] = {
    "no answer": say(then=Exchange.hang_up),
    "no answer but a reset": say(then=Exchange.reset),
    "half a head": say(response(b"hello")[:20], then=Exchange.hang_up),
    "half a body": say(response(b"hello")[:-2], then=Exchange.hang_up),
    "half a chunk": say(error(404, "NoSuchKey")[:-10], then=Exchange.hang_up),
    "no HTTP": say(b"220 smtp.example ESMTP\r\n\r\n"),
    "no length": say(b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\nhello"),
    "a negative length": say(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
    "no chunk": say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n"),
    "more than was announced": say(response(b"hello", length=4)),
    "more, later": say(response(length=4), b"hell", b"o" * 100_000),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_response_that_makes_no_sense_ends_with_an_error_and_the_next_one_is_read(
    loopback: Loopback, answer: Answer
) -> None:
    transport = loopback.to(answer, say(response(b"next")))
    first = get(transport)
    if first.wait().error is None:  # what came too much may have come too late to be seen
        assert first.body == b"hell"
    assert get(transport).whole() == b"next"
    assert first.ends == 1


def test_what_came_before_a_body_broke_off_is_kept(loopback: Loopback) -> None:
    body = noise(300_000)
    transport = loopback.to(say(response(body)[:-1], then=Exchange.hang_up))
    received = get(transport).wait()
    assert isinstance(received.error, WireError)
    assert sha(received.body) == sha(body[:-1])


def test_of_more_than_was_announced_nothing_is_taken_for_the_next_response(
    loopback: Loopback,
) -> None:
    server = loopback.serve(
        say(response(b"hello") + response(b"nobody asked")), say(response(b"next"))
    )
    transport = loopback.connect(server.url)
    assert get(transport, window=5).whole() == b"hello"
    assert get(transport).whole() == b"next"
    assert server.connections == 2


def test_a_response_that_nobody_asked_for_ends_its_connection(loopback: Loopback) -> None:
    def chatter(exchange: Exchange) -> None:
        exchange.send(response(b"hello"))
        assert seen.wait(WAIT_SECONDS)
        exchange.send(response(b"and another thing"))

    seen = threading.Event()
    transport = loopback.to(chatter, say(response(b"next")))
    assert get(transport).whole() == b"hello"
    seen.set()
    wait_for("the connection to be closed", lambda: not transport._connections or None)
    assert get(transport).whole() == b"next"


# A body flows when it is asked for.


class Flood:
    """An answer of ``size`` bytes that notes how far it got before it had to wait."""

    def __init__(self, size: int) -> None:
        self.body = noise(size)
        self.sent = 0
        self.is_held = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        exchange.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, RECEIVE_BYTES)
        exchange.send(response(length=len(self.body)))
        exchange.socket.settimeout(0.2)
        view = memoryview(self.body)
        while self.sent < len(self.body):
            try:
                self.sent += exchange.socket.send(view[self.sent :])
            except TimeoutError:
                self.is_held.set()
                exchange.socket.settimeout(WAIT_SECONDS)


@pytest.mark.parametrize("is_secret", [False, True], ids=["in the clear", "TLS"])
def test_a_body_that_nobody_wants_yet_waits_at_the_server(
    loopback: Loopback, certificate: Certificate, is_secret: bool
) -> None:
    flood = Flood(8_000_000)
    server = loopback.serve(flood, tls=certificate if is_secret else None)
    transport = loopback.connect(server.url, ca_bundle=str(certificate.file))
    received = get(transport, window=0)
    assert flood.is_held.wait(WAIT_SECONDS)
    assert flood.sent < 8 * RECEIVE_BYTES
    assert received.body == b""
    received.flow.let(1_000_000)
    wait_for("what was let flow", lambda: len(received.body) >= 1_000_000 or None)
    assert len(received.body) == 1_000_000
    received.flow.let(7_000_000)
    assert sha(received.whole()) == sha(flood.body)


def test_a_body_flows_in_steps_of_any_size(loopback: Loopback) -> None:
    body = noise(200_000)
    received = get(loopback.to(say(response(body))), window=1)
    steps = [1, 2, 1000, 32_768, 32_769, 0, 100, 200_000]
    for step in steps:
        received.flow.let(step)
    assert sha(received.whole()) == sha(body)


def test_a_response_is_read_to_its_end_though_the_server_has_hung_up(loopback: Loopback) -> None:
    body = noise(100_000)
    has_hung_up = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.send(response(body))
        exchange.hang_up()
        has_hung_up.set()

    received = get(loopback.to(answer), window=0)
    assert has_hung_up.wait(WAIT_SECONDS)
    received.flow.let(100_000)
    assert sha(received.whole()) == sha(body)


def test_a_connection_that_breaks_while_nobody_reads_from_it_is_noticed(
    loopback: Loopback,
) -> None:
    transport = loopback.to(say(response(noise(100_000), length=200_000), then=Exchange.reset))
    received = get(transport, window=0)
    assert isinstance(received.wait().error, Exception)
    assert not transport._connections


def test_other_responses_flow_past_one_that_waits(loopback: Loopback) -> None:
    flood = Flood(4_000_000)
    transport = loopback.to(flood, say(response(b"hello")), connections=2)
    waiting = get(transport, window=0)
    assert flood.is_held.wait(WAIT_SECONDS)
    assert [get(transport).whole() for _ in range(20)] == [b"hello"] * 20
    waiting.flow.let(4_000_000)
    assert len(waiting.whole()) == 4_000_000


@pytest.mark.parametrize("rest", [1, DRAINED_BYTES])
def test_a_small_rest_is_dropped_and_its_connection_serves_again(
    loopback: Loopback, rest: int
) -> None:
    server = loopback.serve(say(response(noise(1000 + rest))), say(response(b"next")))
    transport = loopback.connect(server.url)
    received = get(transport, window=1000)
    received.flow.enough()
    assert received.whole() == noise(1000)
    assert get(transport).whole() == b"next"
    assert server.connections == 1


def test_for_a_large_rest_the_connection_is_closed(loopback: Loopback) -> None:
    size = 8_000_000
    server = loopback.serve(say(response(noise(size))), say(response(b"next")))
    transport = loopback.connect(server.url)
    received = get(transport, window=1000)
    received.flow.enough()
    assert received.wait().error is not None
    assert len(received.body) == 1000
    assert get(transport).whole() == b"next"
    assert server.connections == 2


def test_a_response_that_is_given_up_ends_with_an_error_and_frees_its_place(
    loopback: Loopback,
) -> None:
    transport = loopback.to(Flood(4_000_000), say(response(b"next")), connections=1)
    received = get(transport, window=1000)
    received.flow.cancel()
    assert isinstance(received.wait().error, WireError)
    assert get(transport).whole() == b"next"
    for too_late in (received.flow.cancel, received.flow.enough, partial(received.flow.let, 5)):
        too_late()
    assert get(transport).whole() == b"next"
    assert received.ends == 1


def test_what_is_asked_of_a_response_that_is_over_does_not_touch_the_next_one(
    loopback: Loopback,
) -> None:
    flood = Flood(4_000_000)
    server = loopback.serve(say(response(b"hello")), flood)
    transport = loopback.connect(server.url, connections=1)
    first = get(transport)
    assert first.whole() == b"hello"
    second = get(transport, window=1)
    assert flood.is_held.wait(WAIT_SECONDS)
    for too_late in (partial(first.flow.let, 5), first.flow.enough, first.flow.cancel):
        too_late()
    second.flow.let(9)
    wait_for("ten bytes", lambda: len(second.body) >= 10 or None)
    assert second.body == noise(10)
    assert server.connections == 1


# Connections.


def test_a_connection_is_used_again_and_no_more_are_made_than_needed(loopback: Loopback) -> None:
    server = loopback.serve(say(response(b"hello")))
    transport = loopback.connect(server.url)
    assert [get(transport).whole() for _ in range(20)] == [b"hello"] * 20
    assert server.connections == 1


def test_a_connection_is_not_used_again_if_the_server_will_close_it(loopback: Loopback) -> None:
    server = loopback.serve(say(response(b"hello", headers={"Connection": "close"})))
    transport = loopback.connect(server.url)
    assert [get(transport).whole() for _ in range(3)] == [b"hello"] * 3
    assert server.connections == 3


def test_there_are_never_more_connections_than_allowed(loopback: Loopback) -> None:
    def wait(exchange: Exchange) -> None:
        exchange.stall()
        exchange.send(response(b"hello"))

    server = loopback.serve(wait)
    transport = loopback.connect(server.url, connections=3)
    received = [get(transport) for _ in range(12)]
    wait_for("three requests", lambda: len(server.requests) == 3 or None)
    server.released.set()
    assert [each.whole() for each in received] == [b"hello"] * 12
    assert server.connections == server.most_at_once == 3


def test_connections_that_the_server_closed_meanwhile_are_replaced(loopback: Loopback) -> None:
    server = loopback.serve(say(response(b"hello")))
    transport = loopback.connect(server.url)
    assert get(transport).whole() == b"hello"
    server.hang_up()
    wait_for("the close to be noticed", lambda: not transport._connections or None)
    assert get(transport).whole() == b"hello"
    assert server.connections == 2


def test_many_threads_share_a_transport(loopback: Loopback) -> None:
    def echo(exchange: Exchange) -> None:
        number = int(exchange.request.target.rpartition("/")[2])
        exchange.send(response(noise(1000 + 7 * number)))

    server = loopback.serve(echo)
    transport = loopback.connect(server.url, connections=8)

    def read(number: int) -> bool:
        return sha(get(transport, f"/src/{number}").whole()) == sha(noise(1000 + 7 * number))

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(read, range(600)))
    assert server.connections <= 8
    assert len(server.requests) == 600


def test_closing_ends_what_is_under_way_what_waits_and_what_comes_after(
    loopback: Loopback,
) -> None:
    server = loopback.serve(say(then=Exchange.stall))
    transport = loopback.connect(server.url, connections=2)
    received = [get(transport) for _ in range(5)]
    wait_for("two requests", lambda: len(server.requests) == 2 or None)
    transport.close()
    received.append(get(transport))
    assert all(isinstance(each.wait().error, WireError) for each in received)
    assert [each.ends for each in received] == [1] * 6
    transport.close()


def test_a_receiver_that_fails_loses_its_response_and_no_other(loopback: Loopback) -> None:
    class Fails(Received):
        def headers(self, status: int, headers: Mapping[str, str], body: BodyFlow) -> None:
            raise KeyError("content-range")

    transport = loopback.to(say(response(b"hello")), connections=1)
    received = Fails()
    transport.send(Get("/src/a", "", {}, received))
    assert isinstance(received.wait().error, KeyError)
    assert get(transport).whole() == b"hello"


def test_without_credentials_a_request_fails_and_no_other(loopback: Loopback) -> None:
    answers: list[ReadOnlyCredentials | Exception] = [
        RuntimeError("no credentials"),
        ReadOnlyCredentials("id", "key", None),
    ]

    def credentials() -> ReadOnlyCredentials:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    server = loopback.serve(say(response(b"hello")))
    transport = loopback.connect(server.url, credentials=credentials)
    assert str(get(transport).wait().error) == "no credentials"
    assert get(transport).whole() == b"hello"


# Trouble on the way there.


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_refuses_is_reported(loopback: Loopback, scheme: str) -> None:
    with nobody_listens() as port:
        received = get(loopback.connect(f"{scheme}://127.0.0.1:{port}"))
        assert isinstance(received.wait().error, OSError)
    assert received.status == 0


def test_a_host_without_an_address_is_reported(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    server = loopback.serve(say(response(b"hello")))
    transport = loopback.connect(server.url)
    with monkeypatch.context() as nameless:
        nameless.setattr(socket, "getaddrinfo", fail)
        assert isinstance(get(transport).wait().error, socket.gaierror)
    assert get(transport).whole() == b"hello"


def test_an_address_that_refuses_is_not_tried_again_and_again(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = loopback.serve(say(response(b"hello", headers={"Connection": "close"})))
    with nobody_listens() as dead:
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
            for port in (dead, server.port)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        transport = loopback.connect(f"http://127.0.0.1:{dead}")
        assert isinstance(get(transport).wait().error, OSError)
        assert [get(transport).whole() for _ in range(4)] == [b"hello"] * 4


def test_addresses_are_used_in_turn(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = say(response(b"hello", headers={"Connection": "close"}))
    servers = [loopback.serve(answer), loopback.serve(answer)]
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
        for server in servers
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    transport = loopback.connect("http://s3.example")
    assert [get(transport).whole() for _ in range(6)] == [b"hello"] * 6
    assert [server.connections for server in servers] == [3, 3]


def test_a_server_that_does_not_complete_a_connection_is_given_up(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "CONNECT_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # never speaks TLS
        transport = loopback.connect(f"https://127.0.0.1:{silent.getsockname()[1]}")
        assert isinstance(get(transport).wait().error, TimeoutError)


def test_a_response_that_stalls_is_given_up_but_not_one_that_nobody_reads(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "STALL_SECONDS", 0.01)
    server = loopback.serve(
        say(response(b"hello")),
        say(then=Exchange.stall),
        say(response(length=5), b"hel", then=Exchange.stall),
        say(response(b"next")),
    )
    transport = loopback.connect(server.url)
    patient = get(transport, window=0)
    assert patient.began.wait(WAIT_SECONDS)
    silent, stalled = get(transport), get(transport)
    assert isinstance(silent.wait().error, TimeoutError)
    assert isinstance(stalled.wait().error, TimeoutError)
    assert b"" in (silent.body, stalled.body)
    patient.flow.let(5)
    assert patient.whole() == b"hello"
    assert get(transport).whole() == b"next"


# TLS.


def test_tls_carries_bodies_of_any_size_on_one_connection(
    loopback: Loopback, certificate: Certificate
) -> None:
    sizes = [0, 1, 16_384, 16_385, 100_000, 1_000_000]
    server = loopback.serve(*(say(response(noise(size))) for size in sizes), tls=certificate)
    transport = loopback.connect(server.url, ca_bundle=str(certificate.file))
    for size in sizes:
        assert sha(get(transport).whole()) == sha(noise(size))
    assert server.connections == 1


def test_tls_bodies_flow_in_steps_though_more_of_them_has_been_decrypted(
    loopback: Loopback, certificate: Certificate
) -> None:
    """What has been decrypted is no longer at the socket, which has nothing to report then."""
    body = noise(10_000)  # one record
    server = loopback.serve(say(response(length=10_000), body), tls=certificate)
    received = get(loopback.connect(server.url, ca_bundle=str(certificate.file)), window=10)
    for step in (90, 900, 9000):
        before = len(received.body)
        received.flow.let(step)
        wait_for("the step", lambda: len(received.body) - before or None)  # noqa: B023
    assert sha(received.whole()) == sha(body)


def test_a_certificate_that_nobody_vouches_for_is_an_error(
    loopback: Loopback, certificate: Certificate
) -> None:
    server = loopback.serve(say(response(b"hello")), tls=certificate)
    received = get(loopback.connect(server.url)).wait()
    assert "CERTIFICATE_VERIFY_FAILED" in str(received.error)
    assert server.requests == []


def test_a_certificate_of_another_host_is_an_error(
    loopback: Loopback, certificate: Certificate
) -> None:
    server = loopback.serve(say(response(b"hello")), tls=certificate)
    url = f"https://localhost:{server.port}"
    transport = loopback.connect(url, ca_bundle=str(certificate.file))
    errors = [get(transport).wait().error for _ in range(2)]  # localhost may have two addresses
    assert any("CERTIFICATE_VERIFY_FAILED" in str(error) for error in errors)
    assert server.requests == []


@pytest.mark.parametrize("end", [Exchange.hang_up, Exchange.reset])
def test_tls_that_breaks_off_is_an_error(
    loopback: Loopback, certificate: Certificate, end: Answer
) -> None:
    broken = say(response(noise(100_000))[:-1], then=end)
    server = loopback.serve(broken, say(response(b"next")), tls=certificate)
    transport = loopback.connect(server.url, ca_bundle=str(certificate.file))
    assert get(transport).wait().error is not None
    assert get(transport).whole() == b"next"


def test_a_connection_that_breaks_before_tls_begins_is_an_error(
    loopback: Loopback, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ssl closes the socket itself then, so nothing is left to be taken from epoll."""
    server = loopback.serve(say(response(b"hello")), tls=certificate)
    transport = loopback.connect(server.url, ca_bundle=str(certificate.file))
    assert transport.tls is not None
    with monkeypatch.context() as broken:

        def wrap(own: socket.socket, **_: object) -> None:
            own.close()
            raise ConnectionResetError(errno.ECONNRESET, "reset")

        broken.setattr(transport, "tls", _Tls(wrap))
        assert isinstance(get(transport).wait().error, ConnectionResetError)
    assert get(transport).whole() == b"hello"


class _Tls:
    def __init__(self, wrap_socket: Callable[..., None]) -> None:
        self.wrap_socket = wrap_socket


# Through the reader.


class Sink:
    """A reader's sink that lets everything flow, and keeps it."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.error: ZipJobsError | None = None
        self.over = threading.Event()
        self.has_begun = threading.Event()
        self.length = 0

    def found(self, pinned: Pinned, length: int) -> None:
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


def read(reader: ObjectReader, key: str = "a") -> bytes:
    sink = Sink()
    under_way = reader.read(Source("src", key), 0, 1_000_000, sink, None)
    assert sink.has_begun.wait(WAIT_SECONDS)
    if sink.error is None:
        under_way.proceed(sink.length)
    assert sink.over.wait(WAIT_SECONDS)
    if sink.error is not None:
        raise sink.error
    return bytes(sink.body)


def an_object(
    body: bytes, come: int | None = None, then: Answer | None = None, length: int | None = None
) -> Answer:
    """Serves the range that is asked for, or the first ``come`` bytes of it."""

    def answer(exchange: Exchange) -> None:
        wanted = exchange.request.headers["range"].removeprefix("bytes=").split("-")
        first, last = int(wanted[0]), min(int(wanted[1]), len(body) - 1)
        headers = {
            "ETag": '"e"',
            "Last-Modified": "Sun, 01 Nov 2026 12:00:00 GMT",
            "Content-Range": f"bytes {first}-{last}/{len(body)}",
        }
        announced = last + 1 - first if length is None else length
        exchange.send(response(body[first : last + 1][:come], 206, headers, announced))
        if then is not None:
            then(exchange)

    return answer


def moved(status: int = 301, region: str = "eu-west-1") -> Answer:
    code = b"<Error><Code>PermanentRedirect</Code></Error>"
    return say(response(code, status, {"x-amz-bucket-region": region}))


OBJECT = hashlib.shake_128(b"object").digest(300_000)
TROUBLE: list[Callable[[int], Answer]] = [
    lambda size: an_object(OBJECT, size, Exchange.hang_up),
    lambda size: an_object(OBJECT, size, Exchange.reset),
    lambda size: an_object(OBJECT, size, length=size),
    lambda size: an_object(OBJECT, length=size, then=Exchange.hang_up),
    lambda size: say(response(b"x" * (size), 503)),
    lambda size: say(error(500, "InternalError")),
    lambda size: say(response(OBJECT, 206)),
    lambda size: say(OBJECT[:size], then=Exchange.hang_up),
    lambda size: say(then=Exchange.reset),
]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.sampled_from(TROUBLE), st.integers(0, 15_000) | st.integers(0, 300_000)),
        max_size=reader_module.ATTEMPTS - 1,
    )
)
def test_whatever_goes_wrong_on_the_way_what_arrives_is_the_object(
    troubled: tuple[ScriptedServer, ObjectReader],
    troubles: list[tuple[Callable[[int], Answer], int]],
) -> None:
    server, reader = troubled
    server.follow(*(trouble(size) for trouble, size in troubles), an_object(OBJECT))
    assert sha(read(reader)) == sha(OBJECT)


@pytest.fixture
def troubled(loopback: Loopback) -> tuple[ScriptedServer, ObjectReader]:
    server = loopback.serve(an_object(OBJECT))
    return server, ObjectReader(loopback.connect(server.url))


def test_a_connection_closed_under_a_request_is_no_trouble_to_the_reader(
    loopback: Loopback,
) -> None:
    """The server closes idle connections just when they are used again, all of them."""
    server = loopback.serve(an_object(b"hello"))
    transport = loopback.connect(server.url, connections=8)
    reader = ObjectReader(transport)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: read(reader), range(40)))
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            held.set()
            release.wait(WAIT_SECONDS)

        transport.call(hold)
        assert held.wait(WAIT_SECONDS)
        server.hang_up()
        bodies = [threads.submit(read, reader) for _ in range(8)]
        wait_for("the requests", lambda: len(transport._waiting) == 8 or None)
        release.set()
        assert [body.result() for body in bodies] == [b"hello"] * 8


@pytest.mark.parametrize("status", reader_module.MOVED)
def test_a_bucket_of_another_region_is_read_there_and_the_next_time_at_once(
    loopback: Loopback, status: int
) -> None:
    near, far = loopback.serve(moved(status)), loopback.serve(an_object(b"hello"))
    regions = []

    def connect(region: str) -> Transport:
        regions.append(region)
        return loopback.connect(far.url)

    reader = ObjectReader(loopback.connect(near.url), connect)
    assert [read(reader) for _ in range(3)] == [b"hello"] * 3
    assert regions == ["eu-west-1"]
    assert (len(near.requests), len(far.requests)) == (1, 3)


def test_many_reads_that_learn_of_a_region_at_once_connect_to_it_once(loopback: Loopback) -> None:
    near, far = loopback.serve(moved()), loopback.serve(an_object(b"hello"))
    regions = []

    def connect(region: str) -> Transport:
        regions.append(region)
        return loopback.connect(far.url)

    reader = ObjectReader(loopback.connect(near.url, connections=8), connect)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: read(reader), range(8))) == [b"hello"] * 8
    assert regions == ["eu-west-1"]


def test_buckets_of_a_region_share_its_connections(loopback: Loopback) -> None:
    near, far = loopback.serve(moved()), loopback.serve(an_object(b"hello"))
    regions = []

    def connect(region: str) -> Transport:
        regions.append(region)
        return loopback.connect(far.url)

    reader = ObjectReader(loopback.connect(near.url), connect)
    for bucket in ("one", "two"):
        assert reader.found_in(bucket, "eu-west-1")
    assert regions == ["eu-west-1"]
    assert reader.transport_of("one") is reader.transport_of("two")
    assert reader.transport_of("three") is not reader.transport_of("one")


@pytest.mark.parametrize("is_elsewhere", [True, False], ids=["another region", "no other region"])
def test_a_region_that_sends_on_and_on_is_given_up(loopback: Loopback, is_elsewhere: bool) -> None:
    near, far = loopback.serve(moved()), loopback.serve(moved(region="us-east-1"))

    def connect(region: str) -> Transport:
        return loopback.connect(far.url)

    reader = ObjectReader(loopback.connect(near.url), connect if is_elsewhere else None)
    with pytest.raises(ServiceUnavailable, match="PermanentRedirect"):
        read(reader)
    assert len(near.requests) + len(far.requests) <= reader_module.ATTEMPTS + 1


def test_a_read_that_is_given_up_before_its_answer_leaves_no_connection_waiting(
    loopback: Loopback,
) -> None:
    def late(exchange: Exchange) -> None:
        exchange.stall()
        an_object(OBJECT)(exchange)

    server = loopback.serve(late)
    transport = loopback.connect(server.url, connections=1)
    sink = Sink()
    under_way = ObjectReader(transport).read(Source("src", "a"), 0, 1000, sink, None)
    wait_for("the request", lambda: server.requests or None)
    under_way.cancel()
    server.released.set()
    assert sink.over.wait(WAIT_SECONDS)
    assert isinstance(sink.error, ServiceUnavailable)
    assert not transport._connections


def test_a_read_that_is_given_up_in_a_pause_is_not_tried_again(loopback: Loopback) -> None:
    server = loopback.serve(say(error(503, "SlowDown")))
    sink = Sink()
    reader = ObjectReader(loopback.connect(server.url))
    under_way = reader.read(Source("src", "a"), 0, 1000, sink, None)
    under_way.cancel()
    assert sink.over.wait(WAIT_SECONDS)
    assert len(server.requests) <= 1


@pytest.mark.parametrize("status", [200, 403, 500])
def test_an_answer_that_goes_on_and_on_is_not_read_to_its_end(
    loopback: Loopback, status: int
) -> None:
    reader = ObjectReader(loopback.to(say(response(noise(1_000_000), status))))
    with pytest.raises(ZipJobsError):
        read(reader)


def test_a_region_that_cannot_be_connected_to_ends_the_read(loopback: Loopback) -> None:
    def connect(region: str) -> Transport:
        raise ValueError(f"no {region}")

    reader = ObjectReader(loopback.to(moved()), connect)
    with pytest.raises(ServiceUnavailable, match="no eu-west-1"):
        read(reader)
