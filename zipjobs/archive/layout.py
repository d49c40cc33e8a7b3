"""Which bytes of the archive go into which part of the multipart upload.

Pure arithmetic: sizes in, parts out, no bytes and no I/O. An archive is the sequence::

    header 0 · body 0 · header 1 · body 1 · … · central directory

and a ``Layout`` cuts it into parts as the entries' sizes become known, in order. The same sizes
always give the same parts. Limits are those of "Amazon S3 multipart upload limits" in the S3 User
Guide: 10,000 parts, each of 5 MiB to 5 GiB but the last, which may be smaller.
"""

from dataclasses import dataclass

from zipjobs.errors import ArchiveTooLarge

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

MIN_PART_BYTES = 5 * MIB
MAX_PART_BYTES = 5 * GIB
MAX_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class HeaderPiece:
    """The whole local header of an entry."""

    entry: int
    length: int


@dataclass(frozen=True, slots=True)
class BodyPiece:
    """``length`` bytes of an entry's body, from its byte ``first`` on."""

    entry: int
    first: int
    length: int


@dataclass(frozen=True, slots=True)
class DirectoryPiece:
    """``length`` bytes of the central directory and end records, from their byte ``first`` on."""

    first: int
    length: int


Piece = HeaderPiece | BodyPiece | DirectoryPiece


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the upload: its number (from 1) and what it is made of, in order."""

    number: int
    pieces: tuple[Piece, ...]

    @property
    def length(self) -> int:
        """Bytes in this part."""
        return sum(piece.length for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class PartSizing:
    """How large parts are: ``base_bytes`` at first, then growing with the archive.

    A part is about 1/``growth`` of what stands before it, never above ``cap_bytes`` (parts are
    held in memory). With the defaults 10,000 parts hold 265 GiB.
    """

    base_bytes: int = 8 * MIB
    growth: int = 1000
    cap_bytes: int = 32 * MIB

    def target_bytes(self, offset: int) -> int:
        """The size to aim at for a part that starts ``offset`` bytes into the archive."""
        grown = -(-offset // (self.growth * MIB)) * MIB
        return max(self.base_bytes, min(grown, self.cap_bytes))


class Layout:
    """Cuts the archive into parts while entries are added in order."""

    def __init__(self, sizing: PartSizing) -> None:
        self._sizing = sizing
        self._entries = 0
        self._parts = 0
        self._part_offset = 0
        self._part_bytes = 0
        self._target_bytes = sizing.target_bytes(0)
        self._pieces: list[Piece] = []

    @property
    def offset(self) -> int:
        """Length of the archive so far, which is where the next local header will stand."""
        return self._part_offset + self._part_bytes

    def add(self, header_bytes: int, body_bytes: int) -> list[Part]:
        """Append an entry; return the parts that it completes.

        Raises ArchiveTooLarge if the archive outgrows 10,000 parts.
        """
        entry, self._entries = self._entries, self._entries + 1
        parts = self._append(HeaderPiece(entry, header_bytes))
        first = 0
        while first < body_bytes:
            length = min(body_bytes - first, self._room)
            parts += self._append(BodyPiece(entry, first, length))
            first += length
        return parts

    def finish(self, directory_bytes: int) -> list[Part]:
        """Append the central directory; return what is left. The last part may be small."""
        parts: list[Part] = []
        first = 0
        while first < directory_bytes:
            length = min(directory_bytes - first, self._room)
            parts += self._append(DirectoryPiece(first, length))
            first += length
        return [*parts, self._close()] if self._pieces else parts

    @property
    def _room(self) -> int:
        return self._target_bytes - self._part_bytes

    def _append(self, piece: Piece) -> list[Part]:
        self._pieces.append(piece)
        self._part_bytes += piece.length
        return [self._close()] if self._room <= 0 else []

    def _close(self) -> Part:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise ArchiveTooLarge(
                f"The archive does not fit into {MAX_PARTS:,} parts. "
                "Split the request into several jobs."
            )
        part = Part(self._parts, tuple(self._pieces))
        self._part_offset += self._part_bytes
        self._pieces, self._part_bytes = [], 0
        self._target_bytes = self._sizing.target_bytes(self._part_offset)
        return part
