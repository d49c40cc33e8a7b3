"""UploadPart for parts that are sent while they are read.

boto3 needs a part's CRC-32, or its bytes twice, before it sends them. Here the CRC-32 is computed
while the bytes are sent, and follows them: "Using trailing checksums with aws-chunked encoding",
Amazon S3 API Reference. urllib3 sends the requests.
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
"""Parts are sent in blocks of this size. The last block of a part may be smaller."""

CONNECT_SECONDS = 3.0
STALL_SECONDS = 60.0
"""The timeout for sending a block and for the response. It is three times the timeout of a read,
because a retry may have to read the part's sources again."""

TRAILING = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_TRAILER = "x-amz-checksum-crc32"
_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_AGAIN = {"RequestTimeout", "BadDigest", "XAmzContentChecksumMismatch", "IncompleteBody"}

Chunks = Iterable[memoryview | bytes]
"""Bytes in blocks of ``BLOCK_BYTES``. The last one may be shorter."""


class PartRefused(Exception):
    """S3 refused a part permanently, with error ``code``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Sent:
    """A stored part: its ETag, and its CRC-32 as computed here and by S3."""

    etag: str
    crc32: int


class PartSender:
    """Sends parts to one S3 endpoint. Thread-safe.

    ``on_request`` is called for each request, on the thread that sends it. ``expecting`` returns
    the headers with the expected owner of a bucket.
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
        """Send part ``number``. ``open_chunks`` is called once per attempt.

        A retry waits on the caller's thread, so that fewer parts are sent while S3 throttles.
        Raises PartRefused, ServiceUnavailable after the last attempt, and errors of the chunks.
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
                problem = "S3 received other bytes than it was sent"
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
        return self._pool.urlopen("PUT", f"{path}?{query}", body=body, headers=signed)  # type: ignore[arg-type]  # accepts memoryviews too


class _Patience:
    """Sets the timeout for sending. urllib3 would use the timeout for connecting."""

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        super().endheaders(*args, **kwargs)  # type: ignore[misc]
        self.sock.settimeout(STALL_SECONDS)  # type: ignore[attr-defined]


class _HttpConnection(_Patience, HTTPConnection):
    pass


class _HttpsConnection(_Patience, HTTPSConnection):
    pass


class _Framed:
    """A body in aws-chunked encoding, followed by its CRC-32."""

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
    """Return the framing of a chunk: its length before it, and a line break after it."""
    return f"{size:x}\r\n\r\n".encode()
