"""Connections of a client: how many, their end, and TLS."""

import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.credentials import ReadOnlyCredentials

from tests.support.http_server import (
    Certificate,
    Exchange,
    Handler,
    closed_port,
    make_certificate,
    reply,
    response,
)
from tests.support.waiting import WAIT_SECONDS, wait_for
from tests.unit.s3.loopback import Loopback, Received, get, noise, sha
from zipjobs.s3.http import transfer as transfer_module
from zipjobs.s3.http.transfer import (
    BodyFlow,
    ClientClosed,
    Request,
    TransferError,
)

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


# Connections.


def test_a_connection_is_used_again_and_no_more_are_made_than_needed(loopback: Loopback) -> None:
    server = loopback.serve(reply(response(b"hello")))
    client = loopback.connect(server.url)
    assert [get(client).whole() for _ in range(20)] == [b"hello"] * 20
    assert server.connections == 1


def test_a_connection_is_not_used_again_if_the_server_will_close_it(loopback: Loopback) -> None:
    server = loopback.serve(reply(response(b"hello", headers={"Connection": "close"})))
    client = loopback.connect(server.url)
    assert [get(client).whole() for _ in range(3)] == [b"hello"] * 3
    assert server.connections == 3


def test_there_are_never_more_connections_than_allowed(loopback: Loopback) -> None:
    def wait(exchange: Exchange) -> None:
        exchange.stall()
        exchange.send(response(b"hello"))

    server = loopback.serve(wait)
    client = loopback.connect(server.url, connections=3)
    received = [get(client) for _ in range(12)]
    wait_for("three requests", lambda: len(server.requests) == 3 or None)
    server.released.set()
    assert [each.whole() for each in received] == [b"hello"] * 12
    assert server.connections == server.most_at_once == 3


def test_many_threads_share_a_client(loopback: Loopback) -> None:
    def echo(exchange: Exchange) -> None:
        number = int(exchange.request.target.rpartition("/")[2])
        exchange.send(response(noise(1000 + 7 * number)))

    server = loopback.serve(echo)
    client = loopback.connect(server.url, connections=8)

    def read(number: int) -> bool:
        return sha(get(client, f"/src/{number}").whole()) == sha(noise(1000 + 7 * number))

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(read, range(600)))
    assert server.connections <= 8
    assert len(server.requests) == 600


def test_closing_ends_what_is_under_way_what_waits_and_what_comes_after(
    loopback: Loopback,
) -> None:
    server = loopback.serve(reply(then=Exchange.stall))
    client = loopback.connect(server.url, connections=2)
    received = [get(client) for _ in range(5)]
    wait_for("two requests", lambda: len(server.requests) == 2 or None)
    client.close()
    received.append(get(client))
    assert all(isinstance(each.wait().error, TransferError) for each in received)
    assert [each.ends for each in received] == [1] * 6
    client.close()


def test_a_receiver_that_fails_loses_its_response_and_no_other(loopback: Loopback) -> None:
    class Fails(Received):
        def headers(self, status: int, headers: Mapping[str, str], body: BodyFlow) -> None:
            raise KeyError("content-range")

    client = loopback.to(reply(response(b"hello")), connections=1)
    received = Fails()
    client.send(Request("/src/a", "", {}, received))
    assert isinstance(received.wait().error, KeyError)
    assert get(client).whole() == b"hello"


def test_a_client_whose_receiver_breaks_its_thread_ends_all_requests(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    class Breaks(Received):
        def end(self, error: Exception | None) -> None:
            super().end(error)
            raise RuntimeError("a defect")

    server = loopback.serve(reply(response(b"hello")), reply(then=Exchange.stall))
    client = loopback.connect(server.url)
    breaks = Breaks()
    client.send(Request("/src/a", "", {}, breaks))
    breaks.wait()
    assert isinstance(get(client).wait().error, ClientClosed)
    assert "a defect" in caplog.text


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

    server = loopback.serve(reply(response(b"hello")))
    client = loopback.connect(server.url, credentials=credentials)
    assert str(get(client).wait().error) == "no credentials"
    assert get(client).whole() == b"hello"


# Trouble on the way there.


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_refuses_is_reported(loopback: Loopback, scheme: str) -> None:
    with closed_port() as port:
        received = get(loopback.connect(f"{scheme}://127.0.0.1:{port}"))
        assert isinstance(received.wait().error, TransferError)
    assert received.status == 0


def test_a_server_that_does_not_complete_a_connection_is_given_up(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer_module, "CONNECT_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # never speaks TLS
        client = loopback.connect(f"https://127.0.0.1:{silent.getsockname()[1]}")
        assert isinstance(get(client).wait().error, TransferError)


@pytest.mark.usefixtures("brisk")
def test_a_response_that_stalls_is_given_up_but_not_one_that_nobody_reads(
    loopback: Loopback,
) -> None:
    server = loopback.serve(
        reply(response(b"hello")),
        reply(then=Exchange.stall),
        reply(response(length=5), b"hel", then=Exchange.stall),
        reply(response(b"next")),
    )
    client = loopback.connect(server.url)
    patient = get(client, window=0)
    assert patient.began.wait(WAIT_SECONDS)
    silent, stalled = get(client), get(client)
    assert isinstance(silent.wait().error, TransferError)
    assert isinstance(stalled.wait().error, TransferError)
    assert b"" in (silent.body, stalled.body)
    patient.flow.let(5)
    assert patient.whole() == b"hello"
    assert get(client).whole() == b"next"


# TLS.


def test_tls_carries_bodies_of_any_size_on_one_connection(
    loopback: Loopback, certificate: Certificate
) -> None:
    sizes = [0, 1, 16_384, 16_385, 100_000, 1_000_000]
    server = loopback.serve(*(reply(response(noise(size))) for size in sizes), tls=certificate)
    client = loopback.connect(server.url, ca_bundle=str(certificate.file))
    for size in sizes:
        assert sha(get(client).whole()) == sha(noise(size))
    assert server.connections == 1


def test_tls_bodies_flow_in_steps_though_more_of_them_has_been_decrypted(
    loopback: Loopback, certificate: Certificate
) -> None:
    """What has been decrypted is no longer at the socket, which has nothing to report then."""
    body = noise(10_000)  # one record
    server = loopback.serve(reply(response(length=10_000), body), tls=certificate)
    received = get(loopback.connect(server.url, ca_bundle=str(certificate.file)), window=10)
    for step in (90, 900, 9000):
        before = len(received.body)
        received.flow.let(step)
        wait_for("the step", lambda: len(received.body) - before or None)  # noqa: B023
    assert sha(received.whole()) == sha(body)


def test_a_certificate_that_nobody_vouches_for_is_an_error(
    loopback: Loopback, certificate: Certificate
) -> None:
    server = loopback.serve(reply(response(b"hello")), tls=certificate)
    received = get(loopback.connect(server.url)).wait()
    assert "SSL certificate" in str(received.error)
    assert server.requests == []


@pytest.mark.parametrize("end", [Exchange.hang_up, Exchange.reset])
def test_tls_that_breaks_off_is_an_error(
    loopback: Loopback, certificate: Certificate, end: Handler
) -> None:
    broken = reply(response(noise(100_000))[:-1], then=end)
    server = loopback.serve(broken, reply(response(b"next")), tls=certificate)
    client = loopback.connect(server.url, ca_bundle=str(certificate.file))
    assert get(client).wait().error is not None
    assert get(client).whole() == b"next"
