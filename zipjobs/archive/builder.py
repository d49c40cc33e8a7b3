"""The state machine that builds an archive or a segment.

The builder owns the state. The modules that it uses are one thought each: ``entry_reader`` requests
entries, ``placement`` decides where they go, ``parts.assembler`` reserves memory and fills it,
``parts.uploads`` sends and copies parts.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Condition, RLock

from zipjobs.archive.body_read import BodyRead, later_error
from zipjobs.archive.entry_reader import EntryReader
from zipjobs.archive.layout import CopyPart, Layout, Step
from zipjobs.archive.options import BuildContext, Progress, WorkFound
from zipjobs.archive.parts.assembled_part import AssembledPart, Stopped
from zipjobs.archive.parts.assembler import Content, PartAssembler
from zipjobs.archive.parts.blocks import Block
from zipjobs.archive.parts.uploads import PartUploads
from zipjobs.archive.placed_entry import PlacedEntry
from zipjobs.archive.placement import Ending, Placement
from zipjobs.errors import UnreadableObject
from zipjobs.s3.part_upload import UploadedPart
from zipjobs.s3.source import Entry, SkippedEntry
from zipjobs.unreadable import UnreadableTally


@dataclass(frozen=True, slots=True)
class Written:
    """What a build has uploaded: ``parts``, by number, of ``size`` bytes.

    ``tail`` are the bytes after them, too few for a part. ``records`` and ``receipt`` have an item
    for each entry: its central directory record and its line of the receipt.
    """

    parts: Sequence[UploadedPart]
    size: int
    tail: bytes
    records: Sequence[bytes]
    receipt: Sequence[bytes]
    skipped: Sequence[SkippedEntry]
    source_bytes: int
    copied_bytes: int


class ArchiveBuilder:
    """Builds an archive or a segment, depending on its ``ending``. Its lock is the only one.

    Reads and uploads report events, on threads of their own. Each event takes the lock, changes the
    state, and then advances the build as far as the state allows:

    ================ ==============================================================================
    size known       The reader knows the next entry. It is placed: its header and body become steps
                     of parts. Copies start at once; other steps wait for memory. A body that is
                     neither held nor copied is read for its CRC-32 first.
    bytes arrived    The slots of the read are filled. Full blocks at the front of a part are sent.
                     The CRC-32 of the range is noted.
    CRC known        All ranges of a body have one: its header is filled, and its central directory
                     record and its line of the receipt are written.
    part sent        The part is stored, and counts as progress.
    copy done        Like a part. Its CRC-32 is noted, as for bytes that arrived.
    memory free      Waiting steps reserve it. Reads start once all their bytes have a place.
    object           Skipped, if the options say so. Otherwise reads and uploads end, and all other
    unreadable       entries are checked. The build fails when all of them have responded.
    failure          The build ends. Its threads are waited for.
    ================ ==============================================================================

    With the last entry placed and all CRC-32s known, the ``ending`` follows. A segment has none:
    its last part ends there, and is kept as ``tail`` if it is too short to be sent.
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        context: BuildContext,
        layout: Layout,
        ending: Ending,
        lengths: Mapping[int, int] | None = None,
        on_entry_found: Callable[[WorkFound], None] = lambda found: None,
    ) -> None:
        """``lengths`` are the lengths of parts by number, as far as they are known."""
        options = context.options
        if context.blocks.limit_bytes < options.least_memory_bytes:
            raise ValueError(
                f"the engine needs at least {options.least_memory_bytes:,} bytes of blocks"
            )
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._context = context
        self._on_entry_found = on_entry_found
        self._reads = EntryReader(entries, context.reader, options, self)
        self._placement = Placement(layout, ending, has_copies=options.copy)
        self._uploads = PartUploads(context.upload, options, self, keeps_tail=ending is None)
        self._assembler = PartAssembler(
            context.blocks, lengths or {}, self._reads, self._uploads.send
        )
        self._is_laid_out = False
        self._uploaded: dict[int, UploadedPart] = {}
        self._tail = b""
        self._skipped: dict[int, SkippedEntry] = {}
        self._unreadable = UnreadableTally()
        self._is_checked = True
        self._bytes_done = self._bytes_copied = 0
        self._failure: BaseException | None = None

    def run(self) -> Written:
        """Write all entries. Raises the error that ended the build."""
        try:
            with self._lock:
                self._advance()
            while (progress := self._wait()) is not None:
                self._context.on_progress(progress)
            return Written(
                parts=[self._uploaded[number] for number in sorted(self._uploaded)],
                size=self._placement.size,
                tail=self._tail,
                records=self._placement.records,
                receipt=self._placement.receipt,
                skipped=[self._skipped[index] for index in sorted(self._skipped)],
                source_bytes=self._bytes_done,
                copied_bytes=self._bytes_copied,
            )
        finally:
            self._stop()

    def _wait(self) -> Progress | None:
        """Wait until all is uploaded, and return None, or until progress is due."""
        with self._lock:
            is_over = self._changed.wait_for(self._is_over, self._context.options.progress_seconds)
            if self._failure:
                raise self._failure
            if is_over:
                return None
            if self._unreadable and time.monotonic() >= self._context.check_until:
                raise self._unreadable.error(is_complete=False)
            return Progress(self._placement.entries_read, self._bytes_done)

    def _is_over(self) -> bool:
        if self._failure or self._unreadable:
            return self._failure is not None
        return self._is_laid_out and self._assembler.is_empty and not self._uploads.copying

    def _stop(self) -> None:
        """End all reads and threads, and release the memory."""
        with self._lock:
            self._failure = self._failure or Stopped()
            self._uploads.stop()
            self._reads.cancel()
            self._assembler.stop()
        self._uploads.close()
        with self._lock:
            self._assembler.abandon()

    def _advance(self) -> None:
        """Do what the state allows. Called after every change of state, on any thread."""
        if self._failure is None:
            try:
                if not self._unreadable:
                    self._lay_out()
                    self._assembler.reserve()
                elif self._reads.check_rest():
                    raise self._unreadable.error(is_complete=self._is_checked)
            except BaseException as error:  # noqa: BLE001  (raised by the waiting thread)
                self._failure = error
        if self._is_over():
            self._changed.notify_all()

    def _lay_out(self) -> None:
        """Place the entries whose sizes are known, in order, and then the end."""
        if self._is_laid_out:
            return
        self._reads.request_ahead()
        while read := self._reads.next_known():
            if self._placement.needs_size_pass(read):
                self._reads.measure(read)
                return
            placed, steps = self._placement.place(read)
            self._on_entry_found(self._placement.work)
            self._queue(steps, placed, _placed_probe(read, placed))
        if self._reads.is_done and (end := self._placement.end()):
            self._queue(*end)
            self._is_laid_out = True

    def _queue(self, steps: list[Step], content: Content, probe: BodyRead | None = None) -> None:
        """Queue steps for memory. Start copies, which need none."""
        for step in steps:
            if isinstance(step, CopyPart) and self._context.options.copy:
                assert isinstance(content, PlacedEntry)
                self._uploads.copy(step, content)
            else:
                self._assembler.queue(step, content, probe)

    # Events of reads, on the reader's thread.

    def on_found(self, read: BodyRead) -> None:
        with self._lock:
            self._reads.found(read)
            if self._unreadable or self._reads.is_next(read):
                self._advance()

    def on_complete(self, read: BodyRead) -> None:
        with self._lock:
            self._reads.complete(read)
            if read.placed is not None:
                placed, slots = read.placed, read.slots
                if not placed.crc_is_known:
                    self._placement.note_crc(placed, read.first, read.length, slots.crc32)
                slots.mark_filled()
            self._advance()

    def on_failed(self, read: BodyRead, error: BaseException) -> None:
        with self._lock:
            is_first = self._reads.failed(read)
            if is_first and isinstance(error, UnreadableObject):
                self._on_unreadable(read, error)
            elif is_first and self._unreadable:
                self._is_checked = False
            elif not self._unreadable:
                self.fail(error if is_first else later_error(error))
            self._advance()

    def _on_unreadable(self, read: BodyRead, error: UnreadableObject) -> None:
        if error.code in self._context.options.skip:
            self._skipped[read.index] = SkippedEntry(read.entry, error.code)
            self._reads.skip(read.index)
            return
        if not self._unreadable:
            self._reads.stop_reading()
            self._uploads.stop()
            self._assembler.stop()
        self._unreadable.add(read.index, error)

    # Events of uploads, on their threads.

    def on_sent(self, part: AssembledPart, uploaded: UploadedPart) -> None:
        with self._lock:
            self._assembler.remove(part)
            self._on_stored(uploaded, part.body_bytes)

    def on_tail(self, part: AssembledPart, tail: bytes) -> None:
        with self._lock:
            self._assembler.remove(part)
            self._tail = tail
            self._on_progress(part.body_bytes)

    def on_copied(
        self, step: CopyPart, placed: PlacedEntry, uploaded: UploadedPart, copied_bytes: int
    ) -> None:
        with self._lock:
            self._uploads.copying -= 1
            self._bytes_copied += copied_bytes
            self._placement.note_crc(placed, step.first, step.length, uploaded.crc32)
            self._on_stored(uploaded, step.length)

    def _on_stored(self, uploaded: UploadedPart, body_bytes: int) -> None:
        self._uploaded[uploaded.number] = uploaded
        self._on_progress(body_bytes)

    def _on_progress(self, body_bytes: int) -> None:
        self._bytes_done += body_bytes
        self._advance()

    def on_memory_free(self, blocks: Iterable[Block]) -> None:
        with self._lock:
            for block in blocks:
                self._context.blocks.give_back(block.memory)
            self._advance()

    def fail(self, error: BaseException) -> None:
        """End the build. The waiting thread raises ``error``."""
        with self._lock:
            self._failure = self._failure or error
            self._changed.notify_all()


def _placed_probe(probe: BodyRead, placed: PlacedEntry) -> BodyRead | None:
    """Give the bytes of a probe a place in the archive. Return None if none of them has one."""
    if probe.size_pass:
        return None
    length = min(probe.length, placed.assembled_bytes)
    if length:
        probe.length, probe.placed = length, placed
        return probe
    if placed.body_bytes:
        probe.proceed(0)
    return None
