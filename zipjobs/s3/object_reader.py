"""Reads source objects. All bytes of an entry come from one version of its object.

A read is one ranged GET. A read that breaks or stalls is resumed with the same ETag. Throttled
requests and server errors are retried with exponential backoff. If S3 answers that a bucket is in
another Region, its objects are read from there.
"""

import re
import threading
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import quote

from zipjobs.errors import (
    PermanentError,
    ServiceUnavailable,
    SourceArchived,
    SourceChanged,
    SourceForbidden,
    SourceNotFound,
    ZipJobsError,
)
from zipjobs.s3.bucket_owners import OWNER_HINT
from zipjobs.s3.client import Transport
from zipjobs.s3.connection import BodyFlow, Get
from zipjobs.s3.retry import ATTEMPTS, pause_seconds
from zipjobs.s3.source import ObjectVersion, Source
from zipjobs.s3.wire import ClientClosed, WireError

PROGRESS_BYTES = 1024 * 1024
"""After this many bytes, the count of attempts starts again: a body of 5 GiB may break often."""

EVERYTHING = 2**63
ERROR_BODY_BYTES = 16 * 1024
"""The limit for the body of an error. S3's errors are shorter."""

_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_UNRESERVED = "-._~/"
MOVED = (301, 307, 400)
"""The status, with ``x-amz-bucket-region``, for a bucket in another Region."""


class Sink(Protocol):
    """Receives the bytes of a read. Called on the transport's thread; must not block."""

    def found(self, pinned: ObjectVersion, length: int) -> None:
        """Receive the object's version, once. ``length`` bytes follow when they may flow."""

    def received(self, chunk: memoryview | bytes) -> None:
        """Receive the next bytes. ``chunk`` is valid during the call only."""

    def done(self) -> None:
        """Receive the end of the read."""

    def failed(self, error: ZipJobsError) -> None:
        """Receive the final error.

        It is SourceNotFound, SourceForbidden, SourceArchived, SourceChanged or ServiceUnavailable.
        """


class ObjectReader:
    """Reads objects through ``transport``. ``connect`` returns transports for other Regions.

    ``expecting`` returns the headers with the expected owner of a bucket.
    """

    def __init__(
        self,
        transport: Transport,
        connect: Callable[[str], Transport] | None = None,
        expecting: Callable[[str], Mapping[str, str]] = lambda bucket: {},
    ) -> None:
        self.expecting = expecting
        self._transport = transport
        self._connect = connect
        self._regions: dict[str, Transport] = {}
        self._elsewhere: dict[str, Transport] = {}  # by bucket
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

    def transport_of(self, bucket: str) -> Transport:
        """Return the transport for ``bucket``."""
        return self._elsewhere.get(bucket, self._transport)

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
        self._region: str | None = None
        self._is_found = False
        self._may_flow = flows
        self._received = 0
        self._attempt = 1
        self._received_before = 0
        """The value of ``_received`` when the count of attempts last started."""
        self._waits_for_room = False
        self.is_wanted = True
        self._flow: BodyFlow | None = None
        self._status = 0
        self._error_body = b""

    def start(self) -> None:
        self._reader.transport_of(self._source.bucket).send(self._get())

    def _start_again(self, pause: float = 0.0) -> None:
        if self._is_found and self._may_flow and self._received == self._length:
            self._sink.done()  # it broke off after all requested bytes
            return
        self._flow, self._status, self._error_body = None, 0, b""
        self._reader.transport_of(self._source.bucket).send_again(self._get(), pause)

    def _get(self) -> Get:
        """Return the request for the missing bytes."""
        source = self._source
        path = f"/{source.bucket}/{quote(source.key, safe=_UNRESERVED)}"
        query = ""
        if source.version_id is not None:
            query = f"versionId={quote(source.version_id, safe='')}"
        first, last = self._first + self._received, self._first + self._length - 1
        headers = dict(self._reader.expecting(source.bucket))
        if not self._is_empty:
            headers["range"] = f"bytes={first}-{last}"
        if self._etag is not None:
            headers["if-match"] = self._etag
        return Get(path, query, headers, self)

    def proceed(self, length: int) -> None:
        """Let the first ``length`` bytes flow. The rest is not needed."""
        is_cut_short = length < self._length
        self._length = length
        self._may_flow = True
        flow = self._flow
        if flow is None:
            self._reader.transport_of(self._source.bucket).call(self._on_room)
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

    # Callbacks of the transport.

    def headers(self, status: int, headers: Mapping[str, str], body: BodyFlow) -> None:
        self._status, self._flow = status, body
        may_flow = self._may_flow
        if not self.is_wanted:
            body.cancel()
        elif status == 200 and self._is_empty and headers["content-length"] == "0":
            self._find(headers, size=0, length=0)
        elif status != 206:
            self._region = headers.get("x-amz-bucket-region")
            body.let(EVERYTHING)
        else:
            span, _, size = headers["content-range"].removeprefix("bytes ").partition("/")
            first, _, last = span.partition("-")
            if int(first) != self._first + self._received:
                raise WireError(f"the response has another range than requested: {span}")
            if not self._is_found:
                self._find(headers, int(size), int(last) + 1 - self._first)
            else:
                self._require_etag(headers)
            if may_flow:
                body.let(self._length - self._received)

    def _require_etag(self, headers: Mapping[str, str]) -> None:
        """Raise WireError if the response has another ETag than requested."""
        if self._etag is not None and headers["etag"] != self._etag:
            raise WireError(f"the response has ETag {headers['etag']}, not {self._etag}")

    def _find(self, headers: Mapping[str, str], size: int, length: int) -> None:
        self._require_etag(headers)
        self._is_found = True
        self._length = length
        self._etag = headers["etag"]
        modified = parsedate_to_datetime(headers["last-modified"])
        version_id = headers.get("x-amz-version-id", self._source.version_id)
        self._sink.found(
            ObjectVersion(self._source, self._etag, size, modified, version_id), length
        )

    def data(self, chunk: memoryview | bytes) -> None:
        if self._status == 206:
            self._received += len(chunk)
            self._sink.received(chunk)
            if self._received == self._length and self._flow is not None:
                self._flow.enough()
        elif len(self._error_body) < ERROR_BODY_BYTES:
            self._error_body += bytes(chunk)
            if len(self._error_body) >= ERROR_BODY_BYTES and self._flow is not None:
                self._flow.enough()

    def end(self, error: Exception | None) -> None:
        self._flow = None
        if self._is_found and self._received == self._length:
            self._sink.done()
            return
        if len(self._error_body) >= ERROR_BODY_BYTES:
            error = None  # enough of the response was read
        if error is None and self._status == 416 and not self._is_found:
            self._is_empty = True  # an empty object has no range: request all of it
            self._start_again()
            return
        if self._status in MOVED and self._region is not None:
            try:
                is_news = self._reader.found_in(self._source.bucket, self._region)
            except Exception as trouble:  # noqa: BLE001  (botocore's, for an unknown Region)
                self._sink.failed(ServiceUnavailable(f"{self._source}, {self._region}: {trouble}"))
                return
            if is_news or self._attempt == 1:
                self._attempt += not is_news
                self._start_again()
                return
        problem = self._problem(error)
        if self._received - self._received_before >= PROGRESS_BYTES:
            self._received_before, self._attempt = self._received, 1
        is_final = isinstance(problem, PermanentError) or isinstance(error, ClientClosed)
        if self._is_found and not self._may_flow and not is_final and self.is_wanted:
            self._waits_for_room = True  # a new response might break off too while it waits
            return
        if is_final or not self.is_wanted or self._attempt >= ATTEMPTS:
            self._sink.failed(problem)
            return
        self._attempt += 1
        self._start_again(pause_seconds(self._attempt - 1))

    def _on_room(self) -> None:
        if self._waits_for_room:
            self._waits_for_room = False
            self._start_again()

    def _problem(self, error: Exception | None) -> ZipJobsError:
        """Return the error for a status and error code of S3."""
        source = self._source
        if error is not None:
            return ServiceUnavailable(f"Reading {source} failed: {error}")
        named = (str(source),)
        found = _CODE.search(self._error_body)
        code = found[1].decode(errors="replace") if found else ""
        match self._status, code:
            case (404, _):
                return SourceNotFound(
                    f"{source} does not exist. Check the key, or remove it from the list.", named
                )
            case (403, "InvalidObjectState"):
                return SourceArchived(
                    f"{source} is in an archive storage class. Restore it, then submit the job "
                    "again.",
                    named,
                )
            case (403, "" | "AccessDenied" | "AllAccessDisabled"):
                return SourceForbidden(
                    f"The zipper's role has no permission to read {source}. Grant s3:GetObject, "
                    f"and kms:Decrypt if a KMS key encrypts it. {OWNER_HINT}",
                    named,
                )
            case (412 | 416 | 200, _):
                return SourceChanged(
                    f"{source} changed while it was read. Submit the job again.", named
                )
        return ServiceUnavailable(f"S3 returned {code or self._status} for {source}.")
