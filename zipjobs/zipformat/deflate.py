"""Bodies as raw deflate streams whose size is known before they are sent.

A local header says how long its body is, so a body is deflated twice: once to learn what it takes,
and again, the same way, where its bytes are wanted. It is deflated in runs, each ended so that the
next begins on a byte and refers to nothing before it. Joined they are one deflate stream, and any
of them can be made alone, from its range of the object.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

from isal import isal_zlib

PIECE_BYTES = 128 * 1024
"""What is deflated at once: the same bytes, given at once, always give the same result. Deflate
looks back 32 KiB at most, so little is lost."""

PIECES_IN_RUN = 8
LEVEL = 2
KEPT_BYTES = 256 * 1024
"""A body that takes no more than this is kept, and not read a second time."""

_RAW = -15
"""zlib's word for a stream without header and trailer."""


@dataclass(slots=True)
class Run:
    """``length`` bytes of the stream, made from ``source_length`` bytes of the object.

    ``crc32`` is that of the stream's bytes: making them again must give the same ones.
    """

    source_first: int
    source_length: int = 0
    length: int = 0
    crc32: int = 0
    is_last: bool = False

    def deflater(self) -> Callable[[bytes], bytes]:
        """What makes the run from its bytes of the object, given in any pieces, in order."""
        waiting = bytearray()
        left = self.source_length

        def feed(data: bytes) -> bytes:
            nonlocal left
            left -= len(data)
            waiting.extend(data)
            made = b""
            while len(waiting) > PIECE_BYTES or (waiting and not left):
                piece = bytes(waiting[:PIECE_BYTES])
                del waiting[:PIECE_BYTES]
                made += _deflate(piece, self.is_last and not left and not waiting)
            return made

        return feed


class Deflated:
    """What a body takes as a deflate stream. Complete once ``finish`` was called."""

    def __init__(self) -> None:
        self.size = 0
        self.kept: bytes | None = b""
        self._runs: dict[int, Run] = {}  # by their place in the stream
        self._run = self._runs[0] = Run(0)
        self._waiting = bytearray()

    def feed(self, data: memoryview | bytes) -> None:
        """Take the next bytes of the object into account."""
        self._waiting += data
        while len(self._waiting) > PIECE_BYTES:
            self._take(bytes(self._waiting[:PIECE_BYTES]), is_last=False)
            del self._waiting[:PIECE_BYTES]

    def finish(self) -> None:
        """The object is over."""
        self._take(bytes(self._waiting), is_last=True)

    def run_at(self, offset: int) -> Run:
        """The run that starts ``offset`` bytes into the stream."""
        return self._runs[offset]

    def _take(self, piece: bytes, is_last: bool) -> None:
        run = self._run
        if run.source_length == PIECES_IN_RUN * PIECE_BYTES:
            run = self._run = self._runs[self.size] = Run(run.source_first + run.source_length)
        made = _deflate(piece, is_last)
        run.source_length += len(piece)
        run.length += len(made)
        run.crc32 = isal_zlib.crc32(made, run.crc32)
        run.is_last = is_last
        self.size += len(made)
        if self.kept is not None:
            self.kept = self.kept + made if self.size <= KEPT_BYTES else None


def _deflate(piece: bytes, is_last: bool) -> bytes:
    # Not isal's: its second pass now and then gives other bytes than its first.
    compressor = zlib.compressobj(LEVEL, wbits=_RAW)
    mode = zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH
    made: bytes = compressor.compress(piece) + compressor.flush(mode)
    return made
