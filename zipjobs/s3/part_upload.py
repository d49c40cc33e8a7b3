"""UploadPart for parts that are sent while they are read.

boto3 wants a part's CRC-32, or its bytes twice, before it sends the first one. Here the checksum is
computed on the way and follows the bytes: "Using trailing checksums with aws-chunked encoding",
Amazon S3 API Reference. urllib3 moves the bytes.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3
from isal.isal_zlib import crc32
from urllib3.connection import HTTPConnection, HTTPSConnection

from zipjobs.errors import ServiceUnavailable
from zipjobs.s3.concurrency import TOO_MANY_REQUESTS
from zipjobs.s3.retry import ATTEMPTS, pause_seconds
from zipjobs.s3.signing import Credentials, Signer
from zipjobs.zipformat.crc32 import encode

BLOCK_BYTES = 1024 * 1024
"""Parts are sent in blocks of this size; the last block of a part may be smaller."""

CONNECT_SECONDS = 3.0
STALL_SECONDS = 60.0
"""How long S3 may take for a block, or for its answer, before the part is sent again. Three times
what a read is given: a part that is sent again may have to be read again."""

TRAILING = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_TRAILER = "x-amz-checksum-crc32"
_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_AGAIN = {"RequestTimeout", "BadDigest", "XAmzContentChecksumMismatch", "IncompleteBody"}

Chunks = Iterable[memoryview | bytes]
"""Bytes in blocks: all but the last are of ``BLOCK_BYTES``."""


class PartRefused(Exception):
    """S3 refused a part for good. ``code`` is S3's."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Sent:
    """A part that S3 has: its ETag, and the CRC-32 that both sides computed."""

    etag: str
    crc32: int


class PartSender:
    """Sends parts to one S3 endpoint. Safe to share between threads.

    ``on_request`` is called for each request, on the thread that sends it. ``expecting`` gives the
    headers that say whose a bucket is to be; without them it is anybody's.
    """

    def __init__(
        self,
        endpoint_url: str,
        region: str,
        credentials: Callable[[], Credentials],
        connections: int,
        ca_bundle: str | None = None,
        on_request: Callable[[], None] = lambda: None,
        expecting: Callable[[str], Mapping[str, str]] = lambda bucket: {},
    ) -> None:
        self._on_request = on_request
        self._expecting = expecting
        is_secret = urlsplit(endpoint_url).scheme == "https"
        tls = {"ca_certs": ca_bundle} if ca_bundle and is_secret else {}
        self._pool = urllib3.connection_from_url(
            endpoint_url,
            maxsize=connections,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=STALL_SECONDS),
            retries=False,
            **tls,
        )
        self._pool.ConnectionCls = _HttpsConnection if is_secret else _HttpConnection
        self._signer = Signer(urlsplit(endpoint_url).netloc, region, credentials)

    def put(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        length: int,
        open_chunks: Callable[[], Chunks],
    ) -> Sent:
        """Send part ``number``; ``open_chunks`` is called once for each attempt.

        What backs off keeps its thread meanwhile, so fewer parts are on their way then. Raises
        PartRefused, ServiceUnavailable when the attempts are used up, and whatever the chunks
        raise.
        """
        path = f"/{bucket}/{quote(key, safe='-._~/')}"
        query = f"partNumber={number}&uploadId={quote(upload_id, safe='')}"
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(pause_seconds(attempt))
            body = _Framed(open_chunks(), length)
            try:
                answer = self._send(path, query, self._expecting(bucket), body)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                problem = str(error)
                continue
            if answer.status == 200:
                said = answer.headers.get(_TRAILER)
                if said is None or said == encode(body.crc32):
                    return Sent(answer.headers["ETag"], body.crc32)
                problem = "S3 received other bytes than were sent"
                continue
            found = _CODE.search(answer.data)
            problem = found[1].decode(errors="replace") if found else str(answer.status)
            is_busy = answer.status >= 500 or answer.status == TOO_MANY_REQUESTS
            if not is_busy and problem not in _AGAIN:
                raise PartRefused(problem)
        raise ServiceUnavailable(f"Part {number} of s3://{bucket}/{key}: {problem}")

    def _send(
        self, path: str, query: str, expected: Mapping[str, str], body: "_Framed"
    ) -> urllib3.BaseHTTPResponse:
        headers = {
            **expected,
            "content-encoding": "aws-chunked",
            "content-length": str(body.framed_length),
            "x-amz-decoded-content-length": str(body.length),
            "x-amz-trailer": _TRAILER,
        }
        self._on_request()
        signed = self._signer.sign("PUT", path, query, headers, TRAILING)
        return self._pool.urlopen("PUT", f"{path}?{query}", body=body, headers=signed)  # type: ignore[arg-type]  # takes memory too


class _Patience:
    """What is sent may take as long as an answer: urllib3 lets it take as long as to connect."""

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        super().endheaders(*args, **kwargs)  # type: ignore[misc]
        self.sock.settimeout(STALL_SECONDS)  # type: ignore[attr-defined]


class _HttpConnection(_Patience, HTTPConnection):
    pass


class _HttpsConnection(_Patience, HTTPSConnection):
    pass


class _Framed:
    """A body in aws-chunked encoding, with its CRC-32 behind it."""

    def __init__(self, chunks: Chunks, length: int) -> None:
        self.crc32 = 0
        self.length = length
        self._chunks = chunks
        whole, rest = divmod(length, BLOCK_BYTES)
        frames = whole * len(_frame(BLOCK_BYTES)) + (len(_frame(rest)) if rest else 0)
        self.framed_length = length + frames + len(self._end())

    def __iter__(self) -> Iterator[memoryview | bytes]:
        before = b""
        for chunk in self._chunks:
            self.crc32 = crc32(chunk, self.crc32)
            yield before + _frame(len(chunk))[:-2]
            yield chunk
            before = b"\r\n"
        yield before + self._end()

    def _end(self) -> bytes:
        return f"0\r\n{_TRAILER}:{encode(self.crc32)}\r\n\r\n".encode()


def _frame(size: int) -> bytes:
    """What stands around a chunk: its length before it, and a line break behind."""
    return f"{size:x}\r\n\r\n".encode()
