"""Decides where each entry goes in an archive, and completes the upload.

``ArchiveBuilder`` finds and places entries. Its base class, ``PartAssembler``, owns the state and
its lock, fills parts with bytes, and sends or copies them.

Together they are a state machine under one lock. Three kinds of events change it: a read found its
object or received bytes, a part was sent or copied, memory became free. Bytes go directly from the
connection into the part that they belong to. A local header is written after the CRC-32 of its body
is known. A part with the header of a large body therefore waits, and later parts are sent first.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from zipjobs.archive.entry_reads import (
    HELD_BODY_BYTES,
    PlacedEntry,
    RangeRead,
    ResolvedEntry,
    SizePass,
)
from zipjobs.archive.layout import Layout, Piece
from zipjobs.archive.options import BuildContext
from zipjobs.archive.part_assembler import PartAssembler
from zipjobs.archive.part_sizing import MAX_ARCHIVE_BYTES
from zipjobs.errors import InvalidRequest, SourceChanged, UnreadableObject, UnreadableObjects
from zipjobs.s3.probe_objects import Probe
from zipjobs.s3.source import Entry, ObjectVersion, SkippedEntry
from zipjobs.zipformat.crc32 import combine
from zipjobs.zipformat.records import central_directory


@dataclass(frozen=True, slots=True)
class Archive:
    """A finished archive. S3 copied ``copied_bytes`` of its entries.

    ``receipt`` has one line per entry. ``skipped`` are entries whose objects cannot be read.
    """

    etag: str
    version_id: str | None
    size: int
    crc32: int
    entries: int
    source_bytes: int
    copied_bytes: int
    receipt: Sequence[bytes] = ()
    skipped: Sequence[SkippedEntry] = ()


@dataclass(frozen=True, slots=True)
class WorkFound:
    """The work of the entries that were found so far."""

    entries: int
    read_bytes: int
    copied_bytes: int


def build_archive(
    entries: Iterable[Entry],
    context: BuildContext,
    on_entry_found: Callable[[WorkFound], None] = lambda found: None,
) -> Archive:
    """Write ``entries``, in order, as one ZIP file, and complete the upload.

    ``on_entry_found`` is called for each entry. An error that it raises ends the build. Raises
    InvalidRequest if there are no entries, UnreadableObjects if all of them are skipped,
    ValueError if the pool is too small, and the errors of reader, layout and upload. The caller
    aborts the upload after an error.

    An object that cannot be read and is not skipped ends the writing. Entries that were not
    requested yet are then checked with one request each. The error is an UnreadableObject, or
    UnreadableObjects for several.
    """
    options = context.options
    sizing = options.sizing if options.copy else options.sizing.without_copies()
    build = _WholeArchiveBuilder(entries, context, Layout(sizing), {}, on_entry_found)
    try:
        return build.run()
    finally:
        build.stop()


class ArchiveBuilder(PartAssembler):
    """Reads entries ahead, and places them in the archive in order."""

    def __init__(
        self,
        entries: Iterable[Entry],
        context: BuildContext,
        layout: Layout,
        lengths: Mapping[int, int],
        on_entry_found: Callable[[WorkFound], None] = lambda found: None,
    ) -> None:
        super().__init__(context, lengths)
        self._layout = layout
        self._on_entry_found = on_entry_found
        self._entries = iter(entries)
        self._more_entries = True
        self._probed = 0
        self._next = 0  # index of the next entry to place
        self._found: dict[int, ResolvedEntry | None] = {}  # by index; None for a skipped entry
        self._is_checked = True
        self._skipped: dict[int, SkippedEntry] = {}
        self._work_found = WorkFound(0, 0, 0)
        self._records: list[bytes] = []  # central directory records, in order
        self._receipt: list[bytes] = []  # lines, in order
        self._crcs_missing = 0

    @abstractmethod
    def _lay_out_end(self) -> bool:
        """Lay out the bytes after the last entry. Return False if the directory lacks CRC-32s."""

    def _lay_out(self) -> bool:
        """Lay out the entries whose sizes are known, in order. Return whether all is laid out."""
        if self._is_laid_out:
            return True
        self._probe()
        while self._next in self._found:
            found = self._found.pop(self._next)
            if found is not None and not self._add(found):
                break
            self._next += 1
        if self._more_entries or self._next < self._probed:
            return False
        return self._lay_out_end()

    def _on_crc(self, placed: PlacedEntry) -> None:
        self._crcs_missing -= 1
        self._records[placed.index] = placed.central_record()
        self._receipt[placed.index] = placed.receipt_line()

    def _probe(self) -> None:
        """Start reads of entries ahead of the next one to place."""
        options = self._options
        limit = options.measurements if options.deflate else options.probes
        while self._more_entries and len(self._reads) < limit:
            entry = next(self._entries, None)
            if entry is None:
                self._more_entries = False
                return
            index, self._probed = self._probed, self._probed + 1
            if options.deflate:
                self._measure(index, entry)
                continue
            is_held = entry.size is not None and entry.size <= HELD_BODY_BYTES
            length = max(options.probe_bytes, entry.size or 0) if is_held else options.probe_bytes
            probe = RangeRead(
                0,
                length,
                self._on_fetched,
                partial(self._on_first_failed, index, entry),
                partial(self._on_found, index, entry),
            )
            self._asked[index] = probe
            self._reads.add(probe)
            probe.read = self._reader.read(entry.source, 0, length, probe, entry.etag)

    def _measure(self, index: int, entry: Entry, pinned: ObjectVersion | None = None) -> None:
        measurement = SizePass(
            entry,
            self._options.deflate,
            partial(self._on_answered, index),
            partial(self._on_measured, index),
            partial(self._on_first_failed, index, entry),
        )
        if pinned is None:
            self._asked[index] = measurement
        self._reads.add(measurement)
        etag = pinned.etag if pinned else entry.etag
        measurement.read = self._reader.read(
            entry.source, 0, MAX_ARCHIVE_BYTES, measurement, etag, flows=True
        )

    def _add(self, found: ResolvedEntry) -> bool:
        """Place an entry. Return False if its body must be read first."""
        layout, size = self._layout, found.size
        if found.entry.size not in (None, found.pinned.size):
            source = found.entry.source
            raise SourceChanged(f"{source} changed after it was listed. Submit the job again.")
        is_large = found.crc32 is None and layout.is_large(size)
        if size > HELD_BODY_BYTES and found.crc32 is None and not is_large:
            self._discard_probe(found)
            self._measure(self._next, found.entry, found.pinned)
            return False
        member = found.member()
        header_bytes = len(member.local_header())
        offset = layout.offset
        steps = layout.add(header_bytes, size, is_large)
        assembled_bytes = size
        if is_large:
            pieces = (s for s in steps if isinstance(s, Piece) and s.what == "body")
            assembled_bytes = sum(piece.length for piece in pieces)
        placed = PlacedEntry(len(self._records), found, member, offset, assembled_bytes)
        so_far, copied = self._work_found, size - assembled_bytes if self._options.copy else 0
        self._work_found = WorkFound(
            so_far.entries + 1, so_far.read_bytes + size - copied, so_far.copied_bytes + copied
        )
        self._on_entry_found(self._work_found)
        if placed.crc_is_known:
            self._records.append(placed.central_record())
            self._receipt.append(placed.receipt_line())
        else:
            self._records.append(b"")
            self._receipt.append(b"")
            self._crcs_missing += 1
        if found.probe is not None:
            found.probe.placed = placed
            found.probe_bytes = min(found.probe_bytes, assembled_bytes)
            if found.probe_bytes:
                found.probe.limit(found.probe_bytes)
            elif size:
                self._discard_probe(found)
        self._queue_steps(steps, placed)
        return True

    def _discard_probe(self, found: ResolvedEntry) -> None:
        if found.probe is not None:
            found.probe.limit(0)
            found.probe.proceed()
        found.probe_bytes = 0

    # Callbacks on the transport's thread.

    def _on_found(
        self, index: int, entry: Entry, probe: RangeRead, pinned: ObjectVersion, length: int
    ) -> None:
        with self._lock:
            self._on_answered(index, probe)
            self._found[index] = ResolvedEntry(entry, pinned, probe, length)
            if index == self._next:
                self._advance()

    def _on_answered(self, index: int, read: RangeRead | SizePass) -> None:
        """Handle the response to an entry's first read. While entries are checked, it is enough."""
        with self._lock:
            self._asked.pop(index, None)
            if self._unreadable:
                read.cancel()
                self._advance()

    def _on_first_failed(
        self, index: int, entry: Entry, read: RangeRead | SizePass, error: BaseException
    ) -> None:
        """Handle the failure of an entry's first read, before or after it found the object."""
        with self._lock:
            if self._asked.pop(index, None) is None:
                self._on_lost(read, error)
                return
            self._reads.discard(read)
            if isinstance(error, UnreadableObject):
                self._on_unreadable(index, entry, error)
            elif not self._unreadable:
                self._fail(error)
                return
            else:
                self._is_checked = False
            self._advance()

    def _on_unreadable(self, index: int, entry: Entry, error: UnreadableObject) -> None:
        if error.code in self._options.skip:
            self._skipped[index] = SkippedEntry(entry, error.code)
            self._found[index] = None
            return
        if not self._unreadable:
            self._stop_writing()
        self._unreadable.add(index, error)

    def _check_rest(self) -> None:
        while self._more_entries and len(self._asked) < self._options.probes:
            entry = next(self._entries, None)
            if entry is None:
                self._more_entries = False
                break
            index, self._probed = self._probed, self._probed + 1
            probe = self._asked[index] = Probe(entry, partial(self._on_checked, index))
            probe.start(self._reader)
        if not self._asked:
            raise self._unreadable.error(is_complete=self._is_checked)

    def _on_checked(self, index: int, probe: Probe) -> None:
        with self._lock:
            self._asked.pop(index, None)
            if isinstance(probe.error, UnreadableObject):
                self._on_unreadable(index, probe.entry, probe.error)
            elif probe.error is not None:
                self._is_checked = False
            self._advance()

    def _on_measured(self, index: int, measurement: SizePass, found: ResolvedEntry) -> None:
        with self._lock:
            self._reads.discard(measurement)
            self._found[index] = found
            self._advance()


class _WholeArchiveBuilder(ArchiveBuilder):
    """Builds all entries of an archive and its central directory."""

    def run(self) -> Archive:
        self._work()
        skipped = [self._skipped[index] for index in sorted(self._skipped)]
        if not self._records and skipped:
            raise UnreadableObjects.none_left((one.code, str(one.entry.source)) for one in skipped)
        if not self._records:
            raise InvalidRequest("The list of objects is empty. Name at least one.")
        uploaded = [self._uploaded[number] for number in sorted(self._uploaded)]
        crc = combine((part.crc32, part.length) for part in uploaded)
        size = self._layout.offset
        stored = self._upload.complete(uploaded, crc, size)
        return Archive(
            etag=stored.etag,
            version_id=stored.version_id,
            size=size,
            crc32=crc,
            entries=len(self._records),
            source_bytes=self._bytes_done,
            copied_bytes=self._bytes_copied,
            receipt=self._receipt,
            skipped=skipped,
        )

    def _lay_out_end(self) -> bool:
        if self._crcs_missing:
            return False
        if self._records:
            records = b"".join(self._records)
            directory = central_directory(records, len(self._records), self._layout.offset)
            self._directory = directory
            self._queue_steps(self._layout.finish(len(directory)), None)
        return True
