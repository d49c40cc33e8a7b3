"""An S3 stand-in in one asyncio process: what a zipper needs of S3, with latencies and rates.

GET and HEAD with Range and If-Match; multipart uploads with the 5 MiB rule, part checksums and the
full-object CRC-32 checked at the end; UploadPartCopy that answers with the range's CRC-32. Objects
are synthetic and cost no memory; uploaded parts are kept only if asked for.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import random
import re
import ssl
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from isal.isal_zlib import crc32, crc32_combine

from bench import content
from bench.profile import PROFILES, WORKLOADS, Profile, key

MIB = 1 << 20
SEND_BYTES = 256 * 1024
LAST_MODIFIED = "Sun, 01 Nov 2026 12:00:00 GMT"


@dataclass
class Stored:
    """An object: a range of the endless content, or the parts of an upload."""

    size: int
    etag: str
    position: int = 0
    parts: list[bytes] | None = None


@dataclass
class UploadedPart:
    """A part: its checksum and size, and its bytes if they are kept."""

    crc: int
    size: int
    data: bytes | None


@dataclass
class State:
    """All that the stand-in knows."""

    profile: Profile
    keep: bool = False
    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, dict[int, UploadedPart]] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    bytes_in: int = 0
    bytes_out: int = 0
    bytes_copied: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311
    free_at: dict[str, float] = field(default_factory=lambda: {"in": 0.0, "out": 0.0})

    def load(self, workload: str, sizes: list[int]) -> None:
        """Replace the source objects by those of a workload."""
        self.objects = {}
        for index, size in enumerate(sizes):
            name = f"src/{key(index)}"
            digest = hashlib.sha256(f"{workload}{index}{size}".encode()).hexdigest()[:32]
            self.objects[name] = Stored(size, f'"{digest}"', position=index * 7919)
        self.uploads = {}
        self.reset()

    def reset(self) -> None:
        """Start counting anew."""
        self.requests = Counter()
        self.bytes_in = self.bytes_out = self.bytes_copied = 0

    def network_delay(self, direction: str, size: int) -> float:
        """How long the shared network card keeps ``size`` bytes from going on."""
        if not self.profile.network_rate:
            return 0.0
        now = time.monotonic()
        start = max(now, self.free_at[direction])
        self.free_at[direction] = start + size / self.profile.network_rate
        return self.free_at[direction] - now


@dataclass
class Request:
    """One request, its body as checksum, size and, if kept, bytes."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes = b""
    body_crc: int = 0
    body_size: int = 0


@dataclass
class Answer:
    """A response; a body of content is given by position and length instead of bytes."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    source: tuple[Stored, int, int] | None = None
    delay: float = 0.0


class Connection(asyncio.Protocol):
    """One keep-alive HTTP/1.1 connection."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._buffer = bytearray()
        self._request: Request | None = None
        self._remaining = 0
        self._chunked: AwsChunked | None = None
        self._pieces: list[bytes] = []
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
            self._take_body(data)
            return
        self._buffer += data
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
        self._pieces = []
        self._resume_at = time.monotonic()
        chunked = "aws-chunked" in headers.get("content-encoding", "")
        self._chunked = AwsChunked() if chunked else None
        if headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._take_body(rest)

    def _take_body(self, data: bytes) -> None:
        request = self._request
        assert request is not None
        self._remaining -= len(data)
        payload = self._chunked.feed(data) if self._chunked else data
        if payload:
            request.body_crc = crc32(payload, request.body_crc)
            request.body_size += len(payload)
            self._state.bytes_in += len(payload)
            if self._state.keep or request.method == "POST":
                self._pieces.append(bytes(payload))
            self._pace_reading(len(payload))
        if self._remaining <= 0:
            request.body = b"".join(self._pieces)
            self._request = None
            self._serving = asyncio.ensure_future(self._serve(request))

    def _pace_reading(self, size: int) -> None:
        """Take a body no faster than the connection and the network allow."""
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
        pacing_left = self._resume_at - time.monotonic()
        answer = Service(self._state).answer(request)
        delay = answer.delay + (max(0.0, pacing_left) if request.body_size else 0.0)
        if delay > 0:
            await asyncio.sleep(delay)
        length = answer.source[2] if answer.source else len(answer.body)
        headers = {"Content-Length": str(length), "x-amz-request-id": "standin", **answer.headers}
        if request.method == "HEAD":
            headers["Content-Length"] = answer.headers.get("Content-Length", "0")
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._transport.write(f"HTTP/1.1 {answer.status} S3\r\n{head}\r\n".encode())
        if answer.source:
            await self._send(*answer.source)
        elif answer.body:
            self._transport.write(answer.body)

    async def _send(self, stored: Stored, first: int, length: int) -> None:
        """Send a body no faster than the connection and the network allow."""
        rate, due = self._state.profile.connection_rate, time.monotonic()
        sent = 0
        while sent < length and not self._transport.is_closing():
            piece = _piece(stored, first + sent, min(SEND_BYTES, length - sent))
            due += len(piece) / rate if rate else 0.0
            shared = self._state.network_delay("out", len(piece))
            wait = max(due - time.monotonic(), shared)
            if wait > 0.001:
                await asyncio.sleep(wait)
            self._transport.write(piece)
            sent += len(piece)
            self._state.bytes_out += len(piece)
            await self._can_write.wait()


class AwsChunked:
    """Takes the aws-chunked framing off a body; trailers are dropped."""

    def __init__(self) -> None:
        self._buffer = b""
        self._left = 0
        self._done = False

    def feed(self, data: bytes) -> bytes:
        """The payload in ``data``."""
        self._buffer += data
        payload = []
        while self._buffer and not self._done:
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
            self._done = self._left == 0
        return b"".join(payload)


class Service:
    """Answers requests as S3 does, as far as a zipper asks."""

    def __init__(self, state: State) -> None:
        self._state = state

    def answer(self, request: Request) -> Answer:
        if request.path.startswith("_"):
            return self._control(request)
        state, query = self._state, request.query
        kind = _kind(request)
        state.requests[kind] += 1
        profile = state.profile
        if profile.slow_down_share and state.chance.random() < profile.slow_down_share:
            return _error(503, "SlowDown", profile.get_seconds)
        match kind:
            case "GET" | "HEAD":
                return self._get(request)
            case "CREATE":
                upload_id = f"upload-{len(state.uploads)}"
                state.uploads[upload_id] = {}
                inner = f"<UploadId>{upload_id}</UploadId>"
                return _xml(
                    f"<InitiateMultipartUploadResult>{inner}</InitiateMultipartUploadResult>",
                    profile.put_seconds,
                )
            case "UPLOAD_PART":
                return self._upload_part(request)
            case "COPY_PART":
                return self._copy_part(request)
            case "COMPLETE":
                return self._complete(request)
            case "ABORT":
                state.uploads.pop(query["uploadId"][0], None)
                return Answer(204)
            case "PUT":
                state.objects[request.path] = Stored(
                    request.body_size, '"put"', parts=[request.body]
                )
                return Answer(200, {"ETag": '"put"'}, delay=profile.put_seconds)
        return _error(405, "MethodNotAllowed")

    def _get(self, request: Request) -> Answer:
        stored = self._state.objects.get(request.path)
        delay = self._state.profile.get_seconds
        if stored is None:
            return _error(404, "NoSuchKey", delay)
        if request.headers.get("if-match", stored.etag).strip('"') != stored.etag.strip('"'):
            return _error(412, "PreconditionFailed", delay)
        headers = {
            "ETag": stored.etag,
            "Last-Modified": LAST_MODIFIED,
            "Accept-Ranges": "bytes",
            "Content-Type": "application/pdf",
        }
        if request.method == "HEAD":
            return Answer(200, {**headers, "Content-Length": str(stored.size)}, delay=delay)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if not wanted:
            return Answer(200, headers, source=(stored, 0, stored.size), delay=delay)
        first = int(wanted[1])
        last = min(int(wanted[2] or stored.size), stored.size - 1)
        if first >= stored.size:
            return _error(416, "InvalidRange", delay)
        headers["Content-Range"] = f"bytes {first}-{last}/{stored.size}"
        return Answer(206, headers, source=(stored, first, last - first + 1), delay=delay)

    def _upload_part(self, request: Request) -> Answer:
        upload = self._state.uploads.get(request.query["uploadId"][0])
        if upload is None:
            return _error(404, "NoSuchUpload")
        sent = request.headers.get("x-amz-checksum-crc32")
        if sent is not None and sent != _encode(request.body_crc):
            return _error(400, "BadDigest")
        data = request.body if self._state.keep else None
        number = int(request.query["partNumber"][0])
        upload[number] = UploadedPart(request.body_crc, request.body_size, data)
        checksum = _encode(request.body_crc)
        headers = {"ETag": f'"{request.body_crc:032x}"', "x-amz-checksum-crc32": checksum}
        return Answer(200, headers, delay=self._state.profile.put_seconds)

    def _copy_part(self, request: Request) -> Answer:
        state = self._state
        upload = state.uploads.get(request.query["uploadId"][0])
        source = unquote(request.headers["x-amz-copy-source"]).lstrip("/").partition("?")[0]
        stored = state.objects.get(source)
        if upload is None or stored is None:
            return _error(404, "NoSuchKey" if upload is not None else "NoSuchUpload")
        expected = request.headers.get("x-amz-copy-source-if-match", stored.etag)
        if expected.strip('"') != stored.etag.strip('"'):
            return _error(412, "PreconditionFailed")
        wanted = re.fullmatch(
            r"bytes=(\d+)-(\d+)", request.headers.get("x-amz-copy-source-range", "")
        )
        first, last = (int(wanted[1]), int(wanted[2])) if wanted else (0, stored.size - 1)
        size = last - first + 1
        crc = content.checksum(stored.position + first, size)
        data = _piece(stored, first, size) if state.keep else None
        upload[int(request.query["partNumber"][0])] = UploadedPart(crc, size, data)
        state.bytes_copied += size
        body = (
            f'<CopyPartResult><ETag>"{crc:032x}"</ETag><LastModified>2026-11-01T12:00:00Z'
            f"</LastModified><ChecksumCRC32>{_encode(crc)}</ChecksumCRC32></CopyPartResult>"
        )
        profile = state.profile
        return _xml(body, profile.copy_seconds + size / profile.copy_rate)

    def _complete(self, request: Request) -> Answer:
        upload = self._state.uploads.pop(request.query["uploadId"][0], None)
        if upload is None:
            return _error(404, "NoSuchUpload")
        numbers = [int(n) for n in re.findall(rb"<PartNumber>(\d+)</PartNumber>", request.body)]
        if numbers != sorted(upload):
            return _error(400, "InvalidPart")
        if any(upload[number].size < 5 * MIB for number in numbers[:-1]):
            return _error(400, "EntityTooSmall")
        crc, size = 0, 0
        for number in numbers:
            part = upload[number]
            crc = crc32_combine(crc, part.crc, part.size)
            size += part.size
        sent = request.headers.get("x-amz-checksum-crc32")
        if sent is not None and sent != _encode(crc):
            return _error(400, "BadDigest")
        etag = f'"{crc:032x}-{len(numbers)}"'
        if self._state.keep:
            parts = [upload[number].data or b"" for number in numbers]
            self._state.objects[request.path] = Stored(size, etag, parts=parts)
        return _xml(
            f"<CompleteMultipartUploadResult><ETag>{escape(etag)}</ETag>"
            "</CompleteMultipartUploadResult>",
            self._state.profile.put_seconds,
        )

    def _control(self, request: Request) -> Answer:
        state = self._state
        if request.path == "_load":
            wanted = json.loads(request.body)
            state.keep = wanted.get("keep", False)
            state.load(wanted["workload"], wanted.get("sizes") or WORKLOADS[wanted["workload"]])
        report: dict[str, Any] = {
            "requests": dict(state.requests),
            "bytes_in": state.bytes_in,
            "bytes_out": state.bytes_out,
            "bytes_copied": state.bytes_copied,
            "open_uploads": len(state.uploads),
        }
        return Answer(200, {"Content-Type": "application/json"}, json.dumps(report).encode())


def _kind(request: Request) -> str:
    query = request.query
    if request.method == "POST":
        return "CREATE" if "uploads" in query else "COMPLETE"
    if request.method == "PUT" and "partNumber" in query:
        return "COPY_PART" if "x-amz-copy-source" in request.headers else "UPLOAD_PART"
    return "ABORT" if request.method == "DELETE" else request.method


def _piece(stored: Stored, first: int, length: int) -> bytes:
    if stored.parts is None:
        return content.read(stored.position + first, length)
    pieces, offset = [], 0
    for part in stored.parts:
        if offset < first + length and offset + len(part) > first:
            start = max(0, first - offset)
            pieces.append(part[start : start + first + length - max(first, offset)])
        offset += len(part)
    return b"".join(pieces)[:length]


def _encode(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def _xml(inner: str, delay: float) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?>{inner}'.encode()
    return Answer(200, {"Content-Type": "application/xml"}, body, delay=delay)


def _error(status: int, code: str, delay: float = 0.0) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    return Answer(status, {"Content-Type": "application/xml"}, body, delay=delay)


async def serve(profile: Profile, tls: tuple[Path, Path] | None) -> None:
    """Serve on a free loopback port, named on stdout, until stdin ends."""
    loop = asyncio.get_running_loop()
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
    state = State(profile)
    server = await loop.create_server(lambda: Connection(state), "127.0.0.1", 0, ssl=context)
    scheme, port = ("https" if tls else "http"), server.sockets[0].getsockname()[1]
    sys.stdout.write(f"{scheme}://127.0.0.1:{port}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="default")
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    options = parser.parse_args()
    tls = (options.certificate, options.key) if options.certificate else None
    asyncio.run(serve(PROFILES[options.profile], tls))


if __name__ == "__main__":
    main()
