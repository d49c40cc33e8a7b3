"""An HTTP server on loopback that runs a script, including violations of HTTP.

The script is a list of handlers. Each request takes the next handler, in the order of arrival. The
last handler also serves all later requests.
"""

import socket
import ssl
import struct
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.support.waiting import WAIT_SECONDS


@dataclass(frozen=True)
class Request:
    """A received request. Header names are in lower case, and ``connection`` counts from 1."""

    method: str
    target: str
    headers: Mapping[str, str]
    connection: int


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for the loopback address, and its key, as PEM files."""

    file: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


def make_certificate(folder: Path) -> Certificate:
    certificate = Certificate(folder / "certificate.pem", folder / "key.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(certificate.key), "-out", str(certificate.file)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate


class Exchange:
    """A request, and the connection for its response."""

    def __init__(self, server: "ScriptedServer", connection: "_Connection", request: Request):
        self.server = server
        self.request = request
        self._connection = connection
        self._unread = int(request.headers.get("content-length", "0"))

    @property
    def socket(self) -> socket.socket:
        return self._connection.socket

    def read_body(self, size: int | None = None) -> bytes:
        """Return ``size`` bytes of the request's body, or the rest of it."""
        size = self._unread if size is None else size
        self._unread -= size
        return self._connection.read(size)

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)

    def drip(self, data: bytes) -> None:
        """Send byte by byte."""
        self.send(*(data[at : at + 1] for at in range(len(data))))

    def hang_up(self) -> None:
        """Close the connection after all data has arrived."""
        self._connection.close()

    def reset(self) -> None:
        """Reset the connection."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._connection.close()

    def stall(self) -> None:
        """Wait until the test releases the server."""
        assert self.server.released.wait(WAIT_SECONDS)


Handler = Callable[[Exchange], None]


def reply(*pieces: bytes, then: Handler | None = None) -> Handler:
    """Return a handler that reads the request, sends ``pieces``, and then calls ``then``."""

    def handle(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.send(*pieces)
        if then is not None:
            then(exchange)

    return handle


def response(
    body: bytes = b"",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    length: int | None = None,
) -> bytes:
    """Return a response. ``length`` overrides its Content-Length."""
    announced = len(body) if length is None else length
    lines = {"Content-Length": str(announced), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Reason\r\n{head}\r\n".encode() + body


def error(status: int, code: str) -> bytes:
    """Return an error response of S3, in chunked encoding."""
    body = f"<Error><Code>{code}</Code></Error>".encode()
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return b"HTTP/1.1 %d Reason\r\nTransfer-Encoding: chunked\r\n\r\n%b" % (status, chunks)


class Gate:
    """A handler that holds each request until the test provides its handler."""

    def __init__(self) -> None:
        self._held: deque[SimpleQueue[Handler]] = deque()

    @property
    def held(self) -> int:
        """The number of requests that wait for a response."""
        return len(self._held)

    def __call__(self, exchange: Exchange) -> None:
        handler: SimpleQueue[Handler] = SimpleQueue()
        self._held.append(handler)
        handler.get(timeout=WAIT_SECONDS)(exchange)

    def answer(self, handler: Handler, requests: int = 1) -> None:
        """Handle the oldest requests with ``handler``."""
        for _ in range(requests):
            self._held.popleft().put(handler)


class ScriptedServer:
    def __init__(self, *handlers: Handler, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.most_at_once = 0
        self.released = threading.Event()
        self.tls = tls
        self._handlers = list(handlers)
        self._open: set[_Connection] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def follow(self, *handlers: Handler) -> None:
        """Replace the script."""
        with self._lock:
            self._handlers = list(handlers)

    def hang_up(self) -> None:
        """Close all connections, as a server closes idle ones."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.socket.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Reset all connections."""
        with self._lock:
            for connection in self._open:
                linger = struct.pack("ii", 1, 0)
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.socket.shutdown(socket.SHUT_RD)  # its thread closes it then

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        self.released.set()
        self.hang_up()
        for thread in self._threads[1:]:
            thread.join()

    def take(self, request: Request) -> Handler:
        """Record a request and return its handler."""
        with self._lock:
            self.requests.append(request)
            return self._handlers.pop(0) if len(self._handlers) > 1 else self._handlers[0]

    def opened(self, connection: "_Connection") -> int:
        with self._lock:
            self.connections += 1
            self._open.add(connection)
            self.most_at_once = max(self.most_at_once, len(self._open))
            return self.connections

    def closed(self, connection: "_Connection") -> None:
        with self._lock:
            self._open.discard(connection)

    def _listen(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=_Connection(self, accepted).run)
            self._threads.append(thread)
            thread.start()


class _Connection:
    def __init__(self, server: ScriptedServer, accepted: socket.socket) -> None:
        self.socket = accepted
        self._server = server
        self._buffer = b""
        self._number = server.opened(self)
        self._is_open = True

    def run(self) -> None:
        try:
            if self._server.tls:
                self.socket = self._server.tls.wrap_socket(self.socket, server_side=True)
            while self._is_open:
                request = self._read_request()
                exchange = Exchange(self._server, self, request)
                self._server.take(request)(exchange)
                if self._is_open:
                    exchange.read_body()
        except (OSError, EOFError):
            return  # the client hung up
        finally:
            self.close()

    def read(self, size: int) -> bytes:
        pieces = [self._buffer[:size]]
        self._buffer = self._buffer[size:]
        left = size - len(pieces[0])
        while left:
            pieces.append(self._receive(min(left, 65536)))
            left -= len(pieces[-1])
        return b"".join(pieces)

    def close(self) -> None:
        self._is_open = False
        self._server.closed(self)
        self.socket.close()

    def _read_request(self) -> Request:
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self._receive(65536)
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        pairs = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in pairs}
        return Request(method, target, headers, self._number)

    def _receive(self, size: int) -> bytes:
        data = self.socket.recv(size)
        if not data:
            raise EOFError
        return data


@contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port on loopback that refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
