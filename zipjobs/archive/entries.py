"""An entry on its way into the archive, and the reads that bring its bytes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from isal.isal_zlib import crc32

from zipjobs.archive.checksum import combine
from zipjobs.archive.layout import BodyPiece, HeaderPiece
from zipjobs.archive.members import Member
from zipjobs.archive.reader import Read
from zipjobs.archive.source import Entry, Pinned
from zipjobs.errors import ZipJobsError


@dataclass(slots=True, eq=False)
class AssembledPart:
    """A part being put together in memory. ``length`` is known when the layout has ended it."""

    number: int
    buffer: bytearray
    filled: int = 0
    length: int | None = None
    contents: list[tuple["PlacedEntry", int]] = field(default_factory=list)
    """Whose bytes it holds, headers included, and how many of each."""
    body_bytes: int = 0

    @property
    def is_full(self) -> bool:
        return self.filled == self.length


@dataclass(slots=True, eq=False)
class PlacedEntry:
    """An entry whose place in the archive is known.

    ``probe_bytes`` is how many bytes of the body its first read still has to be given room for.
    """

    index: int
    member: Member
    pinned: Pinned
    offset: int
    probe: "BodyRead"
    probe_bytes: int
    unsent_bytes: int
    headers: list[tuple[AssembledPart, HeaderPiece]] = field(default_factory=list)
    _ranges: dict[int, tuple[int, int]] = field(default_factory=dict)
    _unread_bytes: int = -1

    def __post_init__(self) -> None:
        self._unread_bytes = self.pinned.size

    @property
    def crc_is_known(self) -> bool:
        """Whether every byte of the body has been seen, and ``member.CRC`` is right."""
        return self._unread_bytes == 0

    def note_crc(self, first: int, length: int, range_crc: int) -> None:
        """Take the CRC-32 of a range into account; the last one completes the member's."""
        self._ranges[first] = (range_crc, length)
        self._unread_bytes -= length
        if not self._unread_bytes:
            self.member.CRC = combine(self._ranges[start] for start in sorted(self._ranges))
            self._ranges.clear()

    def central_record(self) -> bytes:
        """The central directory record, as far as the CRC-32 is known."""
        return self.member.central_record(self.offset)


class BodyRead:
    """A sink that lays a run of body bytes into the pieces of parts that were reserved for it.

    The first read of an entry (its probe) finds the object before it is known where the bytes go.
    """

    read: Read | None = None

    def __init__(
        self,
        entry: Entry,
        on_found: Callable[["BodyRead", Pinned, int], None],
        on_done: Callable[["BodyRead"], None],
        on_failed: Callable[[BaseException], None],
    ) -> None:
        self.entry = entry
        self.placed: PlacedEntry | None = None
        self.pieces: list[tuple[AssembledPart, BodyPiece]] = []
        self._ahead = iter(self.pieces)
        self._buffer = bytearray()
        self._at = 0
        self._room = 0
        self._on_found = on_found
        self._on_done = on_done
        self._on_failed = on_failed

    @property
    def crc32(self) -> int:
        """The CRC-32 of the run, once it is all there."""
        total = 0
        for part, piece in self.pieces:
            total = crc32(memoryview(part.buffer)[piece.at : piece.at + piece.length], total)
        return total

    @property
    def first(self) -> int:
        """Where in the body the run starts."""
        return self.pieces[0][1].first if self.pieces else 0

    @property
    def length(self) -> int:
        """Bytes in the run."""
        return sum(piece.length for _, piece in self.pieces)

    def proceed(self) -> None:
        """Let the run's bytes flow, now that all of its pieces are there."""
        assert self.read is not None
        self.read.proceed(self.length)

    def cancel(self) -> None:
        """Give the read up, if it was ever started."""
        if self.read is not None:
            self.read.cancel()

    # Called by the reader, on the transport's thread.

    def found(self, pinned: Pinned, length: int) -> None:
        self._guard(lambda: self._on_found(self, pinned, length))

    def received(self, chunk: bytes) -> None:
        size = len(chunk)
        if size > self._room:
            self._split(chunk)
            return
        at = self._at
        self._buffer[at : at + size] = chunk
        self._at = at + size
        self._room -= size

    def _split(self, chunk: bytes) -> None:
        """Lay a chunk into the piece that it ends, and into the next ones."""
        rest = memoryview(chunk)
        while rest:
            if not self._room:
                part, piece = next(self._ahead)
                self._buffer, self._at, self._room = part.buffer, piece.at, piece.length
            size = min(len(rest), self._room)
            self._buffer[self._at : self._at + size] = rest[:size]
            self._at += size
            self._room -= size
            rest = rest[size:]

    def done(self) -> None:
        self.read = None  # finished objects that know each other would wait for the collector
        self._guard(lambda: self._on_done(self))
        self.placed = None

    def failed(self, error: ZipJobsError) -> None:
        self._on_failed(error)

    def _guard(self, step: Callable[[], None]) -> None:
        """An error here would vanish in the runtime; it must end the build instead."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  (handed to the thread that waits)
            self._on_failed(error)
