"""Drives the making of one archive: reads ahead, lays out, uploads parts as they fill.

The engine is a state machine under one lock, moved by three kinds of event: a read found its
object or brought its bytes, a part was uploaded or copied, memory came free. Bytes go straight
from the connection into the part that they belong to. A part is uploaded when it is full, and a
local header is one of the things that fill it, written once the CRC-32 of its body is known. So a
part that holds the header of a large body waits, and the parts behind it go first.

Memory is bounded by the buffers of assembled parts. They are handed out in the archive's order, so
that whatever stands first in the archive can always be finished, and frees its memory.
"""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Condition, RLock

from isal.isal_zlib import crc32

from zipjobs.archive.buffers import PartBuffers
from zipjobs.archive.checksum import combine
from zipjobs.archive.entries import AssembledPart, BodyRead, PlacedEntry
from zipjobs.archive.layout import (
    MAX_ARCHIVE_BYTES,
    MIB,
    BodyPiece,
    DirectoryPiece,
    HeaderPiece,
    Instruction,
    Layout,
    PartEnd,
    PartSizing,
    Piece,
    WholePart,
)
from zipjobs.archive.members import Member, central_directory
from zipjobs.archive.reader import ObjectReader
from zipjobs.archive.source import Entry, Pinned
from zipjobs.archive.writer import CopyRefused, Upload, UploadedPart
from zipjobs.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How much is done at once."""

    probes: int = 192
    probe_bytes: int = 1 * MIB
    range_bytes: int = 1 * MIB
    ranges: int = 48
    uploads: int = 10
    copies: int = 32
    copy: bool = True
    sizing: PartSizing = field(default_factory=PartSizing)

    @property
    def effective_sizing(self) -> PartSizing:
        """Without copies no body is worth parts of its own."""
        return self.sizing if self.copy else replace(self.sizing, large_bytes=MAX_ARCHIVE_BYTES)


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been uploaded so far: whole entries, and bytes of their bodies."""

    entries: int
    source_bytes: int


@dataclass(frozen=True, slots=True)
class Archive:
    """A finished archive. Of its bodies, ``copied_bytes`` never left S3."""

    etag: str
    size: int
    crc32: int
    entries: int
    source_bytes: int
    copied_bytes: int


def build_archive(
    entries: Iterable[Entry],
    reader: ObjectReader,
    upload: Upload,
    buffers: PartBuffers,
    options: EngineOptions,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Archive:
    """Write ``entries``, in order, as one ZIP through ``upload``, and complete it.

    ``buffers`` is all the memory that grows with what is under way. It must hold three of the
    largest assembled parts: one that waits for the CRC-32 of a body, one that takes that body's
    bytes, and one that takes its last ones and the next header; else ValueError.
    ``on_progress`` is called on worker threads, after each part; what it raises ends the build.
    Raises InvalidRequest if there are no entries, and whatever reader, layout and upload raise.
    The caller aborts the upload on any error.
    """
    if buffers.limit_bytes < 3 * options.sizing.assembled_cap_bytes:
        raise ValueError("the buffers must hold three of the largest assembled parts")
    build = _Build(entries, reader, upload, buffers, options, on_progress)
    try:
        return build.run()
    finally:
        build.stop()


class _Build:
    """The state of one build, all of it guarded by ``_lock``."""

    def __init__(
        self,
        entries: Iterable[Entry],
        reader: ObjectReader,
        upload: Upload,
        buffers: PartBuffers,
        options: EngineOptions,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._buffers = buffers
        self._reader = reader
        self._upload = upload
        self._options = options
        self._on_progress = on_progress
        self._layout = Layout(options.effective_sizing)
        self._senders = ThreadPoolExecutor(options.uploads, "send")
        self._copiers = ThreadPoolExecutor(options.copies, "copy")
        self._lock = RLock()
        self._changed = Condition(self._lock)

        self._entries = iter(entries)
        self._more_entries = True
        self._probed = 0
        self._probing: dict[int, BodyRead] = {}  # found or not, until their bytes are all there
        self._found: dict[int, tuple[BodyRead, Pinned, int]] = {}  # by index, not yet placed
        self._ranges: set[BodyRead] = set()

        self._instructions: deque[tuple[Instruction, PlacedEntry | None]] = deque()
        self._parts: dict[int, AssembledPart] = {}
        self._parts_under_way = 0
        self._uploaded: dict[int, tuple[UploadedPart, int]] = {}  # by number, with its length
        self._is_laid_out = False

        self._records: list[bytes] = []  # central directory records, in order
        self._crcs_missing: dict[int, PlacedEntry] = {}
        self._directory: bytes | None = None
        self._directory_offset = 0
        self._directory_pieces: list[tuple[AssembledPart, DirectoryPiece]] = []

        self._entries_done = 0
        self._bytes_done = 0
        self._bytes_copied = 0
        self._failure: BaseException | None = None

    def run(self) -> Archive:
        with self._lock:
            self._advance()
            self._changed.wait_for(self._is_over)
            if self._failure:
                raise self._failure
        if not self._records:
            raise InvalidRequest("The list of objects is empty. Name at least one.")
        uploaded = [self._uploaded[number] for number in sorted(self._uploaded)]
        crc = combine((part.crc32, length) for part, length in uploaded)
        size = self._layout.offset
        etag = self._upload.complete([part for part, _ in uploaded], crc, size)
        return Archive(etag, size, crc, len(self._records), self._bytes_done, self._bytes_copied)

    def stop(self) -> None:
        with self._lock:
            self._failure = self._failure or RuntimeError("the build was stopped")
            reads = [*self._probing.values(), *self._ranges]
        for read in reads:
            read.cancel()
        self._senders.shutdown(cancel_futures=True)
        self._copiers.shutdown(cancel_futures=True)
        with self._lock:
            for part in self._parts.values():
                self._buffers.give_up(part.buffer)

    def _is_over(self) -> bool:
        is_finished = self._is_laid_out and not self._instructions and not self._parts_under_way
        return self._failure is not None or is_finished

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error
            self._changed.notify_all()

    # Moving on. Each step does what the state allows; whatever changes the state calls them.

    def _advance(self) -> None:
        if self._failure is None:
            self._probe()
            self._place()
        if self._is_over():
            self._changed.notify_all()

    def _probe(self) -> None:
        """Start to read entries ahead of the one that is placed next."""
        while self._more_entries and len(self._probing) < self._options.probes:
            entry = next(self._entries, None)
            if entry is None:
                self._more_entries = False
                return
            index = self._probed
            probe = BodyRead(
                entry, partial(self._on_found, index), partial(self._on_probed, index), self._fail
            )
            self._probing[index] = probe
            self._probed += 1
            probe.read = self._reader.read(
                entry.source, 0, self._options.probe_bytes, probe, etag=None
            )

    def _place(self) -> None:
        """Lay out the entries whose sizes are known, in order, as far as memory allows."""
        while True:
            while self._instructions:
                if not self._follow(*self._instructions[0]):
                    return
                self._instructions.popleft()
            index = len(self._records)
            if index in self._found:
                self._add(index, *self._found.pop(index))
            elif not self._more_entries and index == self._probed and not self._is_laid_out:
                self._lay_out_directory()
            else:
                return

    def _add(self, index: int, probe: BodyRead, pinned: Pinned, probe_bytes: int) -> None:
        member = Member.stored(probe.entry.name, pinned.size, pinned.modified)
        header_bytes = len(member.local_header())
        offset = self._layout.offset
        instructions = self._layout.add(header_bytes, pinned.size)
        placed = PlacedEntry(
            index=index,
            member=member,
            pinned=pinned,
            offset=offset,
            probe=probe,
            probe_bytes=min(probe_bytes, self._layout.assembled_body_bytes),
            unsent_bytes=header_bytes + pinned.size,
        )
        probe.placed = placed
        if placed.crc_is_known:
            self._records.append(placed.central_record())
        else:
            self._records.append(b"")
            self._crcs_missing[index] = placed
        if not placed.probe_bytes and pinned.size:
            probe.proceed()
        self._instructions.extend((instruction, placed) for instruction in instructions)

    def _lay_out_directory(self) -> None:
        self._is_laid_out = True
        if self._records:
            self._directory_offset = self._layout.offset
            for index, placed in self._crcs_missing.items():
                self._records[index] = placed.central_record()
            length = len(self._render_directory())
            self._instructions.extend((i, None) for i in self._layout.finish(length))

    def _follow(self, instruction: Instruction, placed: PlacedEntry | None) -> bool:
        """Follow one instruction of the layout; false if it needs memory that is not free."""
        if isinstance(instruction, PartEnd):
            ended = self._parts[instruction.part]
            ended.length = instruction.length
            self._send_if_full(ended)
            return True
        if isinstance(instruction, WholePart):
            self._parts_under_way += 1
            assert placed is not None
            self._copiers.submit(self._guarded, partial(self._copy, instruction, placed))
            return True
        part = self._part(instruction)
        if part is None:
            return False
        match instruction:
            case DirectoryPiece():
                self._directory_pieces.append((part, instruction))
                self._fill_directory()
            case HeaderPiece():
                assert placed is not None
                part.contents.append((placed, instruction.length))
                placed.headers.append((part, instruction))
                if placed.crc_is_known:
                    self._fill_header(placed)
            case BodyPiece():
                assert placed is not None
                self._bring(part, instruction, placed)
        return True

    def _part(self, instruction: Piece) -> AssembledPart | None:
        """The part that an instruction is about, if it has memory or can get it."""
        part = self._parts.get(instruction.part)
        if part is None:
            buffer = self._buffers.take(instruction.capacity)
            if buffer is None:
                return None
            self._parts_under_way += 1
            part = self._parts[instruction.part] = AssembledPart(instruction.part, buffer)
        return part

    def _bring(self, part: AssembledPart, piece: BodyPiece, placed: PlacedEntry) -> None:
        """Have a piece of a body read into its part: by the probe as far as that reaches."""
        part.contents.append((placed, piece.length))
        part.body_bytes += piece.length
        by_probe = min(piece.length, placed.probe_bytes)
        if by_probe:
            probe = placed.probe
            probe.pieces.append((part, piece.part_of(0, by_probe)))
            placed.probe_bytes -= by_probe
            if not placed.probe_bytes:
                probe.proceed()
        done = by_probe
        while done < piece.length:
            length = min(self._options.range_bytes, piece.length - done)
            run = piece.part_of(done, length)
            read = BodyRead(placed.probe.entry, lambda *_: None, self._on_range, self._fail)
            read.placed = placed
            read.pieces.append((part, run))
            self._ranges.add(read)
            read.read = self._reader.read(
                placed.pinned.source, run.first, length, read, placed.pinned.etag
            )
            read.proceed()
            done += length

    # What the transport's thread reports.

    def _on_found(self, index: int, probe: BodyRead, pinned: Pinned, length: int) -> None:
        with self._lock:
            self._found[index] = (probe, pinned, length)
            if index == len(self._records):
                self._advance()

    def _on_probed(self, index: int, probe: BodyRead) -> None:
        with self._lock:
            del self._probing[index]
            self._take(probe)
            self._advance()

    def _on_range(self, read: BodyRead) -> None:
        with self._lock:
            self._ranges.discard(read)
            self._take(read)

    def _take(self, read: BodyRead) -> None:
        """A run of body bytes stands in its parts."""
        placed = read.placed
        if placed is None or not read.pieces:
            return  # an empty object, or one of which S3 copies all that matters
        self._note_crc(placed, read.first, read.length, read.crc32)
        for part, piece in read.pieces:
            part.filled += piece.length
            self._send_if_full(part)

    def _note_crc(self, placed: PlacedEntry, first: int, length: int, range_crc: int) -> None:
        placed.note_crc(first, length, range_crc)
        if placed.crc_is_known:
            self._records[placed.index] = placed.central_record()
            del self._crcs_missing[placed.index]
            self._fill_header(placed)
            self._fill_directory()

    def _fill_header(self, placed: PlacedEntry) -> None:
        header = placed.member.local_header()
        for part, piece in placed.headers:
            run = header[piece.first : piece.first + piece.length]
            part.buffer[piece.at : piece.at + piece.length] = run
            part.filled += piece.length
            self._send_if_full(part)
        placed.headers.clear()

    def _fill_directory(self) -> None:
        if self._crcs_missing or not self._directory_pieces:
            return
        if self._directory is None:
            self._directory = self._render_directory()
        for part, piece in self._directory_pieces:
            run = self._directory[piece.first : piece.first + piece.length]
            part.buffer[piece.at : piece.at + piece.length] = run
            part.filled += piece.length
            self._send_if_full(part)
        self._directory_pieces.clear()

    def _render_directory(self) -> bytes:
        """Central directory and end records. Their length does not depend on the CRCs in them."""
        records = b"".join(self._records)
        return central_directory(records, len(self._records), self._directory_offset)

    def _send_if_full(self, part: AssembledPart) -> None:
        if part.is_full:
            self._senders.submit(self._guarded, partial(self._send, part))

    # On workers.

    def _guarded(self, task: Callable[[], None]) -> None:
        """Run ``task``; its failure ends the build."""
        try:
            task()
        except BaseException as error:  # noqa: BLE001  (handed to the thread that waits)
            self._fail(error)

    def _send(self, part: AssembledPart) -> None:
        assert part.length is not None
        data = part.buffer if len(part.buffer) == part.length else part.buffer[: part.length]
        uploaded = self._upload.put_part(part.number, data, crc32(data))
        with self._lock:
            del self._parts[part.number]
            self._buffers.give_back(part.buffer)
            progress = self._arrived(uploaded, part.length, part.body_bytes, part.contents)
        self._on_progress(progress)

    def _copy(self, whole: WholePart, placed: PlacedEntry) -> None:
        length = whole.length
        try:
            uploaded = self._upload.copy_part(whole.part, placed.pinned, whole.first, length)
            copied = length
        except CopyRefused:
            uploaded = self._upload.relay_part(whole.part, placed.pinned, whole.first, length)
            copied = 0
        with self._lock:
            self._bytes_copied += copied
            self._note_crc(placed, whole.first, length, uploaded.crc32)
            progress = self._arrived(uploaded, length, length, [(placed, length)])
        self._on_progress(progress)

    def _arrived(
        self,
        uploaded: UploadedPart,
        length: int,
        body_bytes: int,
        contents: list[tuple[PlacedEntry, int]],
    ) -> Progress:
        """A part is in S3."""
        self._uploaded[uploaded.number] = (uploaded, length)
        self._parts_under_way -= 1
        self._bytes_done += body_bytes
        for placed, size in contents:
            placed.unsent_bytes -= size
            self._entries_done += not placed.unsent_bytes
        self._advance()
        return Progress(self._entries_done, self._bytes_done)
