"""Compute the CRC-32 of files."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from isal.isal_zlib import crc32

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE_BYTES = 1 << 20


def file_crc32(path: Path) -> int:
    """Return the CRC-32 of a file. Raises OSError."""
    total = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            total = crc32(piece, total)
    return total


class ChecksumFile(io.FileIO):
    """A file that computes its own CRC-32 while other code reads it.

    Set ``is_summing`` to start. Each byte counts once, in file order: if a read skips bytes, they
    are read first. So a file that is read from start to end is read once. ``on_progress`` is called
    with the number of bytes so far. ``readall`` is not supported.
    """

    def __init__(self, path: Path, on_progress: Callable[[int], None]) -> None:
        super().__init__(path)
        self._on_progress = on_progress
        self.is_summing = False
        self.summed_bytes = 0
        self.crc32 = 0

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if not self.is_summing:
            return super().readinto(buffer) or 0
        first = self.tell()
        if first > self.summed_bytes:
            self._sum_to(first)
            self.seek(first)
        size = super().readinto(buffer) or 0
        self._add(first, memoryview(buffer)[:size])
        return size

    def finish(self) -> None:
        """Read the rest of the file."""
        self._sum_to(None)

    def _sum_to(self, end: int | None) -> None:
        self.seek(self.summed_bytes)
        buffer = memoryview(bytearray(PIECE_BYTES))
        while end is None or self.summed_bytes < end:
            room = PIECE_BYTES if end is None else min(PIECE_BYTES, end - self.summed_bytes)
            size = super().readinto(buffer[:room])
            if not size:
                break
            self._add(self.summed_bytes, buffer[:size])

    def _add(self, first: int, data: memoryview) -> None:
        """Add the bytes of ``data`` that are new. ``first`` is the position of ``data``."""
        known = self.summed_bytes - first
        if 0 <= known < len(data):
            self.crc32 = crc32(data[known:], self.crc32)
            self.summed_bytes = first + len(data)
            self._on_progress(self.summed_bytes)
