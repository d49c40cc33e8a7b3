"""GET requests to S3, many at once, for little CPU (docs/adr/0002).

One thread waits for all connections (epoll), each of which serves one request at a time. A body
does not flow before it is asked for: a connection that nobody wants to read from is not read from,
and TCP holds its sender back. So whoever reads may learn an object's size from the headers, and
make room for it first.
"""

import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from zipjobs.archive.connection import RECEIVE_BYTES, Connection, Get
from zipjobs.archive.signing import Credentials, Signer
from zipjobs.archive.wire import WireError

RESOLVED_SECONDS = 60.0


class Transport:
    """Connections to one S3 endpoint, at most ``max_connections`` of them."""

    def __init__(
        self,
        endpoint_url: str,
        region: str,
        credentials: Callable[[], Credentials],
        max_connections: int,
        ca_bundle: str | None = None,
    ) -> None:
        url = urlsplit(endpoint_url)
        assert url.hostname is not None
        self.host = url.hostname
        self.tls = ssl.create_default_context(cafile=ca_bundle) if url.scheme == "https" else None
        self.signer = Signer(url.netloc, region, credentials)
        self.scratch = memoryview(bytearray(RECEIVE_BYTES))
        self.epoll = select.epoll()
        self._port = url.port or (443 if self.tls else 80)
        self._max_connections = max_connections
        self._connections: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._waiting: deque[Get] = deque()
        self._calls: deque[Callable[[], None]] = deque()
        self._addresses: list[tuple[int, tuple[str, int]]] = []
        self._resolved_until = 0.0
        self._is_closed = False
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self.epoll.register(self._wake_out.fileno(), select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="s3-read", daemon=True)
        self._thread.start()

    def send(self, get: Get) -> None:
        """Send a request as soon as a connection is free."""
        self._waiting.append(get)
        if self._is_closed:
            self._refuse()
        else:
            self._wake()

    def close(self) -> None:
        """Close every connection; what is under way, waits or comes later ends with an error."""
        self._is_closed = True
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def call(self, call: Callable[[], None]) -> None:
        """Run ``call`` on the transport's thread, soon."""
        self._calls.append(call)
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
            while True:
                self._waiting.popleft().receiver.end(WireError("the client was closed"))

    # On the transport's thread.

    def _run(self) -> None:
        check_at = time.monotonic() + 1.0
        wake = self._wake_out.fileno()
        while not self._is_closed:
            for number, events in self.epoll.poll(1.0):
                if number == wake:
                    self._wake_out.recv(4096)
                elif (connection := self._connections.get(number)) is not None:
                    connection.on_event(events)
            self._catch_up()
            now = time.monotonic()
            if now >= check_at:
                check_at = now + 1.0
                for connection in list(self._connections.values()):
                    connection.check(now)
                self._catch_up()
        for connection in list(self._connections.values()):
            connection.fail(WireError("the client was closed"))
        self._refuse()
        self.epoll.close()
        self._wake_in.close()
        self._wake_out.close()

    def _catch_up(self) -> None:
        """Do what was asked for meanwhile, and put free connections to work."""
        while self._calls or (self._waiting and self._may_start()):
            while self._calls:
                self._calls.popleft()()
            while self._waiting and self._may_start():
                self._start(self._waiting.popleft())

    def _may_start(self) -> bool:
        return bool(self._idle) or len(self._connections) < self._max_connections

    def _start(self, get: Get) -> None:
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
        if self._waiting:
            connection.serve(self._waiting.popleft())
        else:
            self._idle.append(connection)

    def is_gone(self, connection: Connection) -> None:
        """Forget a connection that was closed."""
        self._connections.pop(connection.number, None)
        if connection in self._idle:
            self._idle.remove(connection)
