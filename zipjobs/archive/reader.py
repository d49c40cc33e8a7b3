"""Reads source objects, pinned: every byte of an entry comes from one state of its object.

A read is one ranged GET. One that breaks is resumed where it broke, at the same ETag; throttling
and server errors are tried again after a pause that doubles. A bucket of another region is read
there, once S3 has said which that is.
"""

import random
import re
import threading
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import quote

from zipjobs.archive.connection import BodyFlow, Get
from zipjobs.archive.source import Pinned, Source
from zipjobs.archive.transport import Transport
from zipjobs.archive.wire import WireError
from zipjobs.errors import (
    PermanentError,
    ServiceUnavailable,
    SourceArchived,
    SourceChanged,
    SourceForbidden,
    SourceNotFound,
    ZipJobsError,
)

ATTEMPTS = 6
EVERYTHING = 2**63
FIRST_PAUSE_SECONDS = 0.1
ERROR_BODY_BYTES = 16 * 1024
"""How much of an error is read; S3's are shorter."""

_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_UNRESERVED = "-._~/"
MOVED = (301, 307, 400)
"""What S3 may answer, with ``x-amz-bucket-region``, for a bucket that is in another region."""


class Sink(Protocol):
    """Where a read delivers. Called on the transport's thread; must not block."""

    def found(self, pinned: Pinned, length: int) -> None:
        """The object is there; ``length`` bytes follow, as they are let to. Once."""

    def received(self, chunk: memoryview | bytes) -> None:
        """The next bytes. ``chunk`` is good during the call only."""

    def done(self) -> None:
        """All bytes have been received."""

    def failed(self, error: ZipJobsError) -> None:
        """The read has failed for good.

        With SourceNotFound, SourceForbidden, SourceArchived, SourceChanged or ServiceUnavailable.
        """


class ObjectReader:
    """Reads objects: those of the service's region through ``transport``, others through one more
    that ``connect`` makes for their region.
    """

    def __init__(
        self, transport: Transport, connect: Callable[[str], Transport] | None = None
    ) -> None:
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
        """Start to read ``length`` bytes of ``source`` from ``first`` on, fewer if it is shorter.

        With ``etag``, only from that state of it. What ``flows`` does not wait for
        ``Read.proceed``.
        """
        read = Read(self, source, first, length, sink, etag, flows=flows)
        read.start()
        return read

    def transport_of(self, bucket: str) -> Transport:
        """What reads from ``bucket``, as far as is known."""
        return self._elsewhere.get(bucket, self._transport)

    def found_in(self, bucket: str, region: str) -> bool:
        """Note where a bucket is; false if that is no news, or no help."""
        with self._lock:
            if self._connect is None or bucket in self._elsewhere:
                return False
            if region not in self._regions:
                self._regions[region] = self._connect(region)
            self._elsewhere[bucket] = self._regions[region]
        return True


class Read:
    """One read under way."""

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
        self._is_cancelled = False
        self._flow: BodyFlow | None = None
        self._error: ZipJobsError | None = None
        self._status = 0
        self._error_body = b""

    def start(self) -> None:
        source = self._source
        if self._is_cancelled:
            self._sink.failed(ServiceUnavailable(f"Reading {source} was given up."))
            return
        if self._is_found and self._may_flow and self._received == self._length:
            self._sink.done()  # it broke off when nothing more was wanted of it
            return
        path = f"/{source.bucket}/{quote(source.key, safe=_UNRESERVED)}"
        query = ""
        if source.version_id is not None:
            query = f"versionId={quote(source.version_id, safe='')}"
        first, last = self._first + self._received, self._first + self._length - 1
        headers = {} if self._is_empty else {"range": f"bytes={first}-{last}"}
        if self._etag is not None:
            headers["if-match"] = self._etag
        self._flow, self._status, self._error_body = None, 0, b""
        self._reader.transport_of(source.bucket).send(Get(path, query, headers, self))

    def proceed(self, length: int) -> None:
        """Let the first ``length`` bytes of what was found flow; they are all that is wanted."""
        is_cut_short = length < self._length
        self._length = length
        self._may_flow = True
        if self._flow is not None and self._status == 206:
            self._flow.let(length - self._received)
            if is_cut_short and not length:
                self._flow.cancel()

    def cancel(self) -> None:
        """Give the read up; the sink may still be told that it failed."""
        self._is_cancelled = True
        if self._flow is not None:
            self._flow.cancel()

    # Called by the transport.

    def headers(self, status: int, headers: Mapping[str, str], body: BodyFlow) -> None:
        self._status, self._flow = status, body
        may_flow = self._may_flow
        if self._is_cancelled:
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
                raise WireError(f"another range than was asked for: {span}")
            if not self._is_found:
                self._find(headers, int(size), int(last) + 1 - self._first)
            if may_flow:
                body.let(self._length - self._received)

    def _find(self, headers: Mapping[str, str], size: int, length: int) -> None:
        self._is_found = True
        self._length = length
        self._etag = headers["etag"]
        modified = parsedate_to_datetime(headers["last-modified"])
        self._sink.found(Pinned(self._source, self._etag, size, modified), length)

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
            error = None  # what was read of the answer is enough
        if error is None and self._status == 416 and not self._is_found:
            self._is_empty = True  # no range of it can be had: ask for all of it
            self.start()
            return
        if self._status in MOVED and self._region is not None:
            try:
                is_news = self._reader.found_in(self._source.bucket, self._region)
            except Exception as trouble:  # noqa: BLE001  (botocore's, of a region it cannot serve)
                self._sink.failed(ServiceUnavailable(f"{self._source}, {self._region}: {trouble}"))
                return
            if is_news or self._attempt == 1:
                self._attempt += not is_news
                self.start()
                return
        problem = self._problem(error)
        if self._is_cancelled or isinstance(problem, PermanentError) or self._attempt >= ATTEMPTS:
            self._sink.failed(problem)
            return
        pause = FIRST_PAUSE_SECONDS * 2 ** (self._attempt - 1) * (0.5 + random.random())  # noqa: S311
        self._attempt += 1
        timer = threading.Timer(pause, self.start)
        timer.daemon = True
        timer.start()

    def _problem(self, error: Exception | None) -> ZipJobsError:
        """What went wrong, by code and status: the one place that knows S3's."""
        source = self._source
        if error is not None:
            return ServiceUnavailable(f"Reading {source} broke off: {error}")
        found = _CODE.search(self._error_body)
        code = found[1].decode(errors="replace") if found else ""
        match self._status, code:
            case (404, _):
                return SourceNotFound(
                    f"{source} does not exist. Check the key, or remove it from the list."
                )
            case (403, "InvalidObjectState"):
                return SourceArchived(
                    f"{source} is in an archive storage class. Restore it, then submit again."
                )
            case (403, "" | "AccessDenied" | "AllAccessDisabled"):
                return SourceForbidden(
                    f"{source} may not be read by the zipper's role. Grant s3:GetObject on it, "
                    "and kms:Decrypt if it is encrypted with a KMS key."
                )
            case (412 | 416 | 200, _):
                return SourceChanged(f"{source} changed while it was read. Submit the job again.")
        return ServiceUnavailable(f"S3 answered {code or self._status} for {source}.")
