"""Entries that are being written, and the reads of their objects."""

from collections.abc import Callable
from dataclasses import dataclass, field

from isal.isal_zlib import crc32

from zipjobs.archive.blocks import Slot, crc_of
from zipjobs.archive.part_sizing import MIB
from zipjobs.archive.receipt import entry_line
from zipjobs.errors import ServiceUnavailable, ZipJobsError
from zipjobs.s3.object_reader import ObjectReader, Read
from zipjobs.s3.source import Entry, ObjectVersion
from zipjobs.zipformat.crc32 import combine
from zipjobs.zipformat.deflate import Deflated, Run
from zipjobs.zipformat.records import Member

HELD_BODY_BYTES = 16 * MIB
"""A body of up to this size stays in memory until its CRC-32 is known, so that its header
can be sent first. A larger body that S3 does not copy is read twice."""


@dataclass(slots=True, eq=False)
class ResolvedEntry:
    """An entry whose object was found. ``crc32`` is known if the body was read."""

    entry: Entry
    pinned: ObjectVersion
    probe: "RangeRead | None" = None
    probe_bytes: int = 0
    crc32: int | None = None
    deflated: Deflated | None = None

    @property
    def size(self) -> int:
        """Return the length of the body in the archive."""
        return self.deflated.size if self.deflated else self.pinned.size

    def member(self) -> Member:
        """Return the ZIP member, without the CRC-32."""
        pinned = self.pinned
        deflated_size = self.deflated.size if self.deflated else None
        return Member.of(self.entry.name, pinned.size, pinned.modified, deflated_size)


@dataclass(slots=True, eq=False)
class PlacedEntry:
    """An entry with a position in the archive.

    The first ``assembled_bytes`` of its body go into assembled parts; S3 copies the rest.
    """

    index: int
    found: ResolvedEntry
    member: Member
    offset: int
    assembled_bytes: int
    header_slots: list[tuple[Slot, int]] = field(default_factory=list)
    fetch: "RangeRead | None" = None
    _crcs: dict[int, tuple[int, int]] = field(default_factory=dict)
    _unread_bytes: int = 0

    def __post_init__(self) -> None:
        if self.found.crc32 is not None:
            self.member.CRC = self.found.crc32
        else:
            self._unread_bytes = self.found.size

    @property
    def crc_is_known(self) -> bool:
        """Return whether the whole body was read or copied, so that ``member.CRC`` is set."""
        return not self._unread_bytes

    def note_crc(self, first: int, length: int, range_crc: int) -> bool:
        """Record the CRC-32 of a range. Return whether the body's CRC-32 is known now."""
        if not self._unread_bytes:
            return False
        self._unread_bytes -= length
        if not self._unread_bytes and not self._crcs:
            self.member.CRC = range_crc
            return True
        self._crcs[first] = (range_crc, length)
        if self._unread_bytes:
            return False
        self.member.CRC = combine(self._crcs[start] for start in sorted(self._crcs))
        self._crcs.clear()
        return True

    def central_record(self) -> bytes:
        """Return the central directory record."""
        return self.member.central_record(self.offset)

    def receipt_line(self) -> bytes:
        """Return the line of the receipt."""
        found = self.found
        return entry_line(found.entry.name, found.pinned, self.member.CRC)


class RangeRead:
    """A read of a range of a body into reserved slots: a sink of the reader.

    The first read of an entry, its probe, starts before the entry has a position.
    """

    __slots__ = (
        "_at",
        "_next",
        "_on_done",
        "_on_failed",
        "_on_found",
        "_run",
        "_unfold",
        "first",
        "length",
        "placed",
        "read",
        "slots",
        "unreserved",
    )

    def __init__(
        self,
        first: int,
        length: int,
        on_done: Callable[["RangeRead"], None],
        on_failed: Callable[["RangeRead", BaseException], None],
        on_found: Callable[["RangeRead", ObjectVersion, int], None] | None = None,
    ) -> None:
        self.first = first
        self.length = length
        self.unreserved = length
        self.slots: list[Slot] = []
        self.placed: PlacedEntry | None = None
        self.read: Read | None = None
        self._unfold: Callable[[bytes], bytes] | None = None
        self._run: Run | None = None
        self._next = 0
        self._at = 0
        self._on_found = on_found
        self._on_done = on_done
        self._on_failed = on_failed

    def start(self, reader: ObjectReader, placed: PlacedEntry) -> None:
        """Start the read. Slots are reserved for all of it."""
        self.placed = placed
        pinned, deflated = placed.found.pinned, placed.found.deflated
        first, length = self.first, self.length
        if deflated:
            run = self._run = deflated.run_at(first)
            first, length, self._unfold = run.source_first, run.source_length, run.deflater()
        self.read = reader.read(pinned.source, first, length, self, pinned.etag, flows=True)

    def limit(self, length: int) -> None:
        """Shorten the read to its first ``length`` bytes."""
        self.length = self.unreserved = length

    def proceed(self) -> None:
        """Let the bytes of the probe flow. Slots are reserved for all of them."""
        if self.read is not None:
            self.read.proceed(self.length)

    def cancel(self) -> None:
        """Cancel the read if it was started."""
        if self.read is not None:
            self.read.cancel()

    @property
    def crc32(self) -> int:
        """Return the CRC-32 of the range after it is complete."""
        return crc_of(self.slots)

    # Callbacks of the reader, on the transport's thread.

    def found(self, pinned: ObjectVersion, length: int) -> None:
        if self._on_found is not None:
            try:
                self._on_found(self, pinned, length)
            except Exception as error:  # noqa: BLE001  (would end the transport's thread)
                self._on_failed(self, error)

    def received(self, chunk: memoryview | bytes) -> None:
        if self._unfold is not None:
            chunk = self._unfold(bytes(chunk))
        while chunk:
            view = self.slots[self._next].view
            size = min(len(chunk), len(view) - self._at)
            view[self._at : self._at + size] = chunk[:size]
            self._at += size
            if self._at == len(view):
                self._next += 1
                self._at = 0
            if size == len(chunk):
                return
            chunk = memoryview(chunk)[size:]

    def done(self) -> None:
        self.read = None  # breaks a reference cycle, which would wait for the collector
        try:
            self._check_run()
            self._on_done(self)
        except Exception as error:  # noqa: BLE001  (would end the transport's thread)
            self._on_failed(self, error)
        self.placed = None

    def _check_run(self) -> None:
        """Raise ServiceUnavailable if compressing again gave other bytes than before."""
        if self._run is not None and self.crc32 != self._run.crc32:
            raise ServiceUnavailable(
                "Compressing an object again gave other bytes than before. The job is retried."
            )

    def failed(self, error: ZipJobsError) -> None:
        self._on_failed(self, error)


class SizePass:
    """Reads a body to learn its CRC-32 or its compressed size: a sink of the reader."""

    def __init__(
        self,
        entry: Entry,
        deflate: bool,
        on_found: Callable[["SizePass"], None],
        on_done: Callable[["SizePass", ResolvedEntry], None],
        on_failed: Callable[["SizePass", BaseException], None],
    ) -> None:
        self.entry = entry
        self.read: Read | None = None
        self._deflated = Deflated() if deflate else None
        self._pinned: ObjectVersion | None = None
        self._crc = 0
        self._on_found = on_found
        self._on_done = on_done
        self._on_failed = on_failed

    def cancel(self) -> None:
        """Cancel the read."""
        if self.read is not None:
            self.read.cancel()

    def found(self, pinned: ObjectVersion, length: int) -> None:
        self._pinned = pinned
        self._on_found(self)

    def received(self, chunk: memoryview | bytes) -> None:
        self._crc = crc32(chunk, self._crc)
        if self._deflated:
            self._deflated.feed(chunk)

    def done(self) -> None:
        self.read = None
        assert self._pinned is not None
        deflated = self._deflated
        if deflated:
            deflated.finish()
            if deflated.size >= self._pinned.size:
                deflated = None  # compression does not make it smaller
        try:
            found = ResolvedEntry(self.entry, self._pinned, crc32=self._crc, deflated=deflated)
            self._on_done(self, found)
        except Exception as error:  # noqa: BLE001  (would end the transport's thread)
            self._on_failed(self, error)

    def failed(self, error: ZipJobsError) -> None:
        self._on_failed(self, error)
