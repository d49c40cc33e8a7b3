"""Responses, and bodies that flow when they are asked for."""

import socket
import threading
from functools import partial

import pytest

from tests.support.http_server import (
    Certificate,
    Exchange,
    Handler,
    error,
    make_certificate,
    reply,
    response,
)
from tests.support.waiting import WAIT_SECONDS, wait_for
from tests.unit.s3.loopback import Loopback, Received, get, noise, sha
from zipjobs.s3.http.transfer import (
    DRAINED_BYTES,
    RECEIVE_BYTES,
    Request,
    TransferError,
)

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


# What comes back.


def test_a_request_goes_out_as_it_was_given_and_signed(loopback: Loopback) -> None:
    server = loopback.serve(reply(response(b"hello", headers={"X-Amz-Id-2": "abc"})))
    received = Received()
    get = Request("/src/a%20b//%2B", "versionId=1", {"range": "bytes=0-9"}, received)
    loopback.connect(server.url).send(get)
    assert received.whole() == b"hello"
    assert (received.status, received.fields["x-amz-id-2"]) == (200, "abc")
    sent = server.requests[0]
    assert (sent.method, sent.target) == ("GET", "/src/a%20b//%2B?versionId=1")
    assert sent.headers["host"] == f"127.0.0.1:{server.port}"
    assert sent.headers["range"] == "bytes=0-9"
    assert "range;" in sent.headers["authorization"]


def dripping(data: bytes) -> Handler:
    return lambda exchange: exchange.drip(data)


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"
WAYS: dict[str, Handler] = {
    "at once": reply(response(b"hello")),
    "byte by byte": dripping(response(b"hello")),
    "headers, then body": reply(response(length=5), b"hello"),
    "after an interim response": reply(CONTINUE, response(b"hello")),
    "together with an interim response": reply(CONTINUE + response(b"hello")),
    "after several interim responses": reply(CONTINUE + HINTS, HINTS + response(b"hello")),
    "after an interim response, byte by byte": dripping(CONTINUE + HINTS + response(b"hello")),
    "chunked": reply(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    ),
    "chunked, byte by byte": dripping(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n"
        b"2\r\nhe\r\n3\r\nllo\r\n0\r\nx-t: 1\r\n\r\n"
    ),
    "until the connection closes": reply(b"HTTP/1.0 200 OK\r\n\r\nhello", then=Exchange.hang_up),
    "with nothing in the headers": reply(b"HTTP/1.1 200\r\n\r\nhello", then=Exchange.hang_up),
    "at last": reply(response(b"hello", headers={"Connection": "close"}), then=Exchange.hang_up),
}


@pytest.mark.parametrize("answer", WAYS.values(), ids=WAYS)
def test_a_body_arrives_whole_in_whatever_way_it_comes(loopback: Loopback, answer: Handler) -> None:
    client = loopback.to(answer, reply(response(b"next")))
    first = get(client)
    assert first.whole() == b"hello"
    assert first.status == 200
    assert get(client).whole() == b"next"
    assert first.ends == 1


def test_an_empty_body_ends_at_once_without_being_asked_for(loopback: Loopback) -> None:
    client = loopback.to(reply(response()), reply(b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert get(client, window=0).whole() == b""
    assert get(client, window=0).whole() == b""


def test_an_error_comes_with_its_chunked_body(loopback: Loopback) -> None:
    received = get(loopback.to(reply(error(503, "SlowDown"))))
    assert received.whole() == b"<Error><Code>SlowDown</Code></Error>"
    assert received.status == 503


def test_a_large_head_is_read_and_an_endless_one_is_not(loopback: Loopback) -> None:
    large = response(b"hello", headers={"X-Amz-Meta": "m" * 60_000})
    client = loopback.to(reply(large), reply(b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000))
    first = get(client)
    assert first.whole() == b"hello"
    assert len(first.fields["x-amz-meta"]) == 60_000
    assert isinstance(get(client).wait().error, TransferError)


BROKEN: dict[str, Handler] = {
    "no answer": reply(then=Exchange.hang_up),
    "no answer but a reset": reply(then=Exchange.reset),
    "half a head": reply(response(b"hello")[:20], then=Exchange.hang_up),
    "half a body": reply(response(b"hello")[:-2], then=Exchange.hang_up),
    "half a chunk": reply(error(404, "NoSuchKey")[:-10], then=Exchange.hang_up),
    "no HTTP": reply(b"220 smtp.example ESMTP\r\n\r\n"),
    "no length": reply(b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\nhello"),
    "a negative length": reply(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
    "no chunk": reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n"),
    "more than was announced": reply(response(b"hello", length=4)),
    "more, later": reply(response(length=4), b"hell", b"o" * 100_000),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_response_that_makes_no_sense_ends_with_an_error_and_the_next_one_is_read(
    loopback: Loopback, answer: Handler
) -> None:
    client = loopback.to(answer, reply(response(b"next")))
    first = get(client)
    if first.wait().error is None:  # what came too much may have come too late to be seen
        assert first.body == b"hell"
    assert get(client).whole() == b"next"
    assert first.ends == 1


def test_what_came_before_a_body_broke_off_is_kept(loopback: Loopback) -> None:
    body = noise(300_000)
    client = loopback.to(reply(response(body)[:-1], then=Exchange.hang_up))
    received = get(client).wait()
    assert isinstance(received.error, TransferError)
    assert sha(received.body) == sha(body[:-1])


def test_of_more_than_was_announced_nothing_is_taken_for_the_next_response(
    loopback: Loopback,
) -> None:
    server = loopback.serve(
        reply(response(b"hello") + response(b"nobody asked")), reply(response(b"next"))
    )
    client = loopback.connect(server.url)
    assert get(client, window=5).whole() == b"hello"
    assert get(client).whole() == b"next"
    assert server.connections == 2


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
    client = loopback.connect(server.url, ca_bundle=str(certificate.file))
    received = get(client, window=0)
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
    received = get(loopback.to(reply(response(body))), window=1)
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


def test_a_connection_that_breaks_while_nobody_reads_from_it_is_noticed_by_the_reader(
    loopback: Loopback,
) -> None:
    client = loopback.to(reply(response(noise(100_000), length=200_000), then=Exchange.reset))
    received = get(client, window=0)
    received.flow.let(200_000)
    assert isinstance(received.wait().error, TransferError)


def test_other_responses_flow_past_one_that_waits(loopback: Loopback) -> None:
    flood = Flood(4_000_000)
    client = loopback.to(flood, reply(response(b"hello")), connections=2)
    waiting = get(client, window=0)
    assert flood.is_held.wait(WAIT_SECONDS)
    assert [get(client).whole() for _ in range(20)] == [b"hello"] * 20
    waiting.flow.let(4_000_000)
    assert len(waiting.whole()) == 4_000_000


@pytest.mark.parametrize("rest", [1, DRAINED_BYTES])
def test_a_small_rest_is_dropped_and_its_connection_serves_again(
    loopback: Loopback, rest: int
) -> None:
    server = loopback.serve(reply(response(noise(1000 + rest))), reply(response(b"next")))
    client = loopback.connect(server.url)
    received = get(client, window=1000)
    received.flow.enough()
    assert received.whole() == noise(1000)
    assert get(client).whole() == b"next"
    assert server.connections == 1


def test_for_a_large_rest_the_connection_is_closed(loopback: Loopback) -> None:
    size = 8_000_000
    server = loopback.serve(reply(response(noise(size))), reply(response(b"next")))
    client = loopback.connect(server.url)
    received = get(client, window=1000)
    received.flow.enough()
    assert received.wait().error is not None
    assert len(received.body) == 1000
    assert get(client).whole() == b"next"
    assert server.connections == 2


def test_a_response_that_is_given_up_ends_with_an_error_and_frees_its_place(
    loopback: Loopback,
) -> None:
    client = loopback.to(Flood(4_000_000), reply(response(b"next")), connections=1)
    received = get(client, window=1000)
    received.flow.cancel()
    assert isinstance(received.wait().error, TransferError)
    assert get(client).whole() == b"next"
    for too_late in (received.flow.cancel, received.flow.enough, partial(received.flow.let, 5)):
        too_late()
    assert get(client).whole() == b"next"
    assert received.ends == 1


def test_what_is_asked_of_a_response_that_is_over_does_not_touch_the_next_one(
    loopback: Loopback,
) -> None:
    flood = Flood(4_000_000)
    server = loopback.serve(reply(response(b"hello")), flood)
    client = loopback.connect(server.url, connections=1)
    first = get(client)
    assert first.whole() == b"hello"
    second = get(client, window=1)
    assert flood.is_held.wait(WAIT_SECONDS)
    for too_late in (partial(first.flow.let, 5), first.flow.enough, first.flow.cancel):
        too_late()
    second.flow.let(9)
    wait_for("ten bytes", lambda: len(second.body) >= 10 or None)
    assert second.body == noise(10)
    assert server.connections == 1
