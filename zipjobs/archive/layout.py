"""Decides which bytes of the archive go into which part of the multipart upload.

Arithmetic only, no I/O. An archive is the sequence::

    header 0 · body 0 · header 1 · body 1 · … · central directory

A ``Layout`` splits it into parts while the sizes of entries become known, in order. Most parts are
assembled from headers and bodies. A large body is split: an assembled part contains its header and,
if the part would otherwise be too small for S3, its first bytes. The rest becomes copy parts, which
S3 copies from the source. A new part starts after them. The same sizes always give the same parts.

S3 allows 10,000 parts of 5 MiB to 5 GiB; the last one may be smaller: "Amazon S3 multipart upload
limits" in the S3 User Guide.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from zipjobs.archive.parts.sizing import MAX_PART_BYTES, MAX_PARTS, MIN_PART_BYTES, PartSizing
from zipjobs.errors import ArchiveTooLarge

What = Literal["header", "body", "directory"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of an entry's header or body, or of the central directory, in a part."""

    part: int
    what: What
    first: int
    length: int


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The end of an assembled part of ``length`` bytes."""

    part: int
    length: int


@dataclass(frozen=True, slots=True)
class CopyPart:
    """A part that is a range of a body, so that S3 can copy it from the source."""

    part: int
    first: int
    length: int


Step = Piece | PartEnd | CopyPart


class Layout:
    """Splits an archive into parts. Entries are added in order.

    A layout of a segment starts at ``offset`` of the archive, with part ``first_part``.
    """

    def __init__(self, sizing: PartSizing, first_part: int = 1, offset: int = 0) -> None:
        self._sizing = sizing
        self._part = first_part
        self._part_offset = offset
        self._filled = 0
        self._entries = 0  # entries that end in the open part
        self._target = sizing.assembled_target(offset)

    @property
    def offset(self) -> int:
        """Return the length of the archive so far, the offset of the next local header."""
        return self._part_offset + self._filled

    @property
    def next_part(self) -> int:
        """Return the number of the part that the next byte goes into."""
        return self._part

    @property
    def can_cut(self) -> bool:
        """Return whether ``cut`` is allowed: no part is open, or it is long enough."""
        return not self._filled or self._filled >= MIN_PART_BYTES

    def is_large(self, body_bytes: int) -> bool:
        """Return whether S3 should copy the next body, given its size."""
        return body_bytes >= self._sizing.large_target(self._part)

    def add(self, header_bytes: int, body_bytes: int, is_large: bool) -> list[Step]:
        """Append an entry. If it ``is_large``, it gets copy parts. It must have 10 MiB then.

        Raises ArchiveTooLarge for more than 10,000 parts.
        """
        if is_large:
            return list(self._add_large(header_bytes, body_bytes))
        steps = [
            *self._append("header", 0, header_bytes),
            *self._append("body", 0, body_bytes),
        ]
        self._entries += 1
        if (
            self._entries >= self._sizing.early_end_entries
            and self._filled >= self._sizing.early_end_bytes
        ):
            steps += self._end()
        return steps

    def cut(self) -> list[Step]:
        """End the open part, so that the next entry starts a part.

        S3 accepts a part of less than 5 MiB only as the last one: see ``can_cut``.
        """
        return list(self._end())

    def finish(self, directory_bytes: int) -> list[Step]:
        """Append the central directory and end the last part, which may be small."""
        return [*self._append("directory", 0, directory_bytes), *self._end()]

    def _add_large(self, header_bytes: int, body_bytes: int) -> Iterator[Step]:
        if self._filled >= MIN_PART_BYTES:
            yield from self._end()
        self._target = max(MIN_PART_BYTES, self._filled + header_bytes)
        yield from self._append("header", 0, header_bytes)
        head = MIN_PART_BYTES - self._filled if self._filled else 0
        yield from self._append("body", 0, head)
        first = head
        length = self._sizing.copy_part_target(self._part_offset, body_bytes)
        while first < body_bytes:
            rest = body_bytes - first
            if rest <= length + MIN_PART_BYTES:
                length = rest if rest <= MAX_PART_BYTES else rest - MIN_PART_BYTES
            yield CopyPart(self._part, first, length)
            first += length
            self._filled = length
            self._next_part()

    def _append(self, what: What, first: int, end: int) -> Iterator[Step]:
        """Append the range from ``first`` to ``end``, split at part boundaries."""
        while first < end:
            length = min(end - first, self._target - self._filled)
            yield Piece(self._part, what, first, length)
            first += length
            self._filled += length
            if self._filled == self._target:
                yield from self._end()

    def _end(self) -> Iterator[Step]:
        if self._filled:
            yield PartEnd(self._part, self._filled)
            self._next_part()

    def _next_part(self) -> None:
        if self._part > MAX_PARTS:
            raise ArchiveTooLarge(
                f"The archive does not fit into {MAX_PARTS:,} parts. "
                "Split the request into several jobs."
            )
        self._part += 1
        self._part_offset += self._filled
        self._filled = 0
        self._entries = 0
        self._target = self._sizing.assembled_target(self._part_offset)
