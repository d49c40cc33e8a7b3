"""Parts of the upload that are put together in memory, and sent while they still grow.

A block is sent when all of its slots are full and all blocks before it have been sent. Memory is
the blocks that have been lent and not yet been given back.
"""

from collections import deque
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING

from zipjobs.archive.blocks import Block, BlockPool, Slot
from zipjobs.archive.part_sizing import MIB

if TYPE_CHECKING:
    from zipjobs.archive.part_rebuild import PartSource

KEPT_PART_BYTES = 6 * MIB
"""A part of up to this size is sent when it is whole, and kept until S3 has it. Parts that wait for
the CRC-32 of a large body are as short. A longer one is sent while it grows; if it has to be sent
again, it is read again."""


class Stopped(Exception):
    """The build is over; nobody wants the part any more."""


class AssembledPart:
    """A part that is put together in memory. The build's lock guards it, but for ``chunks``.

    ``length`` is known once the layout has ended the part. ``sources`` says what it is made of, as
    far as that has been laid out: it is what the part is made from again if it has to be.
    ``on_advance`` is called when blocks may have become ready to send.
    """

    def __init__(
        self,
        number: int,
        pool: BlockPool,
        length: int | None = None,
        on_advance: Callable[["AssembledPart"], None] = lambda part: None,
    ) -> None:
        self.number = number
        self.length = length
        self.sources: list[PartSource] = []
        self.body_bytes = 0
        self.entries_ended = 0
        self.is_started = False
        self._on_advance = on_advance
        self._pool = pool
        self._growing: deque[Block] = deque()
        self._ready: SimpleQueue[Block | None] = SimpleQueue()
        self._ready_bytes = 0

    def reserve(self, wanted: int) -> Slot | None:
        """Room for up to ``wanted`` bytes behind the last, or None if there is no memory."""
        block = self._growing[-1] if self._growing else None
        if block is None or block.reserved == len(block.memory):
            memory = self._pool.lend()
            if memory is None:
                return None
            block = Block(memory, self.advance)
            self._growing.append(block)
        end = min(len(block.memory), block.reserved + wanted)
        slot = Slot(block, block.memory[block.reserved : end])
        block.reserved = end
        return slot

    def end(self) -> None:
        """All of the part's slots have been reserved."""
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
        self._on_advance(self)

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
            self._pool.release(block.memory)
        self._growing.clear()
        while not self._ready.empty():
            if (ready := self._ready.get()) is not None:
                self._pool.release(ready.memory)
