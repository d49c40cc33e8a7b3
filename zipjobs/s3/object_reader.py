"""Reads source objects. All bytes of an entry come from one version of its object.

A read is one ranged GET. A read that breaks or stalls is resumed with the same ETag. Throttled
requests and server errors are retried with exponential backoff. If S3 answers that a bucket is in
another Region, its objects are read from there.
"""

import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote

from zipjobs.errors import PermanentError, ServiceUnavailable, ZipJobsError
from zipjobs.s3.errors import MAX_BODY_BYTES, ErrorResponse, source_error
from zipjobs.s3.http.client import HttpClient
from zipjobs.s3.http.transfer import BodyFlow, ClientClosed, Request, TransferError, object_path
from zipjobs.s3.retry import Attempts
from zipjobs.s3.source import ObjectVersion, Source

PROGRESS_BYTES = 1024 * 1024
"""After this many bytes, the count of attempts starts again: a body of 5 GiB may break often."""

EVERYTHING = 2**63


class Sink(Protocol):
    """Receives the bytes of a read. Called on the client's thread; must not block."""

    def found(self, pinned: ObjectVersion, length: int) -> None:
        """Receive the object's version, once. ``length`` bytes follow when they may flow."""

    def received(self, chunk: memoryview | bytes) -> None:
        """Receive the next bytes. ``chunk`` is valid during the call only."""

    def done(self) -> None:
        """Receive the end of the read."""

    def failed(self, error: ZipJobsError) -> None:
        """Receive the final error.

        It is an UnreadableObject, SourceChanged or ServiceUnavailable.
        """


class ObjectReader:
    """Reads objects through ``client``. ``connect`` returns clients for other Regions.

    ``expecting`` returns the headers with the expected owner of a bucket.
    """

    def __init__(
        self,
        client: HttpClient,
        connect: Callable[[str], HttpClient] | None = None,
        expecting: Callable[[str], Mapping[str, str]] = lambda bucket: {},
    ) -> None:
        self.expecting = expecting
        self._client = client
        self._connect = connect
        self._regions: dict[str, HttpClient] = {}
        self._elsewhere: dict[str, HttpClient] = {}  # by bucket
        self._lock = threading.Lock()

    def read(
        self,
        source: Source,
        first: int,
        length: int,
        sink: Sink,
        etag: str | None,
        *,
        flows: bool = False,
    ) -> "Read":
        """Start to read ``length`` bytes of ``source`` at ``first``, or fewer if it is shorter.

        With ``etag``, the object must have it. Without ``flows``, the body waits for
        ``Read.proceed``.
        """
        read = Read(self, source, first, length, sink, etag, flows=flows)
        read.start()
        return read

    def client_of(self, bucket: str) -> HttpClient:
        """Return the client for ``bucket``."""
        return self._elsewhere.get(bucket, self._client)

    def found_in(self, bucket: str, region: str) -> bool:
        """Record the Region of a bucket. Return False if it is known, or cannot be used."""
        with self._lock:
            if self._connect is None or bucket in self._elsewhere:
                return False
            if region not in self._regions:
                self._regions[region] = self._connect(region)
            self._elsewhere[bucket] = self._regions[region]
        return True


class Read:
    """One read in progress."""

    def __init__(
        self,
        reader: ObjectReader,
        source: Source,
        first: int,
        length: int,
        sink: Sink,
        etag: str | None,
        *,
        flows: bool,
    ) -> None:
        self._reader = reader
        self._source = source
        self._first = first
        self._length = length
        self._sink = sink
        self._etag = etag
        self._is_empty = False
        self._is_found = False
        self._may_flow = flows
        self._received = 0
        self._attempts = Attempts()
        self._has_followed = False
        self._received_before = 0
        """The value of ``_received`` when the count of attempts last started."""
        self._waits_for_room = False
        self.is_wanted = True
        self._flow: BodyFlow | None = None
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._error_body = b""

    def start(self) -> None:
        self._reader.client_of(self._source.bucket).send(self._get())

    def _start_again(self, pause: float = 0.0) -> None:
        if self._is_found and self._may_flow and self._received == self._length:
            self._sink.done()  # it broke off after all requested bytes
            return
        self._flow, self._status, self._headers, self._error_body = None, 0, {}, b""
        self._reader.client_of(self._source.bucket).send_again(self._get(), pause)

    def _get(self) -> Request:
        """Return the request for the missing bytes."""
        source = self._source
        path = object_path(source.bucket, source.key)
        query = ""
        if source.version_id is not None:
            query = f"versionId={quote(source.version_id, safe='')}"
        first, last = self._first + self._received, self._first + self._length - 1
        headers = dict(self._reader.expecting(source.bucket))
        if not self._is_empty:
            headers["range"] = f"bytes={first}-{last}"
        if self._etag is not None:
            headers["if-match"] = self._etag
        if source.requester_pays:
            headers["x-amz-request-payer"] = "requester"
        return Request(path, query, headers, self)

    def proceed(self, length: int) -> None:
        """Let the first ``length`` bytes flow. The rest is not needed."""
        is_cut_short = length < self._length
        self._length = length
        self._may_flow = True
        flow = self._flow
        if flow is None:
            self._reader.client_of(self._source.bucket).call(self._on_room)
        elif self._status == 206:
            flow.let(length - self._received)
            if is_cut_short and not length:
                flow.cancel()

    def cancel(self) -> None:
        """Cancel the read. ``Sink.failed`` may still be called."""
        self.is_wanted = False
        flow = self._flow
        if flow is not None:
            flow.cancel()

    # Callbacks of the client.

    def headers(self, status: int, headers: Mapping[str, str], body: BodyFlow) -> None:
        self._status, self._headers, self._flow = status, headers, body
        may_flow = self._may_flow
        if not self.is_wanted:
            body.cancel()
        elif status == 200 and self._is_empty and headers.get("content-length") == "0":
            self._find(headers, size=0, length=0)
        elif status != 206:
            body.let(EVERYTHING)
        else:
            first, last, size = _content_range(headers)
            if first != self._first + self._received:
                raise TransferError("The response has another range than requested.")
            if not self._is_found:
                self._find(headers, size, last + 1 - self._first)
            else:
                self._require_etag(headers)
            if may_flow:
                body.let(self._length - self._received)

    def _require_etag(self, headers: Mapping[str, str]) -> str:
        """Return the ETag. Raise TransferError if there is none, or another than requested."""
        etag = headers.get("etag")
        if etag is None or self._etag not in (None, etag):
            raise TransferError(f"The response has ETag {etag}, not {self._etag}.")
        return etag

    def _find(self, headers: Mapping[str, str], size: int, length: int) -> None:
        etag = self._require_etag(headers)
        modified = _modified(headers)
        self._is_found = True
        self._length = length
        self._etag = etag
        version_id = headers.get("x-amz-version-id", self._source.version_id)
        self._sink.found(ObjectVersion(self._source, etag, size, modified, version_id), length)

    def data(self, chunk: memoryview | bytes) -> None:
        if self._status == 206:
            self._received += len(chunk)
            self._sink.received(chunk)
            if self._received == self._length and self._flow is not None:
                self._flow.enough()
        elif len(self._error_body) < MAX_BODY_BYTES:
            self._error_body += bytes(chunk)
            if len(self._error_body) >= MAX_BODY_BYTES and self._flow is not None:
                self._flow.enough()

    def end(self, error: Exception | None) -> None:
        self._flow = None
        if self._is_found and self._received == self._length:
            self._sink.done()
            return
        if len(self._error_body) >= MAX_BODY_BYTES:
            error = None  # enough of the response was read
        if error is None and self._status == 416 and not self._is_found and not self._is_empty:
            self._is_empty = True  # an empty object has no range: request all of it
            self._start_again()
            return
        response = ErrorResponse.parse(self._status, self._headers, self._error_body)
        if error is None and response.region is not None and self._follow(response.region):
            return
        if error is not None:
            problem: ZipJobsError = ServiceUnavailable(f"Reading {self._source} failed: {error}")
        else:
            problem = source_error(response, self._source)
        if response.code == "ExpiredToken":
            self._reader.client_of(self._source.bucket).renew_credentials()
        if self._received - self._received_before >= PROGRESS_BYTES:
            self._received_before = self._received
            self._attempts.restart()
        is_final = isinstance(problem, PermanentError) or isinstance(error, ClientClosed)
        if self._is_found and not self._may_flow and not is_final and self.is_wanted:
            self._waits_for_room = True  # a new response might break off too while it waits
            return
        pause = None if is_final or not self.is_wanted else self._attempts.next_pause()
        if pause is None:
            self._sink.failed(problem)
        else:
            self._start_again(pause)

    def _follow(self, region: str) -> bool:
        """Read from the bucket's Region, as S3 says. Return False if that was tried before."""
        try:
            is_news = self._reader.found_in(self._source.bucket, region)
        except Exception as error:  # noqa: BLE001  (botocore's, for an unknown Region)
            self._sink.failed(ServiceUnavailable(f"{self._source}, {region}: {error}"))
            return True
        if not is_news and self._has_followed:
            return False
        self._has_followed = True
        self._start_again()
        return True

    def _on_room(self) -> None:
        if self._waits_for_room:
            self._waits_for_room = False
            self._start_again()


def _modified(headers: Mapping[str, str]) -> datetime:
    """Return the time of the file that the object holds, else that of the object.

    Programs that upload files keep their time in the metadata ``mtime``: seconds since 1970, with
    a fraction or without. https://rclone.org/s3/#modification-times-and-hashes
    """
    mtime = headers.get("x-amz-meta-mtime", "")
    if _SECONDS.fullmatch(mtime):
        with suppress(OverflowError, ValueError, OSError):  # not a time in the years 1 to 9999
            return datetime.fromtimestamp(float(mtime), UTC)
    try:
        return _parsed_date(headers["last-modified"])
    except (KeyError, ValueError) as error:
        raise TransferError("The response has no valid Last-Modified.") from error


_SECONDS = re.compile(r"-?[0-9]+(\.[0-9]+)?")

_parsed_date = lru_cache(maxsize=1000)(parsedate_to_datetime)
"""Objects that were written in the same second share their date."""


def _content_range(headers: Mapping[str, str]) -> tuple[int, int, int]:
    """Return the first and last byte of a response, and the object's size."""
    try:
        span, _, size = headers["content-range"].removeprefix("bytes ").partition("/")
        first, _, last = span.partition("-")
        return int(first), int(last), int(size)
    except (KeyError, ValueError) as error:
        raise TransferError("The response has no valid Content-Range.") from error
