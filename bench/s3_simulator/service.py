"""S3's responses to the requests that ZIP tools send."""

import base64
import json
import re
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

from isal.isal_zlib import crc32_combine

from bench.s3_simulator import content
from bench.s3_simulator.http import Request, Response
from bench.s3_simulator.state import MIB, State, Stored, UploadedPart, contents_of
from bench.workloads import WORKLOADS

LAST_MODIFIED = "Sun, 01 Nov 2026 12:00:00 GMT"


class Service:
    """Handles requests like S3, as far as ZIP tools need it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def respond(self, request: Request) -> Response:
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
                return Response(204)
            case "PUT":
                state.objects[request.path] = Stored(
                    request.body_size, '"put"', parts=[request.body]
                )
                return Response(200, {"ETag": '"put"'}, delay=profile.put_seconds)
        return _error(405, "MethodNotAllowed")

    def _get(self, request: Request) -> Response:
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
            return Response(200, {**headers, "Content-Length": str(stored.size)}, delay=delay)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if not wanted:
            return Response(200, headers, source=(stored, 0, stored.size), delay=delay)
        first = int(wanted[1])
        last = min(int(wanted[2] or stored.size), stored.size - 1)
        if first >= stored.size:
            return _error(416, "InvalidRange", delay)
        headers["Content-Range"] = f"bytes {first}-{last}/{stored.size}"
        return Response(206, headers, source=(stored, first, last - first + 1), delay=delay)

    def _upload_part(self, request: Request) -> Response:
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
        return Response(200, headers, delay=self._state.profile.put_seconds)

    def _copy_part(self, request: Request) -> Response:
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
        data = contents_of(stored, first, size) if state.keep else None
        upload[int(request.query["partNumber"][0])] = UploadedPart(crc, size, data)
        state.bytes_copied += size
        body = (
            f'<CopyPartResult><ETag>"{crc:032x}"</ETag><LastModified>2026-11-01T12:00:00Z'
            f"</LastModified><ChecksumCRC32>{_encode(crc)}</ChecksumCRC32></CopyPartResult>"
        )
        profile = state.profile
        return _xml(body, profile.copy_seconds + size / profile.copy_rate)

    def _complete(self, request: Request) -> Response:
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
            f"<ChecksumCRC32>{_encode(crc)}</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType>"
            "</CompleteMultipartUploadResult>",
            self._state.profile.put_seconds,
        )

    def _control(self, request: Request) -> Response:
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
        return Response(200, {"Content-Type": "application/json"}, json.dumps(report).encode())


def _kind(request: Request) -> str:
    query = request.query
    if request.method == "POST":
        return "CREATE" if "uploads" in query else "COMPLETE"
    if request.method == "PUT" and "partNumber" in query:
        return "COPY_PART" if "x-amz-copy-source" in request.headers else "UPLOAD_PART"
    return "ABORT" if request.method == "DELETE" else request.method


def _encode(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def _xml(inner: str, delay: float) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>{inner}'.encode()
    return Response(200, {"Content-Type": "application/xml"}, body, delay=delay)


def _error(status: int, code: str, delay: float = 0.0) -> Response:
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    return Response(status, {"Content-Type": "application/xml"}, body, delay=delay)
