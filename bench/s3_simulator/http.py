"""HTTP/1.1 connections of the S3 simulator, at the transfer rates of the profile."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from isal.isal_zlib import crc32

from bench.s3_simulator.state import MIB, State, Stored, contents_of

SEND_BYTES = 256 * 1024


@dataclass
class Request:
    """A request. ``body`` is empty unless the simulator keeps uploaded parts."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes = b""
    body_crc: int = 0
    body_size: int = 0


@dataclass
class Response:
    """A response. ``source`` is an object with the first byte and the length to send."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    source: tuple[Stored, int, int] | None = None
    delay: float = 0.0


class Connection(asyncio.Protocol):
    """One keep-alive HTTP/1.1 connection."""

    def __init__(self, state: State, service: Callable[[Request], Response]) -> None:
        self._state = state
        self._service = service
        self._buffer = bytearray()
        self._request: Request | None = None
        self._remaining = 0
        self._decoders: list[Chunked] = []
        self._chunks: list[bytes] = []
        self._resume_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=4 * MIB)
        self._can_write = asyncio.Event()
        self._can_write.set()

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._can_write.set()

    def data_received(self, data: bytes) -> None:
        if self._request is not None:
            self._receive_body(data)
            return
        self._buffer += data if self._buffer else data.removeprefix(b"\r\n")
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head, rest = bytes(self._buffer[:end]), bytes(self._buffer[end + 4 :])
        self._buffer.clear()
        self._begin(head, rest)

    def _begin(self, head: bytes, rest: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        split = urlsplit(target)
        query = parse_qs(split.query, keep_blank_values=True)
        self._request = Request(method, unquote(split.path).lstrip("/"), query, headers)
        self._remaining = int(headers.get("content-length", 0))
        self._chunks = []
        self._resume_at = time.monotonic()
        self._decoders = [
            Chunked()
            for name, coding in (
                ("transfer-encoding", "chunked"),
                ("content-encoding", "aws-chunked"),
            )
            if coding in headers.get(name, "")
        ]
        if headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._receive_body(rest)

    def _receive_body(self, data: bytes) -> None:
        request = self._request
        assert request is not None
        self._remaining -= len(data)
        payload = data
        for decoder in self._decoders:
            payload = decoder.feed(payload)
        if payload:
            request.body_crc = crc32(payload, request.body_crc)
            request.body_size += len(payload)
            self._state.bytes_in += len(payload)
            if self._state.keep or request.method == "POST":
                self._chunks.append(bytes(payload))
            self._limit_reading(len(payload))
        if self._remaining <= 0 and all(decoder.is_complete for decoder in self._decoders):
            request.body = b"".join(self._chunks)
            self._request = None
            self._serving = asyncio.ensure_future(self._serve(request))

    def _limit_reading(self, size: int) -> None:
        """Limit the rate at which a body is received."""
        profile, now = self._state.profile, time.monotonic()
        if profile.connection_rate:
            self._resume_at = max(self._resume_at, now - 0.005) + size / profile.connection_rate
        wait = max(self._resume_at - now, self._state.network_delay("in", size))
        if wait > 0.002:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(wait, self._resume_reading)

    def _resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    async def _serve(self, request: Request) -> None:
        delay_left = self._resume_at - time.monotonic()
        response = self._service(request)
        delay = response.delay + (max(0.0, delay_left) if request.body_size else 0.0)
        if delay > 0:
            await asyncio.sleep(delay)
        length = response.source[2] if response.source else len(response.body)
        headers = {
            "Content-Length": str(length),
            "x-amz-request-id": "simulator",
            **response.headers,
        }
        if request.method == "HEAD":
            headers["Content-Length"] = response.headers.get("Content-Length", "0")
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._transport.write(f"HTTP/1.1 {response.status} S3\r\n{head}\r\n".encode())
        if response.source:
            await self._send(*response.source)
        elif response.body:
            self._transport.write(response.body)

    async def _send(self, stored: Stored, first: int, length: int) -> None:
        """Send a body at the rate of the connection and the network."""
        rate, due = self._state.profile.connection_rate, time.monotonic()
        sent = 0
        while sent < length and not self._transport.is_closing():
            chunk = contents_of(stored, first + sent, min(SEND_BYTES, length - sent))
            due += len(chunk) / rate if rate else 0.0
            shared = self._state.network_delay("out", len(chunk))
            wait = max(due - time.monotonic(), shared)
            if wait > 0.001:
                await asyncio.sleep(wait)
            self._transport.write(chunk)
            sent += len(chunk)
            self._state.bytes_out += len(chunk)
            await self._can_write.wait()


class Chunked:
    """Decodes the chunked encoding of HTTP or AWS. Ignores trailers."""

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0
        self.is_complete = False

    def feed(self, data: bytes) -> bytes:
        """Return the payload in ``data``."""
        self._buffer += data
        payload = []
        while self._buffer and not self.is_complete:
            if self._left:
                payload.append(self._buffer[: self._left])
                taken = len(payload[-1])
                self._buffer, self._left = self._buffer[taken:], self._left - taken
                continue
            if self._buffer.startswith(b"\r\n"):
                self._buffer = self._buffer[2:]
            line, separator, rest = self._buffer.partition(b"\r\n")
            if not separator:
                break
            self._left, self._buffer = int(line.split(b";")[0], 16), rest
            self.is_complete = self._left == 0
        return b"".join(payload)
