"""The CRC-32 of a file, on the way of somebody who reads it for another reason."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from isal.isal_zlib import crc32

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE_BYTES = 1 << 20


class SummingFile(io.FileIO):
    """A file to read that, once it ``is_summing``, adds up its bytes as they are read.

    Each counts once, and in the order of the file, however that is read: where a read leaves a gap,
    the gap is read first. So a file that is read from its beginning to its end is read once.
    ``on_progress`` is told how many bytes have been added up. Not for ``readall``.
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
        """Add up the rest."""
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
        """Add up what is new of ``data``, which stands at ``first``."""
        known = self.summed_bytes - first
        if 0 <= known < len(data):
            self.crc32 = crc32(data[known:], self.crc32)
            self.summed_bytes = first + len(data)
            self._on_progress(self.summed_bytes)
