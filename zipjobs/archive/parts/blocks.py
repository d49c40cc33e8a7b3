"""The memory of a build: a pool of blocks of equal size.

A part is a sequence of blocks. Slots in them are reserved in the archive's order, and concurrent
reads fill them in any order.
"""

from collections.abc import Callable, Iterable, Iterator

from isal.isal_zlib import crc32

from zipjobs.s3.part_upload import BLOCK_BYTES


class BlockPool:
    """Lends blocks of at most ``limit_bytes`` in total.

    Returned blocks are kept: allocating memory costs as much CPU as sending it. One build at a time
    uses the pool, under its own lock.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._left = limit_bytes // BLOCK_BYTES
        self._free: list[memoryview] = []

    def lend(self) -> memoryview | None:
        """Return a block, or None if all memory is lent."""
        if not self._left:
            return None
        self._left -= 1
        return self._free.pop() if self._free else memoryview(bytearray(BLOCK_BYTES))

    def give_back(self, memory: memoryview) -> None:
        """Return a block to the pool. No read writes to it any more."""
        self._left += 1
        self._free.append(memory)

    def release(self, memory: memoryview) -> None:
        """Free a block that a read may still write to, without keeping it for reuse."""
        del memory
        self._left += 1


class Block:
    """A block of a part. Its first ``reserved`` bytes are assigned, ``filled`` of them are written.

    ``on_filled`` is called when all reserved bytes are filled.
    """

    __slots__ = ("filled", "is_last", "memory", "on_filled", "reserved")

    def __init__(self, memory: memoryview, on_filled: Callable[[], None]) -> None:
        self.memory = memory
        self.on_filled = on_filled
        self.reserved = 0
        self.filled = 0
        self.is_last = False

    @property
    def is_full(self) -> bool:
        return self.filled == self.reserved and (self.reserved == len(self.memory) or self.is_last)


class Slot:
    """Bytes of a block that are reserved for one piece of the archive."""

    __slots__ = ("block", "view")

    def __init__(self, block: Block, view: memoryview) -> None:
        self.block = block
        self.view = view

    def fill(self, data: bytes) -> None:
        """Write all bytes of the slot."""
        self.view[:] = data
        self.mark_filled()

    def mark_filled(self) -> None:
        """Mark the slot as filled."""
        block = self.block
        block.filled += len(self.view)
        if block.filled == block.reserved:
            block.on_filled()


def crc_of(slots: list[Slot]) -> int:
    """Return the CRC-32 of the bytes in ``slots``, in order."""
    total = 0
    for slot in slots:
        total = crc32(slot.view, total)
    return total


def in_blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in blocks of ``BLOCK_BYTES``. The last block may be shorter."""
    block = bytearray()
    for piece in pieces:
        block += piece
        while len(block) >= BLOCK_BYTES:
            yield bytes(block[:BLOCK_BYTES])
            del block[:BLOCK_BYTES]
    if block:
        yield bytes(block)
