"""Drives the making of one archive: reads ahead, lays out, uploads parts as they become known.

Three kinds of thread share the work. The caller's own walks the entries in order. Fetchers read
the heads of the entries ahead of it. Part workers load what a part still lacks and upload it.
A part that holds the local header of a large entry waits, loaded, until the CRC-32 of the whole
body is known; S3 takes parts in any order, so the parts behind it go first.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from threading import Condition

from isal.isal_zlib import crc32

from zipjobs.archive.body import Body
from zipjobs.archive.budget import BudgetClosed, MemoryBudget
from zipjobs.archive.checksum import combine
from zipjobs.archive.layout import (
    MIB,
    BodyPiece,
    DirectoryPiece,
    HeaderPiece,
    Layout,
    Part,
    PartSizing,
)
from zipjobs.archive.members import Member, central_directory
from zipjobs.archive.reader import Head, ObjectReader
from zipjobs.archive.source import Entry
from zipjobs.archive.writer import Upload, UploadedPart
from zipjobs.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How much is done at once. Bodies in memory never exceed ``read_bytes + part_bytes``."""

    read_requests: int = 24
    read_bytes: int = 24 * MIB
    part_requests: int = 6
    part_bytes: int = 104 * MIB
    head_bytes: int = 5 * MIB
    sizing: PartSizing = field(default_factory=PartSizing)

    def __post_init__(self) -> None:
        """Refuse budgets that could deadlock: a held part, an open one and one being loaded."""
        if self.read_bytes < self.head_bytes:
            raise ValueError("read_bytes must hold one head")
        if self.part_bytes < 3 * self.sizing.cap_bytes + self.head_bytes:
            raise ValueError("part_bytes must hold three of the largest parts and one head")


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been uploaded so far: whole entries, and bytes of their bodies."""

    entries: int
    source_bytes: int


@dataclass(frozen=True, slots=True)
class Archive:
    """A finished archive."""

    etag: str
    size: int
    crc32: int
    entries: int
    source_bytes: int


def build_archive(
    entries: Iterable[Entry],
    reader: ObjectReader,
    upload: Upload,
    options: EngineOptions,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Archive:
    """Write ``entries``, in order, as one ZIP through ``upload``, and complete it.

    ``on_progress`` is called on worker threads, after each part; what it raises ends the build.
    Raises InvalidRequest if there are no entries, and whatever reader, layout and upload raise.
    The caller aborts the upload on any error.
    """
    build = _Build(reader, upload, options, on_progress)
    try:
        return build.run(entries)
    finally:
        build.stop()


@dataclass(slots=True)
class _LoadedPart:
    """A part whose body bytes are in memory; headers and directory are rendered when it is sent."""

    part: Part
    bodies: list[bytes | memoryview]
    waits_for: set[int]
    """Entries whose CRC-32 stands in this part and is not known yet."""


class _Build:
    """The state of one build. ``_changed`` guards all that the threads share."""

    def __init__(
        self,
        reader: ObjectReader,
        upload: Upload,
        options: EngineOptions,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._reader = reader
        self._upload = upload
        self._options = options
        self._on_progress = on_progress
        self._layout = Layout(options.sizing)
        self._read_budget = MemoryBudget(options.read_bytes)
        self._part_budget = MemoryBudget(options.part_bytes)
        self._part_tickets = count()
        self._fetchers = ThreadPoolExecutor(options.read_requests, "fetch")
        self._workers = ThreadPoolExecutor(options.part_requests, "part")

        self._changed = Condition()
        self._records: list[bytes] = []  # central directory records, in order
        self._directory_offset = 0
        self._bodies: dict[int, Body] = {}  # of entries with bytes still to send
        self._unsent_bytes: dict[int, int] = {}  # of those, header included
        self._unknown: set[int] = set()  # entries whose CRC-32 is not known yet
        self._held: list[_LoadedPart] = []
        self._uploaded: dict[int, tuple[UploadedPart, int]] = {}  # by number, with its length
        self._parts_under_way = 0
        self._progress = Progress(entries=0, source_bytes=0)
        self._failure: BaseException | None = None

    def run(self, entries: Iterable[Entry]) -> Archive:
        try:
            for entry, head in self._read_ahead(entries):
                self._add(entry, head)
            return self._finish()
        except BudgetClosed:
            assert self._failure is not None
            raise self._failure from None

    def stop(self) -> None:
        self._read_budget.close()
        self._part_budget.close()
        self._fetchers.shutdown(cancel_futures=True)
        self._workers.shutdown(cancel_futures=True)

    # On the caller's thread: entries, in order.

    def _read_ahead(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Head]]:
        """Yield each entry with its head, in order, while the next ones are being read."""
        window: deque[tuple[Entry, Future[Head]]] = deque()
        for ticket, entry in enumerate(entries):
            window.append((entry, self._fetchers.submit(self._fetch, entry, ticket)))
            if len(window) == self._options.read_requests:
                first, head = window.popleft()
                yield first, head.result()
        while window:
            first, head = window.popleft()
            yield first, head.result()

    def _fetch(self, entry: Entry, ticket: int) -> Head:
        return self._reader.head(
            entry.source,
            self._options.head_bytes,
            lambda size: self._read_budget.acquire(size, ticket),
        )

    def _add(self, entry: Entry, head: Head) -> None:
        self._reserve(len(head.data))
        self._read_budget.release(len(head.data))
        member = Member.stored(entry.name, head.pinned.size, head.pinned.modified)
        header_bytes = len(member.local_header())
        body = Body(head, member, self._layout.offset)
        with self._changed:
            index = len(self._records)
            self._records.append(body.central_record())
            self._bodies[index] = body
            self._unsent_bytes[index] = header_bytes + head.pinned.size
            if not body.crc_is_known:
                self._unknown.add(index)
        for part in self._layout.add(header_bytes, head.pinned.size):
            self._start(part)

    def _start(self, part: Part) -> None:
        with self._changed:
            self._parts_under_way += 1
            to_read = sum(
                piece.length - self._bodies[piece.entry].bytes_in_memory(piece)
                for piece in part.pieces
                if isinstance(piece, BodyPiece)
            )
        self._reserve(to_read)
        self._submit(partial(self._load, part))

    def _reserve(self, size: int) -> None:
        """Wait for part memory. Only this thread asks, so grants follow the archive's order."""
        self._part_budget.acquire(size, next(self._part_tickets))

    def _finish(self) -> Archive:
        if not self._records:
            raise InvalidRequest("The list of objects is empty. Name at least one.")
        self._directory_offset = self._layout.offset
        for part in self._layout.finish(len(self._directory())):
            self._start(part)
        with self._changed:
            self._changed.wait_for(lambda: self._failure or not self._parts_under_way)
            if self._failure:
                raise self._failure
        uploaded = [self._uploaded[number] for number in sorted(self._uploaded)]
        crc = combine((part.crc32, length) for part, length in uploaded)
        etag = self._upload.complete([part for part, _ in uploaded], crc, self._layout.offset)
        return Archive(
            etag, self._layout.offset, crc, len(self._records), self._progress.source_bytes
        )

    def _directory(self) -> bytes:
        """Central directory and end records. Their length does not depend on the CRCs in them."""
        records = b"".join(self._records)
        return central_directory(records, len(self._records), self._directory_offset)

    # On part workers.

    def _submit(self, task: Callable[[], None]) -> None:
        self._workers.submit(self._guarded, task)

    def _guarded(self, task: Callable[[], None]) -> None:
        """Run ``task``; its failure ends the build and turns away whoever waits for memory."""
        try:
            task()
        except BaseException as error:  # noqa: BLE001  (handed to the thread that waits)
            with self._changed:
                self._failure = self._failure or error
                self._changed.notify_all()
            self._read_budget.close()
            self._part_budget.close()

    def _load(self, part: Part) -> None:
        """Bring the part's bodies into memory, then send every part that waits for nothing."""
        bodies: list[bytes | memoryview] = []
        crcs: list[tuple[BodyPiece, int]] = []
        for piece in part.pieces:
            if isinstance(piece, BodyPiece):
                data = self._bodies[piece.entry].load(piece, self._reader)
                bodies.append(data)
                if piece.entry in self._unknown:
                    crcs.append((piece, crc32(data)))
        with self._changed:
            for piece, piece_crc in crcs:
                self._note_crc(piece, piece_crc)
            self._held.append(_LoadedPart(part, bodies, self._unknown & self._needed_by(part)))
            ready = [held for held in self._held if not held.waits_for]
            self._held = [held for held in self._held if held.waits_for]
        for loaded in ready:
            self._submit(partial(self._send, loaded))

    def _note_crc(self, piece: BodyPiece, piece_crc: int) -> None:
        body = self._bodies[piece.entry]
        body.note_crc(piece, piece_crc)
        if body.crc_is_known:
            self._records[piece.entry] = body.central_record()
            self._unknown.discard(piece.entry)
            for held in self._held:
                held.waits_for.discard(piece.entry)

    def _needed_by(self, part: Part) -> set[int]:
        """The entries whose CRC-32 stands in ``part``: in a header, or all, in the directory."""
        if isinstance(part.pieces[-1], DirectoryPiece):
            return set(self._unknown)
        return {piece.entry for piece in part.pieces if isinstance(piece, HeaderPiece)}

    def _send(self, loaded: _LoadedPart) -> None:
        part = loaded.part
        data = b"".join(self._render(part, loaded.bodies))
        loaded.bodies.clear()
        uploaded = self._upload.put_part(part.number, data, crc32(data))
        sent = sum(piece.length for piece in part.pieces if isinstance(piece, BodyPiece))
        self._part_budget.release(sent)
        with self._changed:
            self._uploaded[part.number] = (uploaded, part.length)
            self._parts_under_way -= 1
            self._progress = Progress(
                self._progress.entries + self._entries_done_by(part),
                self._progress.source_bytes + sent,
            )
            progress = self._progress
            self._changed.notify_all()
        self._on_progress(progress)

    def _render(self, part: Part, bodies: list[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        remaining = iter(bodies)
        for piece in part.pieces:
            match piece:
                case HeaderPiece():
                    yield self._bodies[piece.entry].member.local_header()
                case BodyPiece():
                    yield next(remaining)
                case DirectoryPiece():
                    yield self._directory()[piece.first : piece.first + piece.length]

    def _entries_done_by(self, part: Part) -> int:
        """Count and forget the entries of which ``part`` brought the last missing bytes."""
        done = 0
        for piece in part.pieces:
            if not isinstance(piece, DirectoryPiece):
                self._unsent_bytes[piece.entry] -= piece.length
                if not self._unsent_bytes[piece.entry]:
                    del self._unsent_bytes[piece.entry], self._bodies[piece.entry]
                    done += 1
        return done
