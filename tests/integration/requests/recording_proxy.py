"""A proxy that records requests and parses them strictly."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
PIECE_BYTES = 65_536

_REQUEST_LINE = re.compile(rb"(GET|HEAD|PUT|POST|DELETE) ([!-~]+) HTTP/1\.1")
_HEADER = re.compile(rb"([A-Za-z0-9-]+): ?([ -~]*)")


@dataclass(frozen=True)
class Recorded:
    """A recorded request. Header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass
class Recording:
    """The bytes that clients sent through ``url``, one stream for each connection."""

    url: str = ""
    streams: list[bytearray] = field(default_factory=list)

    def requests(self) -> list[Recorded]:
        """Return the requests of all connections. Raises ValueError for invalid HTTP/1.1."""
        return [request for stream in self.streams for request in _requests(bytes(stream))]

    def clear(self) -> None:
        """Delete the recorded bytes. Connections stay open."""
        for stream in self.streams:
            stream.clear()


@contextmanager
def recording(server_url: str) -> Iterator[Recording]:
    """Forward connections to ``server_url`` while the block runs."""
    target = urlsplit(server_url)
    assert target.hostname is not None
    address = target.hostname, target.port or 80
    listener = socket.create_server((LOOPBACK, 0))
    record = Recording(f"http://{LOOPBACK}:{listener.getsockname()[1]}")
    open_sockets = [listener]

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(address)
                open_sockets.extend((client, server))
                stream = bytearray()
                record.streams.append(stream)
                for arguments in ((client, server, stream), (server, client, None)):
                    threading.Thread(target=_forward, args=arguments, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield record
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        for one in open_sockets:
            one.close()


def _forward(source: socket.socket, target: socket.socket, stream: bytearray | None) -> None:
    with suppress(OSError):
        while data := source.recv(PIECE_BYTES):
            if stream is not None:
                stream += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _requests(stream: bytes) -> Iterator[Recorded]:
    while stream:
        head, end, stream = stream.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        line, headers = _REQUEST_LINE.fullmatch(first), [_HEADER.fullmatch(one) for one in lines]
        if not end or line is None or None in headers:
            raise ValueError(f"not the head of a request: {head[:500]!r}")
        named = {one[1].decode().lower(): one[2].decode() for one in headers if one}
        stream = stream[int(named.get("content-length", "0")) :]
        yield Recorded(line[1].decode(), line[2].decode(), named)
