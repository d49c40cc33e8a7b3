"""One connection to S3, and the response that it is about to bring."""

import select
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from zipjobs.s3.concurrency import TOO_MANY_REQUESTS, AdaptiveConcurrency
from zipjobs.s3.signing import Signer
from zipjobs.s3.wire import MAX_HEAD_BYTES, Chunks, Head, WireError, parse_head, request

CONNECT_SECONDS = 3.0
STALL_SECONDS = 20.0
"""A response that ought to begin or to flow, and does not for this long, is given up. S3 answers in
milliseconds, or soon says that it cannot; AWS's SDK for Rust gives a stalled stream as long ("grace
period"). Ten attempts that all stall end after some four minutes, of a function's fifteen."""

RECEIVE_BYTES = 256 * 1024
"""How much is read from a connection at once, and what its socket may hold: the kernel's buffers
are a function's memory too. At a millisecond away this is 256 MB/s."""

FIRST_BYTES = 32 * 1024
"""How much is read at once with the headers: what is more than them is held until it is wanted."""

DRAINED_BYTES = 64 * 1024
"""A rest of this size is read and dropped; for a longer one it is cheaper to connect anew."""


class Receiver(Protocol):
    """Whoever reads a response. Called on the transport's thread; must not block."""

    is_wanted: bool
    """Whether a request that has not been sent yet still should be."""

    def headers(self, status: int, headers: Mapping[str, str], body: "BodyFlow") -> None:
        """The response began. Its body flows as far as ``body`` is told to let it."""

    def data(self, chunk: memoryview | bytes) -> None:
        """Some of the body. ``chunk`` is good during the call only."""

    def end(self, error: Exception | None) -> None:
        """The response is over, whole if there is no error. Called once."""


class BodyFlow(Protocol):
    """Lets a response's body flow, or gives the response up. Safe from any thread."""

    def let(self, size: int) -> None:
        """Let ``size`` more bytes flow."""

    def enough(self) -> None:
        """Nothing more is wanted of the body."""

    def cancel(self) -> None:
        """Give the response up: ``end`` follows, with an error."""


@dataclass(frozen=True, slots=True)
class Get:
    """A GET request: the target as it goes over the wire, the headers to sign, who receives."""

    path: str
    query: str
    headers: Mapping[str, str]
    receiver: Receiver


class Client(Protocol):
    """What a connection uses of the client that it belongs to."""

    host: str
    tls: ssl.SSLContext | None
    signer: Signer
    scratch: memoryview
    epoll: select.epoll
    pace: AdaptiveConcurrency

    def call(self, call: Callable[[], None]) -> None: ...
    def is_free(self, connection: "Connection") -> None: ...
    def is_gone(self, connection: "Connection") -> None: ...
    def is_unreachable(self, address: tuple[int, tuple[str, int]]) -> None: ...


class Connection:
    """A connection. Everything here runs on the transport's thread."""

    def __init__(self, transport: "Client", address: tuple[int, tuple[str, int]]) -> None:
        self._transport = transport
        self._address = address
        family, where = address
        self._socket: socket.socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._socket.connect_ex(where)
        self.number = self._socket.fileno()
        self._is_connected = False
        self._is_open = True
        self._get: Get | None = None
        self._round = 0
        self._outgoing = b""
        self._moved_at = time.monotonic()
        self._events = select.EPOLLOUT
        transport.epoll.register(self.number, self._events)
        self._forget()

    def _forget(self) -> None:
        self._head: Head | None = None
        self._raw = b""
        self._early = b""
        self._chunks: Chunks | None = None
        self._left: int | None = None
        self._allowed = 0
        self._is_dropped = False
        self._flow: _Flow | None = None

    def serve(self, get: Get) -> None:
        pace = self._transport.pace
        pace.in_flight += 1
        self._round = pace.round
        self._get = get
        self._moved_at = time.monotonic()
        self._attempt(self._ask)

    def on_event(self, events: int) -> None:
        if not self._events:
            self.fail(WireError(f"the connection broke ({events:#x})"))  # all that is reported then
        elif self._is_connected and not self._outgoing:
            self._attempt(self._read)
        else:
            self._attempt(self._write)

    def check(self, now: float) -> None:
        """Give up what takes too long."""
        if self._get is None:
            return
        waited = now - self._moved_at
        if not self._is_connected and waited > CONNECT_SECONDS:
            self.fail(TimeoutError("no connection"))
        elif (self._head is None or self._allowed > 0) and waited > STALL_SECONDS:
            self.fail(TimeoutError("the response stalled"))

    def fail(self, error: Exception) -> None:
        """Close the connection; whoever waits for its response is told."""
        if not self._is_open:
            return
        self._is_open = False
        with suppress(OSError):  # ssl closes a socket itself if that breaks before TLS begins
            self._transport.epoll.unregister(self.number)
        self._socket.close()
        self._transport.is_gone(self)
        if not self._is_connected:
            self._transport.is_unreachable(self._address)
        get, self._get = self._get, None
        if get is not None and self._head is None:
            self._transport.pace.in_flight -= 1
        self._forget()
        if get is not None:
            get.receiver.end(error)

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (BlockingIOError, ssl.SSLWantReadError):
            self._listen(select.EPOLLIN)
        except ssl.SSLWantWriteError:
            self._listen(select.EPOLLOUT)
        except Exception as error:  # noqa: BLE001  (it would end the transport's thread)
            self.fail(error)

    def _listen(self, events: int) -> None:
        if self._is_open and events != self._events:
            self._events = events
            self._transport.epoll.modify(self.number, events)

    # Going out.

    def _ask(self) -> None:
        get = self._get
        assert get is not None
        headers = self._transport.signer.sign("GET", get.path, get.query, get.headers)
        target = f"{get.path}?{get.query}" if get.query else get.path
        self._outgoing = request("GET", target, headers)
        if self._is_connected:
            self._write()

    def _write(self) -> None:
        if not self._is_connected:
            self._connect()
        try:
            while self._outgoing:
                sent = self._socket.send(self._outgoing)
                self._outgoing = self._outgoing[sent:]
        except BlockingIOError:
            self._listen(select.EPOLLOUT)
            return
        self._listen(select.EPOLLIN)

    def _connect(self) -> None:
        tls = self._transport.tls
        if tls and not isinstance(self._socket, ssl.SSLSocket):
            self._raise_error()
            self._socket = tls.wrap_socket(
                self._socket, server_hostname=self._transport.host, do_handshake_on_connect=False
            )
        if isinstance(self._socket, ssl.SSLSocket):
            self._socket.do_handshake()
        else:
            self._raise_error()
        self._is_connected = True
        self._moved_at = time.monotonic()

    def _raise_error(self) -> None:
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, "no connection")

    # Coming in.

    def _read(self) -> None:
        scratch = self._transport.scratch
        while self._is_open and (self._head is None or self._allowed > 0):
            limit = FIRST_BYTES if self._head is None else min(self._allowed, RECEIVE_BYTES)
            size = self._socket.recv_into(scratch, limit)
            if not size:
                self._on_eof()
                return
            self._moved_at = time.monotonic()
            if self._head is None:
                self._on_head(scratch[:size])
            else:
                self._on_body(scratch[:size])
            if size < limit and self._transport.tls is None:
                break  # nothing more is there; the next event says when
            if self._get is None:
                return
        if self._is_open and self._head is not None and self._allowed <= 0:
            self._listen(0)  # nobody wants to read: TCP holds the sender back

    def _on_eof(self) -> None:
        if self._head is not None and self._left is None and self._chunks is None:
            self._left = 0
            self._is_dropped = True
            self._finish()
        else:
            self.fail(WireError("the connection was closed"))

    def _on_head(self, data: memoryview) -> None:
        if self._get is None:
            raise WireError("a response that nobody asked for")
        self._raw += data
        while (end := self._raw.find(b"\r\n\r\n")) >= 0:
            head = parse_head(self._raw[:end])
            self._raw = self._raw[end + 4 :]
            if head.status >= 200:  # before it there may be interim ones
                self._begin(head)
                return
        if len(self._raw) > MAX_HEAD_BYTES:
            raise WireError("headers without an end")

    def _begin(self, head: Head) -> None:
        assert self._get is not None
        pace = self._transport.pace
        if head.status >= TOO_MANY_REQUESTS or pace.limit < pace.most:  # else nothing changes
            pace.answered(head.status, self._round)
        pace.in_flight -= 1
        self._early, self._raw = self._raw, b""
        self._head, self._left = head, head.length
        self._chunks = Chunks() if head.is_chunked else None
        self._flow = _Flow(self, self._transport)
        self._get.receiver.headers(head.status, head.headers, self._flow)
        if self._left == 0:
            self._finish()

    def _on_body(self, data: memoryview | bytes) -> None:
        """Hand on a piece of the body, all of it allowed."""
        assert self._get is not None
        self._allowed -= len(data)
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise WireError("more came than was announced")
        if self._chunks:
            data = self._chunks.feed(bytes(data))
            if self._chunks.is_over:
                self._left = 0
        if not self._is_dropped and data:
            self._get.receiver.data(data)
        if self._left == 0:
            self._finish()

    def _finish(self) -> None:
        get, self._get = self._get, None
        if get is None:
            return
        assert self._head is not None
        keeps_alive = self._head.keeps_alive and not self._early and self._chunks is None
        if self._head.is_chunked or self._head.length is None:
            keeps_alive = False
        if self._flow is not None:
            self._flow.is_over = True
        self._forget()
        get.receiver.end(None)
        if not keeps_alive:
            self.fail(WireError("closed"))
        elif self._is_open:
            self._listen(select.EPOLLIN)
            self._transport.is_free(self)

    # What the receiver asks for, by way of its flow.

    def let(self, size: int) -> None:
        was_paused = self._allowed <= 0
        self._allowed += size
        if not was_paused or self._allowed <= 0:
            return
        self._moved_at = time.monotonic()
        self._attempt(self._resume)

    def _resume(self) -> None:
        if self._early:
            early, self._early = self._early[: self._allowed], self._early[self._allowed :]
            self._on_body(early)
        if self._is_open and self._allowed > 0 and self._get is not None:
            self._listen(select.EPOLLIN)
            if self._transport.tls:
                self._read()  # some of it may have been decrypted already

    def enough(self) -> None:
        if self._left is None or self._left > DRAINED_BYTES:
            self.fail(WireError("the rest was not wanted"))
        elif self._left:
            self._is_dropped = True
            self.let(self._left - max(self._allowed, 0))


class _Flow:
    """The handle that a receiver gets. What it asks for is done soon, never within its call."""

    def __init__(self, connection: Connection, transport: "Client") -> None:
        self._connection = connection
        self._transport = transport
        self.is_over = False

    def let(self, size: int) -> None:
        if size > 0:
            self._do(lambda: self._connection.let(size))

    def enough(self) -> None:
        self._do(self._connection.enough)

    def cancel(self) -> None:
        self._do(lambda: self._connection.fail(WireError("the request was given up")))

    def _do(self, step: Callable[[], None]) -> None:
        def if_under_way() -> None:
            if not self.is_over:
                step()

        self._transport.call(if_under_way)
