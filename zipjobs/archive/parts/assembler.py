"""Reserves memory for the parts of an archive, in its order, and fills what is known.

Steps of the layout wait until there is memory for them. Because it is reserved in order, the first
incomplete part can always be finished, and its memory becomes free.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from zipjobs.archive.body_read import BodyRead
from zipjobs.archive.entry_reader import EntryReader
from zipjobs.archive.layout import PartEnd, Piece, Step, What
from zipjobs.archive.parts.assembled_part import AssembledPart
from zipjobs.archive.parts.blocks import BlockPool
from zipjobs.archive.parts.rebuild import BodyRun
from zipjobs.archive.placed_entry import PlacedEntry

Content = PlacedEntry | bytes
"""What a step is a range of: an entry, or the central directory."""


@dataclass(slots=True)
class _Todo:
    """A step that waits for memory. ``done`` bytes of it are reserved."""

    step: Step
    content: Content
    probe: BodyRead | None
    done: int = 0


class PartAssembler:
    """The parts in memory. The builder's lock guards them.

    ``lengths`` are the lengths of parts by number, as far as they are known in advance.
    ``on_ready`` is called when a part can be sent.
    """

    def __init__(
        self,
        blocks: BlockPool,
        lengths: Mapping[int, int],
        reads: EntryReader,
        on_ready: Callable[[AssembledPart], None],
    ) -> None:
        self._blocks = blocks
        self._lengths = lengths
        self._reads = reads
        self._on_ready = on_ready
        self._todo: deque[_Todo] = deque()
        self._read: BodyRead | None = None  # the read that slots are being reserved for
        self._parts: dict[int, AssembledPart] = {}

    @property
    def is_empty(self) -> bool:
        """Return whether all parts are sent."""
        return not self._todo and not self._parts

    def queue(self, step: Step, content: Content, probe: BodyRead | None) -> None:
        """Append a step. ``probe`` is a read of the first bytes of the body."""
        if not isinstance(step, Piece):
            self._part(step.part).length = step.length
        self._todo.append(_Todo(step, content, probe))

    def reserve(self) -> None:
        """Reserve memory for steps, as far as there is any. Start reads that have all of theirs."""
        while self._todo and self._reserve(self._todo[0]):
            self._todo.popleft()

    def remove(self, part: AssembledPart) -> None:
        """Forget a part that was sent."""
        del self._parts[part.number]

    def stop(self) -> None:
        """End the waits for blocks of all parts."""
        for part in self._parts.values():
            part.stop()

    def abandon(self) -> None:
        """Release all memory."""
        for part in self._parts.values():
            part.abandon()

    def _part(self, number: int) -> AssembledPart:
        part = self._parts.get(number)
        if part is None:
            length = self._lengths.get(number)
            part = AssembledPart(number, self._blocks, length, self._send_if_ready)
            self._parts[number] = part
        return part

    def _send_if_ready(self, part: AssembledPart) -> None:
        if part.can_start:
            part.is_started = True
            self._on_ready(part)

    def _reserve(self, todo: _Todo) -> bool:
        """Reserve memory for a step. Return False if there is not enough."""
        step, content = todo.step, todo.content
        part = self._part(step.part)
        if not isinstance(step, PartEnd):
            what = step.what if isinstance(step, Piece) else "body"
            while todo.done < step.length:
                if not self._reserve_slot(part, todo, what, step.first, step.length):
                    return False
            _note_content(part, content, what, step.first, step.length)
        if not isinstance(step, Piece):
            part.end()
        return True

    def _reserve_slot(
        self, part: AssembledPart, todo: _Todo, what: What, first: int, length: int
    ) -> bool:
        """Reserve the next slot of a piece, and fill it if its bytes are known."""
        content, end = todo.content, first + length
        first += todo.done
        wanted, read = end - first, None
        if isinstance(content, PlacedEntry) and what == "body" and content.kept is None:
            read = self._read = self._read or self._open_read(content, todo.probe, first, end)
            wanted = min(wanted, read.length - read.slots.length)
        slot = part.reserve(wanted)
        if slot is None:
            return False
        todo.done += len(slot.view)
        end = first + len(slot.view)
        if read is not None:
            read.slots.add(slot)
            if read.slots.length == read.length:
                self._read = None
                self._reads.start(read)
        elif not isinstance(content, PlacedEntry):
            slot.fill(content[first:end])
        elif what == "body":
            assert content.kept is not None
            slot.fill(content.kept[first:end])
        elif content.crc_is_known:
            slot.fill(content.header(first, end))
        else:
            content.open_header(slot, first)
        return True

    def _open_read(
        self, placed: PlacedEntry, probe: BodyRead | None, first: int, end: int
    ) -> BodyRead:
        if probe is not None and first == 0:
            return probe
        return self._reads.range_of(placed, first, max(placed.assembled_bytes, end))


def _note_content(
    part: AssembledPart, content: Content, what: What, first: int, length: int
) -> None:
    """Note what a part contains, to build it again and to count it."""
    end = first + length
    if not isinstance(content, PlacedEntry):
        part.sources.append(partial(_range_of, content, first, end))
        return
    if what == "header":
        part.sources.append(partial(content.header, first, end))
    else:
        part.sources.append(BodyRun(content, first, length))
        part.body_bytes += length


def _range_of(content: bytes, first: int, end: int) -> bytes:
    return content[first:end]
