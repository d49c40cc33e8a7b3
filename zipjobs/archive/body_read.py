"""Reads of bodies: what the reader calls when an object is found, bytes arrive, or a read fails."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from isal.isal_zlib import crc32

from zipjobs.archive.parts.blocks import Slot, crc_of
from zipjobs.errors import ServiceUnavailable, SourceChanged, SourceNotFound
from zipjobs.s3.object_reader import ObjectReader, Read
from zipjobs.s3.source import Entry, ObjectVersion
from zipjobs.zipformat.deflate import Deflated, Run

if TYPE_CHECKING:
    from zipjobs.archive.placed_entry import PlacedEntry


class ReadEvents(Protocol):
    """Receives the events of reads, on the reader's thread."""

    def on_found(self, read: "BodyRead") -> None:
        """Handle that the object's version is known."""

    def on_complete(self, read: "BodyRead") -> None:
        """Handle that all bytes have arrived."""

    def on_failed(self, read: "BodyRead", error: BaseException) -> None:
        """Handle the final error."""


@dataclass(slots=True)
class Slots:
    """Reserved memory, which a read fills in order."""

    length: int = 0
    _slots: list[Slot] = field(default_factory=list)
    _next: int = 0
    _at: int = 0

    def add(self, slot: Slot) -> None:
        """Append a slot."""
        self._slots.append(slot)
        self.length += len(slot.view)

    def write(self, data: memoryview | bytes) -> None:
        """Write the next bytes."""
        while data:
            view = self._slots[self._next].view
            size = min(len(data), len(view) - self._at)
            view[self._at : self._at + size] = data[:size]
            self._at += size
            if self._at == len(view):
                self._next += 1
                self._at = 0
            if size == len(data):
                return
            data = memoryview(data)[size:]

    @property
    def crc32(self) -> int:
        """Return the CRC-32 of all bytes."""
        return crc_of(self._slots)

    def mark_filled(self) -> None:
        """Mark all slots as filled."""
        for slot in self._slots:
            slot.mark_filled()


class SizePass:
    """Computes the CRC-32 of a body and, with ``deflate``, its compressed size. Keeps no bytes.

    ``deflated`` is None for a body that compression does not make smaller.
    """

    def __init__(self, *, deflate: bool) -> None:
        self.crc32 = 0
        self.deflated = Deflated() if deflate else None

    def write(self, data: memoryview | bytes) -> None:
        """Take the next bytes."""
        self.crc32 = crc32(data, self.crc32)
        if self.deflated:
            self.deflated.feed(data)

    def finish(self, size: int) -> None:
        """Note the end of a body of ``size`` bytes."""
        if self.deflated:
            self.deflated.finish()
            if self.deflated.size >= size:
                self.deflated = None


@dataclass(slots=True, eq=False)
class BodyRead:
    """A read of ``length`` bytes of a body from ``first``: a sink of the reader.

    ``index`` is the position of the entry in the list. The first read of an entry learns its
    ``version``. ``into`` takes the bytes; a check of an entry ignores them.
    """

    index: int
    entry: Entry
    first: int
    length: int
    into: Slots | SizePass | None
    events: ReadEvents
    version: ObjectVersion | None = None
    placed: "PlacedEntry | None" = None
    _read: Read | None = None
    _run: Run | None = None
    _transform: Callable[[bytes], bytes] | None = None

    @property
    def slots(self) -> Slots:
        """Return the memory for the bytes. Checks and size passes have none."""
        assert isinstance(self.into, Slots)
        return self.into

    @property
    def size_pass(self) -> SizePass | None:
        """Return what was learned about the whole body, if that is what the read is for."""
        return self.into if isinstance(self.into, SizePass) else None

    def start(self, reader: ObjectReader, *, flows: bool = True) -> None:
        """Start the read. Without ``flows``, the bytes wait for ``proceed``."""
        etag = self.version.etag if self.version else self.entry.etag
        first, length = self.first, self.length
        if self.placed and self.placed.deflated:
            run = self._run = self.placed.deflated.run_at(first)
            first, length, self._transform = run.source_first, run.source_length, run.deflater()
        self._read = reader.read(self.entry.source, first, length, self, etag, flows=flows)

    def proceed(self, length: int) -> None:
        """Let the first ``length`` bytes flow. The rest is not needed."""
        self.length = length
        if self._read is not None:
            self._read.proceed(length)

    def cancel(self) -> None:
        """Cancel the read if it was started."""
        if self._read is not None:
            self._read.cancel()

    def found(self, pinned: ObjectVersion, length: int) -> None:
        if self.version is None:
            self.version, self.length = pinned, length
            self._report(self.events.on_found)

    def received(self, chunk: memoryview | bytes) -> None:
        if self._transform is not None:
            chunk = self._transform(bytes(chunk))
        if self.into is not None:
            self.into.write(chunk)

    def done(self) -> None:
        self._read = None  # breaks a reference cycle, which would wait for the collector
        self._report(self._complete)
        self.placed = None

    def failed(self, error: BaseException) -> None:
        self.events.on_failed(self, error)

    def _complete(self, read: "BodyRead") -> None:
        if size_pass := self.size_pass:
            assert self.version is not None
            size_pass.finish(self.version.size)
        elif self._run is not None and self.into and self.into.crc32 != self._run.crc32:
            raise ServiceUnavailable(
                "Compressing an object again gave other bytes than before. The job is retried."
            )
        self.events.on_complete(read)

    def _report(self, event: Callable[["BodyRead"], None]) -> None:
        """Report an event. An error must not end the reader's thread."""
        try:
            event(self)
        except Exception as error:  # noqa: BLE001
            self.events.on_failed(self, error)


def later_error(error: BaseException) -> BaseException:
    """Return the error for an object that was found before: if it is missing, it has changed."""
    if not isinstance(error, SourceNotFound):
        return error
    (source,) = error.objects
    changed = f"{source} was deleted while it was read. Submit the job again."
    return SourceChanged(changed, [source])
