"""Parts that are assembled in memory and sent while they grow.

A block is sent when its slots are filled and the blocks before it are sent.
"""

from collections import deque
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING

from zipjobs.archive.parts.blocks import Block, BlockPool, Slot
from zipjobs.archive.parts.sizing import MIB

if TYPE_CHECKING:
    from zipjobs.archive.parts.rebuild import PartSource

KEPT_PART_BYTES = 6 * MIB
"""A part of up to this size is sent when it is complete, and kept until S3 has stored it. A longer
part is sent while it grows; its sources are read again for a retry. Parts that wait for the CRC-32
of a large body are short."""


class Stopped(Exception):
    """The build has ended, so the part is not needed any more."""


class AssembledPart:
    """A part that is assembled in memory. The build's lock guards all methods but ``chunks``.

    ``length`` is known once the layout has ended the part. ``sources`` lists where its bytes come
    from, for a retry. ``on_advance`` is called when blocks may be ready to send.
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
        self.is_started = False
        self._on_advance = on_advance
        self._pool = pool
        self._growing: deque[Block] = deque()
        self._ready: SimpleQueue[Block | None] = SimpleQueue()
        self._ready_bytes = 0

    def reserve(self, wanted: int) -> Slot | None:
        """Return a slot for up to ``wanted`` bytes after the last one, or None without memory."""
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
        """Note that all slots of the part are reserved."""
        if self._growing:
            self._growing[-1].is_last = True
        self.advance()

    def advance(self) -> None:
        """Pass on the leading blocks that are full."""
        growing = self._growing
        while growing and growing[0].is_full:
            block = growing.popleft()
            self._ready_bytes += block.filled
            self._ready.put(block)
        self._on_advance(self)

    @property
    def can_start(self) -> bool:
        """Return whether sending can start.

        A short part must be complete. A longer one must have a block; others follow.
        """
        if self.is_started or self.length is None:
            return False
        if self.is_kept:
            return self._ready_bytes == self.length
        return self._ready_bytes > 0

    @property
    def is_kept(self) -> bool:
        """Return whether the blocks are kept until S3 has stored the part."""
        return self.length is not None and self.length <= KEPT_PART_BYTES

    def stop(self) -> None:
        """End the wait for the next block in ``chunks``."""
        self._ready.put(None)

    def chunks(self) -> Iterator[Block]:
        """Yield the blocks as they become ready. The caller owns them. Raises Stopped."""
        left = self.length or 0
        while left:
            block = self._ready.get()
            if block is None:
                raise Stopped
            left -= block.filled
            yield block

    def abandon(self) -> None:
        """Release the part's memory. Reads may still write to it."""
        for block in self._growing:
            self._pool.release(block.memory)
        self._growing.clear()
        while not self._ready.empty():
            if (ready := self._ready.get()) is not None:
                self._pool.release(ready.memory)
