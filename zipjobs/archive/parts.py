"""Parts of the upload that are put together in memory, and sent while they still grow.

A part is a row of blocks. Rooms in them are reserved in the archive's order and filled in any
order, by several reads at a time; a block is sent when all of its rooms are full and all blocks
before it have been sent. Memory is the blocks that have been lent and not yet been given back.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING

from isal.isal_zlib import crc32

from zipjobs.archive.sizing import MIB

if TYPE_CHECKING:
    from zipjobs.archive.relay import Ingredient

BLOCK_BYTES = 1 * MIB

KEPT_PART_BYTES = 6 * MIB
"""A part of up to this size is sent when it is whole, and kept until S3 has it. Parts that wait for
the CRC-32 of a large body are as short. A longer one is sent while it grows; if it has to be sent
again, it is read again."""


class Stopped(Exception):
    """The build is over; nobody wants the part any more."""


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

    def give_up(self, memory: memoryview) -> None:
        """Forget a block that somebody may still write to."""
        del memory
        self._left += 1


class Block:
    """A block of a part: how much of it is reserved, and how much of that is filled."""

    __slots__ = ("filled", "is_last", "memory", "part", "reserved")

    def __init__(self, part: "AssembledPart", memory: memoryview) -> None:
        self.part = part
        self.memory = memory
        self.reserved = 0
        self.filled = 0
        self.is_last = False

    @property
    def is_full(self) -> bool:
        return self.filled == self.reserved and (self.reserved == BLOCK_BYTES or self.is_last)


class Room:
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
            block.part.advance()


class AssembledPart:
    """A part that is put together in memory. The build's lock guards it, but for ``chunks``.

    ``length`` is known once the layout has ended the part. ``recipe`` says what it is made of, as
    far as that has been laid out: it is what the part is made from again if it has to be.
    """

    def __init__(self, number: int, pool: BlockPool, length: int | None = None) -> None:
        self.number = number
        self.length = length
        self.recipe: list[Ingredient] = []
        self.body_bytes = 0
        self.entries_ended = 0
        self.is_started = False
        self._pool = pool
        self._growing: deque[Block] = deque()
        self._ready: SimpleQueue[Block | None] = SimpleQueue()
        self._ready_bytes = 0

    def reserve(self, wanted: int) -> Room | None:
        """Room for up to ``wanted`` bytes behind the last, or None if there is no memory."""
        block = self._growing[-1] if self._growing else None
        if block is None or block.reserved == BLOCK_BYTES:
            memory = self._pool.lend()
            if memory is None:
                return None
            block = Block(self, memory)
            self._growing.append(block)
        end = min(BLOCK_BYTES, block.reserved + wanted)
        room = Room(block, block.memory[block.reserved : end])
        block.reserved = end
        return room

    def end(self) -> None:
        """All of the part's rooms have been reserved."""
        if self._growing:
            self._growing[-1].is_last = True
        self.advance()

    def advance(self) -> None:
        """Hand on the blocks that are full and have none before them that is not."""
        growing = self._growing
        while growing and growing[0].is_full:
            block = growing.popleft()
            self._ready_bytes += block.filled
            self._ready.put(block)

    @property
    def can_start(self) -> bool:
        """Whether sending may begin: its length is known and its bytes come without a pause.

        Those of a short part are all there; those of a longer one are read in order.
        """
        if self.is_started or self.length is None:
            return False
        if self.is_kept:
            return self._ready_bytes == self.length
        return self._ready_bytes > 0

    @property
    def is_kept(self) -> bool:
        """Whether the part's blocks are kept until S3 has it."""
        return self.length is not None and self.length <= KEPT_PART_BYTES

    def stop(self) -> None:
        """Let whoever waits for the next block stop waiting."""
        self._ready.put(None)

    def chunks(self) -> Iterator[Block]:
        """The part's blocks, as they become ready; they belong to the caller. On a worker."""
        left = self.length or 0
        while left:
            block = self._ready.get()
            if block is None:
                raise Stopped
            left -= block.filled
            yield block

    def abandon(self) -> None:
        """Forget the part's memory, to which reads may still write."""
        for block in self._growing:
            self._pool.give_up(block.memory)
        self._growing.clear()
        while not self._ready.empty():
            if (ready := self._ready.get()) is not None:
                self._pool.give_up(ready.memory)


def crc_of(rooms: list[Room]) -> int:
    """The CRC-32 of what stands in ``rooms``, one behind the other."""
    total = 0
    for room in rooms:
        total = crc32(room.view, total)
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
