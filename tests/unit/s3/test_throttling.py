"""Reads from an S3 that says SlowDown: fewer at a time, later, in their order, all of them."""

import threading

import pytest

from tests.support.http_server import Exchange, Gate, error, reply, response
from tests.support.waiting import WAIT_SECONDS, wait_for
from tests.unit.s3.loopback import Loopback, Sink, noise, sha
from zipjobs.errors import ServiceUnavailable
from zipjobs.s3 import retry as backoff
from zipjobs.s3.http.client import HttpClient
from zipjobs.s3.http.concurrency import MIN_IN_FLIGHT
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.probe_objects import probe_objects
from zipjobs.s3.source import Entry, Source

pytestmark = pytest.mark.usefixtures("impatient")

MOST = 32
SLOW_DOWN = reply(error(503, "SlowDown"))


def key_of(exchange: Exchange) -> str:
    return exchange.request.target.removeprefix("/src/")


def body_of(key: str) -> bytes:
    return noise(1000 + int(key))


def serve(exchange: Exchange) -> None:
    """Answers with the range that was asked for of an object that its key tells."""
    body = body_of(key_of(exchange))
    first, last = exchange.request.headers["range"].removeprefix("bytes=").split("-")
    run = body[int(first) : int(last) + 1]
    headers = {
        "ETag": '"e"',
        "Last-Modified": "Sun, 01 Nov 2026 12:00:00 GMT",
        "Content-Range": f"bytes {first}-{int(first) + len(run) - 1}/{len(body)}",
    }
    exchange.send(response(run, 206, headers))


def start(reader: ObjectReader, count: int, *, flows: bool = True) -> list[Sink]:
    sinks = [Sink() for _ in range(count)]
    for key, sink in enumerate(sinks):
        reader.read(Source("src", str(key)), 0, 1_000_000, sink, None, flows=flows)
    return sinks


def when_settled(client: HttpClient, gate: Gate, requests: int) -> int:
    """How many requests the server holds, once it holds all that it is to get for now, and the
    others wait for their turn.
    """

    def look() -> int | None:
        waiting = client.waiting
        is_all = gate.held + waiting == requests
        return (
            gate.held if is_all and gate.held >= min(requests, client.concurrency.limit) else None
        )

    return wait_for("requests to be held or to wait", look)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def client(loopback: Loopback, gate: Gate) -> HttpClient:
    return loopback.connect(loopback.serve(gate).url, connections=MOST)


def test_under_slowdown_fewer_requests_are_in_flight_and_afterwards_as_many_as_before(
    client: HttpClient, gate: Gate
) -> None:
    sinks = start(ObjectReader(client), 400)
    left = 400
    held = []
    for _ in range(5):
        held.append(when_settled(client, gate, left))
        gate.answer(SLOW_DOWN, held[-1])
    assert held == [32, 16, 8, 4, MIN_IN_FLIGHT]
    held.clear()
    while left:
        held.append(when_settled(client, gate, left))
        gate.answer(serve, held[-1])
        left -= held[-1]
    *growing, rest = held
    assert growing == sorted(growing)
    assert (growing[0], growing[-1]) == (MIN_IN_FLIGHT, MOST)
    assert rest <= MOST
    assert [sha(sink.whole()) for sink in sinks] == [sha(body_of(str(i))) for i in range(400)]


@pytest.fixture
def unhurried(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are long enough for a server that really works to get on meanwhile."""
    monkeypatch.setattr(backoff, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(backoff, "MAX_PAUSE_SECONDS", 0.2)


class Busy:
    """Serves some at a time, and tells all others to slow down."""

    def __init__(self, capacity: int) -> None:
        self.served = 0
        self.refused = 0
        self._capacity = capacity
        self._at_once = 0
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> None:
        with self._lock:
            self._at_once += 1
            is_refused = self._at_once > self._capacity
            self.refused += is_refused
            self.served += not is_refused
        if not is_refused:
            exchange.server.released.wait(0.005)  # it is working
        with self._lock:
            self._at_once -= 1
        (SLOW_DOWN if is_refused else serve)(exchange)


@pytest.mark.usefixtures("unhurried")
def test_a_storm_ends_with_every_object_read_and_needs_no_threads(loopback: Loopback) -> None:
    """192 reads at once of a server that serves 8."""
    busy = Busy(8)
    client = loopback.connect(loopback.serve(busy).url, connections=192)
    sinks = start(ObjectReader(client), 192)
    wait_for("a pause", lambda: client.paused or sinks[-1].over.is_set() or None)
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert [sha(sink.whole()) for sink in sinks] == [sha(body_of(str(i))) for i in range(192)]
    assert busy.served == 192
    assert busy.refused
    assert client.concurrency.in_flight == 0


def test_what_is_refused_together_comes_back_at_different_times(
    client: HttpClient, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_PAUSE_SECONDS", 1000.0)
    monkeypatch.setattr(backoff, "MAX_PAUSE_SECONDS", 1000.0)
    sinks = start(ObjectReader(client), MOST)
    gate.answer(SLOW_DOWN, when_settled(client, gate, MOST))
    wait_for("all to pause", lambda: len(client._paused) == MOST or None)
    due = sorted(when for when, _, _ in client._paused)
    assert len(set(due)) == MOST
    assert 300 < due[-1] - due[0] <= 1000
    client.close()
    assert all(sink.over.wait(WAIT_SECONDS) for sink in sinks)


def test_a_read_that_was_refused_goes_before_those_that_came_later(loopback: Loopback) -> None:
    gate = Gate()
    server = loopback.serve(gate)
    client = loopback.connect(server.url, connections=1)
    sinks = start(ObjectReader(client), 4)
    when_settled(client, gate, 4)
    gate.answer(SLOW_DOWN)
    wait_for("the end of the pause", lambda: client._again or None)
    for left in (4, 3, 2, 1):
        when_settled(client, gate, left)
        gate.answer(serve)
    assert [sink.whole() for sink in sinks] == [body_of(str(i)) for i in range(4)]
    asked = [request.target.removeprefix("/src/") for request in server.requests]
    assert asked == ["0", "1", "0", "2", "3"]


def test_what_waits_for_room_does_not_keep_others_from_being_found(
    client: HttpClient, gate: Gate
) -> None:
    """Otherwise they might fill the few places, while room is kept for what stands before them."""
    reader = ObjectReader(client)
    refused = start(reader, MOST)
    for _ in range(3):
        gate.answer(SLOW_DOWN, when_settled(client, gate, MOST))
    when_settled(client, gate, MOST)

    def serve_until(events: list[threading.Event]) -> None:
        def look() -> bool | None:
            gate.answer(serve, gate.held)
            return all(event.is_set() for event in events) or None

        wait_for("answers", look)

    serve_until([sink.over for sink in refused])
    assert client.concurrency.limit < 10
    found = start(reader, MOST, flows=False)
    serve_until([sink.has_begun for sink in found])
    assert not any(sink.body for sink in found)


def test_reads_that_are_given_up_before_their_turn_are_not_sent(loopback: Loopback) -> None:
    gate = Gate()
    server = loopback.serve(gate)
    client = loopback.connect(server.url, connections=1)
    reader = ObjectReader(client)
    sinks = [Sink() for _ in range(20)]
    reads = [reader.read(Source("src", "0"), 0, 10, sink, None, flows=True) for sink in sinks]
    when_settled(client, gate, 20)
    for read in reads[1:]:
        read.cancel()
    gate.answer(serve)
    assert sinks[0].whole() == body_of("0")[:10]
    for sink in sinks[1:]:
        with pytest.raises(ServiceUnavailable, match="canceled"):
            sink.whole()
    assert len(server.requests) == 1


@pytest.mark.usefixtures("unhurried")
def test_sizes_are_asked_for_at_the_same_pace(loopback: Loopback) -> None:
    busy = Busy(4)
    client = loopback.connect(loopback.serve(busy).url, connections=64)
    entries = [Entry(str(i), Source("src", str(i))) for i in range(64)]
    asked = probe_objects(entries, ObjectReader(client))
    assert [entry.size for entry in asked] == [1000 + i for i in range(64)]
    assert busy.refused
    assert client.concurrency.limit < 64


@pytest.mark.parametrize("state", ["in flight", "in a pause"])
def test_a_read_ends_with_its_client_and_does_not_try_again(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    server = loopback.serve(SLOW_DOWN, reply(then=Exchange.stall))
    client = loopback.connect(server.url)
    reader = ObjectReader(client)
    if state == "in a pause":
        monkeypatch.setattr(backoff, "FIRST_PAUSE_SECONDS", 1000.0)
        monkeypatch.setattr(backoff, "MAX_PAUSE_SECONDS", 1000.0)
    sinks = start(reader, 1)
    if state == "in a pause":
        wait_for("a pause", lambda: client.paused or None)
    else:
        wait_for("the second request", lambda: len(server.requests) == 2 or None)
    client.close()
    sinks += start(reader, 1)
    for sink in sinks:
        with pytest.raises(ServiceUnavailable, match="closed"):
            sink.whole()
