"""Raw deflate streams whose size is known before they are sent.

A local header contains the compressed size, so a body is compressed twice: once to learn its size,
and again, in the same way, when its bytes are needed. It is compressed in runs. Each run ends on a
byte boundary, and the next one does not refer to it. Joined, the runs are one deflate stream, and
each can be compressed alone from its range of the object.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

from isal import isal_zlib

PIECE_BYTES = 128 * 1024
"""Bytes per compressor call. The same bytes in one call always give the same result. Deflate refers
back at most 32 KiB, so this costs little compression."""

PIECES_IN_RUN = 8
LEVEL = 2
KEPT_BYTES = 256 * 1024
"""A compressed body of up to this size is kept in memory, and not compressed again."""

_RAW = -15
"""The ``wbits`` of a zlib stream without header and trailer."""


@dataclass(slots=True)
class Run:
    """``length`` bytes of the stream, compressed from ``source_length`` bytes of the object.

    ``crc32`` is that of the compressed bytes: compressing again must give the same.
    """

    source_first: int
    source_length: int = 0
    length: int = 0
    crc32: int = 0
    is_last: bool = False

    def deflater(self) -> Callable[[bytes], bytes]:
        """Return a function that compresses the object's bytes, given in order."""
        waiting = bytearray()
        left = self.source_length

        def feed(data: bytes) -> bytes:
            nonlocal left
            left -= len(data)
            waiting.extend(data)
            output = b""
            while len(waiting) > PIECE_BYTES or (waiting and not left):
                piece = bytes(waiting[:PIECE_BYTES])
                del waiting[:PIECE_BYTES]
                output += _deflate(piece, self.is_last and not left and not waiting)
            return output

        return feed


class Deflated:
    """Measures a body as a deflate stream. Complete after ``finish``."""

    def __init__(self) -> None:
        self.size = 0
        self.kept: bytes | None = b""
        self._runs: dict[int, Run] = {}  # by offset in the stream
        self._run = self._runs[0] = Run(0)
        self._waiting = bytearray()

    def feed(self, data: memoryview | bytes) -> None:
        """Compress the next bytes of the object."""
        self._waiting += data
        while len(self._waiting) > PIECE_BYTES:
            self._take(bytes(self._waiting[:PIECE_BYTES]), is_last=False)
            del self._waiting[:PIECE_BYTES]

    def finish(self) -> None:
        """Compress the rest, at the end of the object."""
        self._take(bytes(self._waiting), is_last=True)

    def run_at(self, offset: int) -> Run:
        """Return the run that starts at ``offset`` of the stream."""
        return self._runs[offset]

    def _take(self, piece: bytes, is_last: bool) -> None:
        run = self._run
        if run.source_length == PIECES_IN_RUN * PIECE_BYTES:
            run = self._run = self._runs[self.size] = Run(run.source_first + run.source_length)
        output = _deflate(piece, is_last)
        run.source_length += len(piece)
        run.length += len(output)
        run.crc32 = isal_zlib.crc32(output, run.crc32)
        run.is_last = is_last
        self.size += len(output)
        if self.kept is not None:
            self.kept = self.kept + output if self.size <= KEPT_BYTES else None


def _deflate(piece: bytes, is_last: bool) -> bytes:
    # Not isal: its second pass sometimes returns other bytes than its first.
    compressor = zlib.compressobj(LEVEL, wbits=_RAW)
    mode = zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH
    output: bytes = compressor.compress(piece) + compressor.flush(mode)
    return output
