"""The memory of a build: blocks of one size, which are lent and given back.

A part is a row of blocks. Rooms in them are reserved in the archive's order and filled in any
order, by several reads at a time.
"""

from collections.abc import Callable, Iterable, Iterator

from isal.isal_zlib import crc32

from zipjobs.s3.part_upload import BLOCK_BYTES


class BlockPool:
    """Lends blocks as long as all of them together stay within ``limit_bytes``.

    Blocks are kept: fresh memory costs as much CPU as sending it. One build uses them at a time,
    under its own lock.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._left = limit_bytes // BLOCK_BYTES
        self._free: list[memoryview] = []

    def lend(self) -> memoryview | None:
        """A block, or None if there is no memory for it now."""
        if not self._left:
            return None
        self._left -= 1
        return self._free.pop() if self._free else memoryview(bytearray(BLOCK_BYTES))

    def give_back(self, memory: memoryview) -> None:
        """Take back a block that nobody writes to any more."""
        self._left += 1
        self._free.append(memory)

    def release(self, memory: memoryview) -> None:
        """Forget a block that somebody may still write to."""
        del memory
        self._left += 1


class Block:
    """A block of a part: how much of it is reserved, and how much of that is filled.

    ``on_filled`` is called when all that is reserved of it is filled.
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
    """Some bytes of a block, reserved for one piece of the archive."""

    __slots__ = ("block", "view")

    def __init__(self, block: Block, view: memoryview) -> None:
        self.block = block
        self.view = view

    def is_filled(self) -> None:
        """All of the room's bytes are there."""
        block = self.block
        block.filled += len(self.view)
        if block.filled == block.reserved:
            block.on_filled()


def crc_of(slots: list[Slot]) -> int:
    """The CRC-32 of what stands in ``slots``, one behind the other."""
    total = 0
    for slot in slots:
        total = crc32(slot.view, total)
    return total


def in_blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks, all but the last of ``BLOCK_BYTES``."""
    block = bytearray()
    for piece in pieces:
        block += piece
        while len(block) >= BLOCK_BYTES:
            yield bytes(block[:BLOCK_BYTES])
            del block[:BLOCK_BYTES]
    if block:
        yield bytes(block)
