"""A fake S3 for huge bodies of zeros, which are written as holes in a sparse file."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from isal.isal_zlib import crc32, crc32_combine

from zipjobs.errors import ServiceUnavailable
from zipjobs.s3.multipart_upload import StoredArchive
from zipjobs.s3.object_reader import Sink
from zipjobs.s3.part_upload import UploadedPart
from zipjobs.s3.source import ObjectVersion, Source

MIB = 1 << 20
CHUNK_BYTES = 256 * 1024
MODIFIED = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)

Body = bytes | int
"""The bytes of a body, or its number of zeros."""


def length_of(body: Body) -> int:
    return body if isinstance(body, int) else len(body)


def _range_of(body: Body, first: int, end: int) -> bytes:
    return bytes(end - first) if isinstance(body, int) else body[first:end]


def crc_of(body: Body) -> int:
    """Return the CRC-32 of a body."""
    if not isinstance(body, int):
        return int(crc32(body))
    total, zeros = 0, memoryview(bytes(min(body, 16 * MIB)))
    for first in range(0, body, 16 * MIB):
        total = crc32(zeros[: body - first], total)
    return total


class SparseReader:
    """An ``ObjectReader`` of bodies by key. The caller closes it."""

    def __init__(self, bodies: dict[str, Body]) -> None:
        self._bodies = bodies
        self._thread = ThreadPoolExecutor(1, "transport")

    def read(
        self,
        source: Source,
        first: int,
        length: int,
        sink: Sink,
        etag: str | None,
        *,
        flows: bool = False,
    ) -> "SparseRead":
        body = self._bodies[source.key]
        size = length_of(body)
        read = SparseRead(self._thread, body, first, min(length, size - first), sink)
        read.start(ObjectVersion(source, '"etag"', size, MODIFIED), flows)
        return read

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)


class SparseRead:
    """A ``Read`` of a range of a body. Each step is a task on the reader's thread."""

    def __init__(
        self, thread: ThreadPoolExecutor, body: Body, first: int, length: int, sink: Sink
    ) -> None:
        self._thread = thread
        self._body = body
        self._first = first
        self._length = length
        self._sink = sink

    def start(self, pinned: ObjectVersion, flows: bool) -> None:
        self._thread.submit(self._find, pinned)
        if flows and self._length:
            self._thread.submit(self._deliver, self._length)

    def proceed(self, length: int) -> None:
        self._thread.submit(self._deliver, length)

    def cancel(self) -> None:
        """Do nothing: all tasks are short."""

    def _find(self, pinned: ObjectVersion) -> None:
        self._sink.found(pinned, self._length)
        if not self._length:
            self._sink.done()

    def _deliver(self, length: int) -> None:
        try:
            for at in range(self._first, self._first + length, CHUNK_BYTES):
                end = min(at + CHUNK_BYTES, self._first + length)
                self._sink.received(_range_of(self._body, at, end))
            self._sink.done()
        except Exception as error:  # noqa: BLE001  (the engine waits for this read)
            self._sink.failed(ServiceUnavailable(repr(error)))


class SparseUpload:
    """An ``Upload`` into a file. Keeps parts in memory until it is complete, except zeros."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts: dict[int, Body] = {}

    def put_part(
        self, number: int, length: int, open_chunks: Callable[[], Iterable[memoryview | bytes]]
    ) -> UploadedPart:
        part = b"".join(bytes(chunk) for chunk in open_chunks())
        assert len(part) == length
        return self._record(number, part)

    def copy_part(
        self, number: int, pinned: ObjectVersion, first: int, length: int
    ) -> UploadedPart:
        assert first + length <= pinned.size
        return self._record(number, length)

    def complete(self, parts: list[UploadedPart], crc32: int, size: int) -> StoredArchive:
        assert [part.number for part in parts] == sorted(self._parts)
        bodies = [self._parts[part.number] for part in parts]
        assert all(length_of(body) >= 5 * MIB for body in bodies[:-1])
        total = 0
        with self._path.open("wb") as file:
            for part, body in zip(parts, bodies, strict=True):
                total = crc32_combine(total, part.crc32, length_of(body))
                if isinstance(body, int):
                    file.seek(body, 1)
                else:
                    file.write(body)
        assert (self._path.stat().st_size, total) == (size, crc32)
        return StoredArchive('"etag"', None)

    def _record(self, number: int, part: Body) -> UploadedPart:
        self._parts[number] = part
        return UploadedPart(number, '"etag"', crc_of(part), length_of(part))
