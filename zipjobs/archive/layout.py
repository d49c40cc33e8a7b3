"""Which bytes of the archive go into which part of the multipart upload.

Pure arithmetic: sizes in, instructions out, no bytes and no I/O. An archive is the sequence::

    header 0 · body 0 · header 1 · body 1 · … · central directory

and a ``Layout`` cuts it into parts as the entries' sizes become known, in order. Most parts are
*assembled* from headers and bodies. A large body is cut out of the sequence: behind an assembled
part that holds its header and, where that part would be too small for S3, its first bytes, the
rest of it makes parts of its own, which S3 can copy from the source. The same sizes always give
the same parts. Limits are those of "Amazon S3 multipart upload limits" in the S3 User Guide:
10,000 parts, each of 5 MiB to 5 GiB but the last, which may be smaller.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from zipjobs.errors import ArchiveTooLarge

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

MIN_PART_BYTES = 5 * MIB
MAX_PART_BYTES = 5 * GIB
MAX_PARTS = 10_000
MAX_ARCHIVE_BYTES = MAX_PARTS * MAX_PART_BYTES


@dataclass(frozen=True, slots=True)
class HeaderPiece:
    """``length`` bytes of an entry's local header, from its byte ``first`` on."""

    part: int
    capacity: int
    at: int
    first: int
    length: int
    entry: int


@dataclass(frozen=True, slots=True)
class BodyPiece:
    """``length`` bytes of an entry's body, from its byte ``first`` on."""

    part: int
    capacity: int
    at: int
    first: int
    length: int
    entry: int

    def part_of(self, skip: int, length: int) -> "BodyPiece":
        """``length`` bytes of this piece, without its first ``skip``."""
        first = self.first + skip
        return BodyPiece(self.part, self.capacity, self.at + skip, first, length, self.entry)


@dataclass(frozen=True, slots=True)
class DirectoryPiece:
    """``length`` bytes of the central directory and end records, from their byte ``first`` on."""

    part: int
    capacity: int
    at: int
    first: int
    length: int


@dataclass(frozen=True, slots=True)
class WholePart:
    """A part that is nothing but ``length`` bytes of a body: S3 can copy it from the source."""

    part: int
    entry: int
    first: int
    length: int


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The assembled part ``part`` is complete, with ``length`` bytes."""

    part: int
    length: int


Piece = HeaderPiece | BodyPiece | DirectoryPiece
"""What assembled parts are made of: ``length`` bytes at byte ``at`` of ``part``, which will have
``capacity`` bytes at the most."""

Instruction = Piece | WholePart | PartEnd


@dataclass(frozen=True, slots=True)
class PartSizing:
    """How large parts are.

    Assembled parts have ``assembled_bytes`` at first and then about 1/``growth`` of what stands
    before them, in steps of 5 MiB so that their memory can be used again, but at most
    ``assembled_cap_bytes``, for they are held in memory. Bodies of
    ``large_bytes`` and more get parts of their own, of ``whole_bytes`` or of 1/``growth`` of what
    stands before them, whichever is more.
    """

    assembled_bytes: int = MIN_PART_BYTES
    assembled_cap_bytes: int = 15 * MIB
    large_bytes: int = 16 * MIB
    whole_bytes: int = 32 * MIB
    growth: int = 400

    def __post_init__(self) -> None:
        """Refuse sizes that S3 would."""
        if self.assembled_bytes < MIN_PART_BYTES or self.whole_bytes < MIN_PART_BYTES:
            raise ValueError("parts must have at least 5 MiB")
        if self.large_bytes < 2 * MIN_PART_BYTES:
            raise ValueError("large_bytes must leave a part on either side of the cut")

    def assembled_target(self, offset: int) -> int:
        """The size of an assembled part that starts ``offset`` bytes into the archive."""
        steps = -(-self._grown(offset) // MIN_PART_BYTES)
        grown = min(steps * MIN_PART_BYTES, self.assembled_cap_bytes)
        return max(self.assembled_bytes, grown)

    def whole_target(self, offset: int, body_bytes: int) -> int:
        """The size of the parts of a large body that starts at ``offset``."""
        grown = max(self._grown(offset), self._grown(body_bytes))
        return min(max(self.whole_bytes, grown), MAX_PART_BYTES)

    def _grown(self, size: int) -> int:
        return -(-size // (self.growth * MIB)) * MIB


class Layout:
    """Cuts the archive into parts while entries are added in order.

    ``assembled_body_bytes`` is how much of the last entry's body went into assembled parts.
    """

    assembled_body_bytes = 0

    def __init__(self, sizing: PartSizing) -> None:
        self._sizing = sizing
        self._entries = 0
        self._part = 1
        self._part_offset = 0
        self._filled = 0
        self._target = sizing.assembled_target(0)

    @property
    def offset(self) -> int:
        """Length of the archive so far, which is where the next local header will stand."""
        return self._part_offset + self._filled

    def add(self, header_bytes: int, body_bytes: int) -> list[Instruction]:
        """Append an entry. Raises ArchiveTooLarge if the archive outgrows 10,000 parts."""
        entry, self._entries = self._entries, self._entries + 1
        if body_bytes >= self._sizing.large_bytes:
            return self._add_large(entry, header_bytes, body_bytes)
        self.assembled_body_bytes = body_bytes
        header = self._append(partial(HeaderPiece, entry=entry), 0, header_bytes)
        return header + self._append(partial(BodyPiece, entry=entry), 0, body_bytes)

    def finish(self, directory_bytes: int) -> list[Instruction]:
        """Append the central directory and end the last part, which may be small."""
        instructions = self._append(DirectoryPiece, 0, directory_bytes)
        return instructions + (self._end() if self._filled else [])

    def _add_large(self, entry: int, header_bytes: int, body_bytes: int) -> list[Instruction]:
        instructions: list[Instruction] = []
        if self._filled >= MIN_PART_BYTES:
            instructions += self._end()
        if not self._filled:
            self._target = MIN_PART_BYTES
        instructions += self._append(partial(HeaderPiece, entry=entry), 0, header_bytes)
        # The header may just have ended a part; then it stands in one that S3 takes already.
        head = max(0, MIN_PART_BYTES - self._filled) if self._filled else 0
        self.assembled_body_bytes = head
        instructions += self._append(partial(BodyPiece, entry=entry), 0, head)
        if self._filled:
            instructions += self._end()
        first = head
        target = self._sizing.whole_target(self.offset, body_bytes)
        while first < body_bytes:
            rest = body_bytes - first
            length = rest if rest < target + MIN_PART_BYTES else target
            length = min(length, MAX_PART_BYTES)
            if 0 < rest - length < MIN_PART_BYTES:
                length = rest - MIN_PART_BYTES
            instructions.append(WholePart(self._part, entry, first, length))
            self._filled = length
            self._next_part()
            first += length
        return instructions

    def _append(
        self, piece: Callable[[int, int, int, int, int], Piece], first: int, end: int
    ) -> list[Instruction]:
        """Append the bytes from ``first`` to ``end`` of something, cut where parts end."""
        instructions: list[Instruction] = []
        while first < end:
            length = min(end - first, self._target - self._filled)
            instructions.append(piece(self._part, self._target, self._filled, first, length))
            instructions += self._fill(length)
            first += length
        return instructions

    def _fill(self, length: int) -> list[Instruction]:
        self._filled += length
        return self._end() if self._filled == self._target else []

    def _end(self) -> list[Instruction]:
        end = PartEnd(self._part, self._filled)
        self._next_part()
        return [end]

    def _next_part(self) -> None:
        if self._part > MAX_PARTS:
            raise ArchiveTooLarge(
                f"The archive does not fit into {MAX_PARTS:,} parts. "
                "Split the request into several jobs."
            )
        self._part += 1
        self._part_offset += self._filled
        self._filled = 0
        self._target = self._sizing.assembled_target(self._part_offset)
