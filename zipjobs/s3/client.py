"""GET requests to S3, many at once, for little CPU (docs/adr/0002).

One thread waits for all connections (epoll), each of which serves one request at a time. A body
does not flow before it is asked for: a connection that nobody wants to read from is not read from,
and TCP holds its sender back. So whoever reads may learn an object's size from the headers, and
make room for it first.

Requests wait in order until a connection is free and the pace allows one more. Those that are sent
again wait for their pause to be over, and then go before all others: they are older.
"""

import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from urllib.parse import urlsplit

from zipjobs.s3.concurrency import AdaptiveConcurrency
from zipjobs.s3.connection import RECEIVE_BYTES, Connection, Get
from zipjobs.s3.signing import Credentials, Signer
from zipjobs.s3.wire import ClientClosed, WireError

RESOLVED_SECONDS = 60.0
CHECK_SECONDS = 1.0
"""How often connections are looked at for what takes too long."""


class Transport:
    """Connections to one S3 endpoint, at most ``max_connections`` of them.

    ``on_request`` is called for each request that is sent, on the transport's thread.
    """

    def __init__(
        self,
        endpoint_url: str,
        region: str,
        credentials: Callable[[], Credentials],
        max_connections: int,
        ca_bundle: str | None = None,
        on_request: Callable[[], None] = lambda: None,
    ) -> None:
        url = urlsplit(endpoint_url)
        assert url.hostname is not None
        self.host = url.hostname
        self.tls = ssl.create_default_context(cafile=ca_bundle) if url.scheme == "https" else None
        self.signer = Signer(url.netloc, region, credentials)
        self.scratch = memoryview(bytearray(RECEIVE_BYTES))
        self.epoll = select.epoll()
        self.pace = AdaptiveConcurrency(max_connections)
        self._on_request = on_request
        self._port = url.port or (443 if self.tls else 80)
        self._max_connections = max_connections
        self._connections: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._waiting: deque[Get] = deque()
        self._again: deque[Get] = deque()
        self._paused: list[tuple[float, int, Get]] = []  # a heap, by when the pause is over
        self._numbers = count()
        self._calls: deque[Callable[[], None]] = deque()
        self._addresses: list[tuple[int, tuple[str, int]]] = []
        self._resolved_until = 0.0
        self._is_closing = False
        self._is_closed = False
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self.epoll.register(self._wake_out.fileno(), select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="s3-read", daemon=True)
        self._thread.start()

    def send(self, get: Get) -> None:
        """Send a request when its turn comes."""
        self._waiting.append(get)
        self._has_changed()

    def send_again(self, get: Get, pause_seconds: float = 0.0) -> None:
        """Send a request after a pause, and then before all that have not been sent at all."""
        heappush(self._paused, (time.monotonic() + pause_seconds, next(self._numbers), get))
        self._has_changed()

    def close(self) -> None:
        """Close every connection; what is under way, waits or comes later ends with an error."""
        self._is_closing = True
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def call(self, call: Callable[[], None]) -> None:
        """Run ``call`` on the transport's thread, soon."""
        self._calls.append(call)
        self._has_changed()

    def _has_changed(self) -> None:
        if self._is_closed:
            self._refuse()
        else:
            self._wake()

    def _wake(self) -> None:
        if threading.current_thread() is not self._thread:
            try:
                self._wake_in.send(b"!")
            except (BlockingIOError, OSError):
                return  # it has been woken, or is closed

    def _refuse(self) -> None:
        """End what waits: nothing is sent any more. On whatever thread comes first."""
        with suppress(IndexError):
            while self._calls:
                self._calls.popleft()()
        with suppress(IndexError):
            while self._paused:
                self._again.append(heappop(self._paused)[2])
        for queue in (self._again, self._waiting):
            with suppress(IndexError):
                while True:
                    queue.popleft().receiver.end(ClientClosed("the client was closed"))

    # On the transport's thread.

    def _run(self) -> None:
        check_at = time.monotonic() + CHECK_SECONDS
        wake = self._wake_out.fileno()
        while not self._is_closing:
            patience = self._pause_left() if self._paused else CHECK_SECONDS
            for number, events in self.epoll.poll(patience):
                if number == wake:
                    self._wake_out.recv(4096)
                elif (connection := self._connections.get(number)) is not None:
                    connection.on_event(events)
            self._catch_up()
            now = time.monotonic()
            if now >= check_at:
                check_at = now + CHECK_SECONDS
                for connection in list(self._connections.values()):
                    connection.check(now)
                self._catch_up()
        for connection in list(self._connections.values()):
            connection.fail(ClientClosed("the client was closed"))
        self._is_closed = True
        self._refuse()
        self.epoll.close()
        self._wake_in.close()
        self._wake_out.close()

    def _pause_left(self) -> float:
        """How long there is nothing to send again, nor to check."""
        return max(0.0, min(self._paused[0][0] - time.monotonic(), CHECK_SECONDS))

    def _catch_up(self) -> None:
        """Do what was asked for meanwhile, and put free connections to work."""
        if self._paused:
            now = time.monotonic()
            while self._paused and self._paused[0][0] <= now:
                self._again.append(heappop(self._paused)[2])
        while self._calls or ((self._waiting or self._again) and self._may_start()):
            while self._calls:
                self._calls.popleft()()
            while (self._waiting or self._again) and self._may_start():
                self._start((self._again or self._waiting).popleft())

    def _may_start(self) -> bool:
        pace = self.pace
        return pace.in_flight < pace.limit and (
            bool(self._idle) or len(self._connections) < self._max_connections
        )

    def _start(self, get: Get) -> None:
        if not get.receiver.is_wanted:
            get.receiver.end(WireError("the request was given up"))
            return
        self._on_request()
        if self._idle:
            self._idle.pop().serve(get)
            return
        try:
            connection = Connection(self, self._address())
        except OSError as error:
            get.receiver.end(error)
            return
        self._connections[connection.number] = connection
        connection.serve(get)

    def _address(self) -> tuple[int, tuple[str, int]]:
        """One of the host's addresses, in turn."""
        now = time.monotonic()
        if now > self._resolved_until or not self._addresses:
            found = socket.getaddrinfo(self.host, self._port, type=socket.SOCK_STREAM)
            self._addresses = [(family, address[:2]) for family, _, _, _, address in found]  # type: ignore[misc]
            self._resolved_until = now + RESOLVED_SECONDS
        address = self._addresses.pop(0)
        self._addresses.append(address)
        return address

    def is_unreachable(self, address: tuple[int, tuple[str, int]]) -> None:
        """Leave an address out until the host is resolved anew."""
        if address in self._addresses:
            self._addresses.remove(address)

    def is_free(self, connection: Connection) -> None:
        """Take a connection back whose response is over."""
        self._idle.append(connection)

    def is_gone(self, connection: Connection) -> None:
        """Forget a connection that was closed."""
        self._connections.pop(connection.number, None)
        if connection in self._idle:
            self._idle.remove(connection)
