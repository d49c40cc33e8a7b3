"""UploadPart for parts that are sent while they are assembled.

boto3 needs a part's CRC-32, or its bytes twice, before it sends them. Here the CRC-32 is computed
while the bytes are sent, and follows them: "Using trailing checksums with aws-chunked encoding",
Amazon S3 API Reference. A part that is complete in memory has it in a header.

Buckets with a default retention (Object Lock) refuse trailing checksums. For such a bucket, the
bytes of a part are opened twice: once for its CRC-32, then to send them.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from threading import Condition, Lock
from urllib.parse import quote

from isal.isal_zlib import crc32

from zipjobs.errors import ServiceUnavailable
from zipjobs.s3.errors import MAX_BODY_BYTES, ErrorResponse, target_error
from zipjobs.s3.http.client import HttpClient
from zipjobs.s3.http.transfer import BodyFlow, Request, TransferError, object_path
from zipjobs.s3.retry import Attempts
from zipjobs.s3.target import Target
from zipjobs.zipformat.crc32 import decode, encode

BLOCK_BYTES = 1024 * 1024
"""Parts are sent in blocks of this size. The last block of a part may be smaller."""

CHECKSUM = "x-amz-checksum-crc32"
TRAILING = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
UNSIGNED = "UNSIGNED-PAYLOAD"

Chunks = Iterable[memoryview | bytes]
"""Bytes in blocks of ``BLOCK_BYTES``. The last one may be shorter."""


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part that S3 has stored, with the CRC-32 and the number of its bytes."""

    number: int
    etag: str
    crc32: int
    length: int


class PartSender:
    """Sends parts through ``client``. Thread-safe.

    ``expecting`` returns the headers with the expected owner of a bucket.
    """

    def __init__(
        self,
        client: HttpClient,
        expecting: Callable[[str], Mapping[str, str]] = lambda bucket: {},
    ) -> None:
        self._client = client
        self._expecting = expecting
        self._needs_header: set[str] = set()  # buckets that refuse trailing checksums

    def put(
        self,
        target: Target,
        upload_id: str,
        number: int,
        length: int,
        open_chunks: Callable[[], Chunks],
    ) -> UploadedPart:
        """Send part ``number`` of ``length`` bytes.

        ``open_chunks`` is called once per attempt. A list is in memory: it is read twice, so that
        its CRC-32 can be sent before it. A retry waits on the caller's thread, so that fewer parts
        are sent while S3 throttles. Raises the errors of ``target_error``, ServiceUnavailable after
        the last attempt, and errors of the chunks.
        """
        bucket = target.bucket
        path = object_path(bucket, target.key)
        query = f"partNumber={number}&uploadId={quote(upload_id, safe='')}"
        attempts = Attempts()
        where = f"part {number} of {target}"
        while True:
            body = self._body(bucket, length, open_chunks)
            headers = {**self._expecting(bucket), **body.headers}
            sending = _Sending(self._client, path, query, headers, body)
            try:
                response = sending.run()
            except TransferError as error:
                if error.is_stale:
                    continue  # libcurl has closed the connection: the next one is another
                problem = str(error)
            else:
                if response.status == 200:
                    etag, received = _stored(response.headers, where)
                    if received == body.crc32:
                        return UploadedPart(number, etag, received, length)
                    problem = "S3 received other bytes than were sent"
                else:
                    refusal = ErrorResponse.parse(response.status, response.headers, response.body)
                    if body.is_trailing and _is_header_missing(refusal):
                        self._needs_header.add(bucket)
                        continue
                    if refusal.is_permanent:
                        raise target_error(refusal, target)
                    if refusal.code == "ExpiredToken":
                        self._client.renew_credentials()
                    problem = str(refusal)
            pause = attempts.next_pause()
            if pause is None:
                raise ServiceUnavailable(f"Sending {where} failed: {problem}")
            time.sleep(pause)

    def _body(self, bucket: str, length: int, open_chunks: Callable[[], Chunks]) -> "_Body":
        chunks = open_chunks()
        if isinstance(chunks, list):
            return _Body(chunks, length, _crc32_of(chunks))
        if bucket in self._needs_header:
            known = _crc32_of(chunks)
            return _Body(open_chunks(), length, known)
        return _Body(chunks, length, None)


def _crc32_of(chunks: Chunks) -> int:
    total = 0
    for chunk in chunks:
        total = crc32(chunk, total)
    return total


def _is_header_missing(refusal: ErrorResponse) -> bool:
    """Return whether the bucket needs the checksum in a header.

    "The Content-MD5 or x-amz-sdk-checksum-algorithm header is required for any request to upload an
    object with a retention period configured using S3 Object Lock": PutObject, Amazon S3 API
    Reference. S3 answers 400 InvalidRequest, and names the header.
    """
    text = refusal.message.lower()
    return refusal.code == "InvalidRequest" and ("content-md5" in text or "checksum" in text)


def _stored(headers: Mapping[str, str], where: str) -> tuple[str, int]:
    """Return the ETag and CRC-32 of a stored part. Raises ServiceUnavailable if one is missing."""
    for name in ("etag", CHECKSUM):
        if name not in headers:
            raise ServiceUnavailable(f"The response for {where} has no {name} header.")
    return headers["etag"], decode(headers[CHECKSUM])


class _Body:
    """The body of one attempt, pulled by the client and fed by the sender.

    With ``known``, its CRC-32, the bytes go out as they are and the checksum is a header. Else they
    go out in aws-chunked encoding, and the checksum follows them. A list of chunks has a known one.
    """

    def __init__(self, chunks: Chunks, length: int, known: int | None) -> None:
        self.crc32 = known or 0
        self.is_trailing = known is None
        self.is_in_memory = isinstance(chunks, list)
        self._chunks = chunks
        if known is not None:
            self.length = length
            self.headers = {CHECKSUM: encode(known)}
            return
        whole, rest = divmod(length, BLOCK_BYTES)
        frames = whole * len(_frame(BLOCK_BYTES)) + (len(_frame(rest)) if rest else 0)
        self.length = length + frames + len(self._end())
        self.headers = {
            "content-encoding": "aws-chunked",
            "x-amz-decoded-content-length": str(length),
            "x-amz-trailer": CHECKSUM,
        }

    def pieces(self) -> Iterator[Iterable[memoryview | bytes]]:
        """Yield what goes over the wire: a chunk at a time, or all that is in memory."""
        if self.is_in_memory:
            yield self._chunks
            return
        if not self.is_trailing:
            for chunk in self._chunks:
                yield (chunk,)
            return
        before = b""
        for chunk in self._chunks:
            self.crc32 = crc32(chunk, self.crc32)
            yield before + _frame(len(chunk))[:-2], chunk
            before = b"\r\n"
        yield (before + self._end(),)

    def _end(self) -> bytes:
        return f"0\r\n{CHECKSUM}:{encode(self.crc32)}\r\n\r\n".encode()


def _frame(size: int) -> bytes:
    """Return the framing of a chunk: its length before it, and a line break after it."""
    return f"{size:x}\r\n\r\n".encode()


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Sending:
    """One attempt: feeds the client on the caller's thread, and waits for the response."""

    def __init__(
        self,
        client: HttpClient,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: _Body,
    ) -> None:
        self.is_wanted = True
        self.length = body.length
        self._client = client
        self._body = body
        payload = TRAILING if body.is_trailing else UNSIGNED
        self._request = Request(path, query, headers, self, self, payload)
        self._changed = Condition(Lock())
        self._pieces: deque[memoryview] = deque()
        self._is_paused = False
        self._is_fed = False
        self._is_over = False
        self._error: Exception | None = None
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._received = b""
        self._flow: BodyFlow | None = None

    def run(self) -> _Response:
        """Send the body and return the response. Raises TransferError and errors of the chunks."""
        self._client.send(self._request)
        try:
            for pieces in self._body.pieces():
                if not self._feed(pieces):
                    break
            self._finish()
        except BaseException:  # the caller's memory must not be read any more
            self.is_wanted = False
            self._client.cancel(self._request)
            with self._changed:
                self._changed.wait_for(lambda: self._is_over)
            raise
        if self._error is not None:
            raise self._error
        return _Response(self._status, self._headers, self._received)

    def _feed(self, pieces: Iterable[memoryview | bytes]) -> bool:
        """Wait until the client has taken ``pieces``. Return False if the request has ended."""
        with self._changed:
            self._pieces.extend(memoryview(piece) for piece in pieces)
            self._resume()
            if not self._body.is_in_memory:
                self._changed.wait_for(lambda: self._is_over or not self._pieces)
            return not self._is_over

    def _finish(self) -> None:
        """Wait for the response."""
        with self._changed:
            self._is_fed = True
            self._resume()
            self._changed.wait_for(lambda: self._is_over)

    def _resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._client.resume(self._request)

    # Callbacks of the client.

    def read(self, size: int) -> memoryview | bytes | None:
        with self._changed:
            if not self._pieces and not self._is_fed:
                self._is_paused = True
                return None
            piece = self._pieces.popleft() if self._pieces else memoryview(b"")
            if len(piece) > size:
                self._pieces.appendleft(piece[size:])
                return piece[:size]
            if self._pieces or self._body.is_in_memory:
                return piece
            taken = bytes(piece)  # its memory is used for something else from now on
            self._changed.notify_all()
            return taken

    def headers(self, status: int, headers: Mapping[str, str], body: BodyFlow) -> None:
        self._status, self._headers, self._flow = status, headers, body
        body.let(MAX_BODY_BYTES)

    def data(self, chunk: memoryview | bytes) -> None:
        self._received += bytes(chunk)
        if len(self._received) >= MAX_BODY_BYTES and self._flow is not None:
            self._flow.enough()

    def end(self, error: Exception | None) -> None:
        with self._changed:
            if len(self._received) < MAX_BODY_BYTES:
                self._error = error
            self._is_over = True
            self._changed.notify_all()
