"""Assembles parts in memory and sends them, in the order in which their bytes arrive.

Steps of the layout wait in a queue until there is memory for them. Blocks are reserved in the
archive's order, so that the first incomplete part can always be finished and its memory freed.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Condition, RLock
from typing import TYPE_CHECKING

from zipjobs.archive.entry_reads import HELD_BODY_BYTES, PlacedEntry, RangeRead, SizePass
from zipjobs.archive.layout import CopyPart, PartEnd, Piece, Step
from zipjobs.archive.options import BuildContext, Progress
from zipjobs.archive.part_rebuild import BodyRun, rebuild
from zipjobs.archive.parts import AssembledPart, Stopped
from zipjobs.errors import SourceChanged, SourceNotFound, UnreadableTally
from zipjobs.s3.multipart_upload import CopyRefused, UploadedPart
from zipjobs.s3.part_upload import Chunks

if TYPE_CHECKING:
    from zipjobs.s3.probe_objects import Probe


@dataclass(slots=True)
class _Todo:
    """A step of the layout that waits for memory, with the number of bytes reserved for it."""

    step: Step
    placed: PlacedEntry | None
    done: int = 0


class PartAssembler(ABC):
    """Parts in progress and the reads that fill them. ``_lock`` guards all state."""

    def __init__(self, context: BuildContext, lengths: Mapping[int, int] | None = None) -> None:
        """``lengths`` are the lengths of parts by number, as far as they are known."""
        options = context.options
        if context.blocks.limit_bytes < options.least_memory_bytes:
            raise ValueError(
                f"the engine needs at least {options.least_memory_bytes:,} bytes of blocks"
            )
        self._reader = context.reader
        self._upload = context.upload
        self._blocks = context.blocks
        self._options = options
        self._on_progress = context.on_progress
        self._check_until = context.check_until
        self._senders = ThreadPoolExecutor(options.uploads, "send")
        self._copiers = ThreadPoolExecutor(options.copies, "copy")
        self._lock = RLock()
        self._changed = Condition(self._lock)

        self._is_laid_out = False
        self._lengths = lengths or {}
        self._todo: deque[_Todo] = deque()
        self._reads: set[RangeRead | SizePass] = set()
        self._asked: dict[int, RangeRead | SizePass | Probe] = {}  # first reads without response
        self._parts: dict[int, AssembledPart] = {}
        self._parts_in_progress = 0
        self._uploaded: dict[int, UploadedPart] = {}  # by number
        self._directory = b""

        self._entries_done = 0
        self._bytes_done = 0
        self._bytes_copied = 0
        self._unreadable = UnreadableTally()
        self._failure: BaseException | None = None

    @abstractmethod
    def _lay_out(self) -> bool:
        """Lay out as far as sizes are known. Return whether the whole archive is laid out."""

    @abstractmethod
    def _check_rest(self) -> None:
        """Check entries that were not requested. Raises the error for all when it is complete."""

    @abstractmethod
    def _on_crc(self, placed: PlacedEntry) -> None:
        """Handle that the CRC-32 of a body is known."""

    def _work(self) -> None:
        """Wait until all parts are in S3. Raises the error that ended the build."""
        with self._lock:
            self._advance()
        while True:
            with self._lock:
                is_over = self._changed.wait_for(self._is_over, self._options.progress_seconds)
                if self._failure:
                    raise self._failure
                if self._unreadable and time.monotonic() >= self._check_until:
                    raise self._unreadable.error(is_complete=False)
                progress = Progress(self._entries_done, self._bytes_done)
            if is_over:
                return
            self._on_progress(progress)

    def stop(self) -> None:
        """Stop all reads and threads, and release the memory."""
        with self._lock:
            self._failure = self._failure or Stopped()
            for read in [*self._reads, *self._asked.values()]:
                read.cancel()
            for part in self._parts.values():
                part.stop()
        self._senders.shutdown(cancel_futures=True)
        self._copiers.shutdown(cancel_futures=True)
        with self._lock:
            for part in self._parts.values():
                part.abandon()

    def _is_over(self) -> bool:
        is_finished = self._is_laid_out and not self._todo and not self._parts_in_progress
        return self._failure is not None or (is_finished and not self._unreadable)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error
            self._changed.notify_all()

    def _stop_writing(self) -> None:
        """Send and read no more: an object cannot be read. Other entries are only checked."""
        for read in self._reads.difference(self._asked.values()):
            read.cancel()
        for part in self._parts.values():
            part.stop()

    def _advance(self) -> None:
        """Do what the state allows. Called after every change of state, on any thread."""
        if self._failure is None:
            try:
                if self._unreadable:
                    self._check_rest()
                else:
                    self._is_laid_out = self._lay_out()
                    self._reserve()
            except BaseException as error:  # noqa: BLE001  (raised by the waiting thread)
                self._fail(error)
        if self._is_over():
            self._changed.notify_all()

    def _queue_steps(self, steps: list[Step], placed: PlacedEntry | None) -> None:
        """Queue steps for memory. Start copies, which need none."""
        for step in steps:
            if isinstance(step, CopyPart) and self._options.copy:
                assert placed is not None
                self._parts_in_progress += 1
                self._copiers.submit(self._guarded, partial(self._copy, step, placed))
                continue
            if not isinstance(step, Piece):
                self._part(step.part).length = step.length
            self._todo.append(_Todo(step, placed))

    def _reserve(self) -> None:
        """Reserve memory for queued steps, as far as there is any."""
        while self._todo and self._do_step(self._todo[0]):
            self._todo.popleft()

    # Steps of the layout. They return False if there is not enough memory.

    def _do_step(self, todo: _Todo) -> bool:
        step, placed = todo.step, todo.placed
        part = self._part(step.part)
        if isinstance(step, Piece) and step.what != "body":
            return self._reserve_record(part, todo, step)
        if not isinstance(step, PartEnd):
            assert placed is not None
            if not self._reserve_body(part, todo, placed, step.first, step.length):
                return False
        if not isinstance(step, Piece):
            part.end()
        return True

    def _part(self, number: int) -> AssembledPart:
        part = self._parts.get(number)
        if part is None:
            self._parts_in_progress += 1
            length = self._lengths.get(number)
            part = AssembledPart(number, self._blocks, length, self._send_if_ready)
            self._parts[number] = part
        return part

    def _reserve_record(self, part: AssembledPart, todo: _Todo, step: Piece) -> bool:
        """Reserve slots for a piece of a header or the directory. Fill them if it is known."""
        placed = todo.placed
        while todo.done < step.length:
            slot = part.reserve(step.length - todo.done)
            if slot is None:
                return False
            first = step.first + todo.done
            todo.done += len(slot.view)
            if placed is None:
                slot.view[:] = self._directory[first : first + len(slot.view)]
                slot.mark_filled()
            elif placed.crc_is_known:
                slot.view[:] = placed.member.local_header()[first : first + len(slot.view)]
                slot.mark_filled()
            else:
                placed.header_slots.append((slot, first))
        if placed is None:
            part.sources.append(partial(self._directory_run, step.first, step.length))
        else:
            part.sources.append(partial(_header_run, placed, step.first, step.length))
            part.entries_ended += not placed.found.size
        return True

    def _directory_run(self, first: int, length: int) -> bytes:
        return self._directory[first : first + length]

    def _reserve_body(
        self, part: AssembledPart, todo: _Todo, placed: PlacedEntry, first: int, length: int
    ) -> bool:
        """Reserve slots for a piece of a body, and start the reads that are fully reserved."""
        end = max(placed.assembled_bytes, first + length)
        while todo.done < length:
            fetch = placed.fetch
            if fetch is None:
                fetch = placed.fetch = self._fetch(placed, first + todo.done, end)
            slot = part.reserve(min(fetch.unreserved, length - todo.done))
            if slot is None:
                return False
            fetch.slots.append(slot)
            fetch.unreserved -= len(slot.view)
            todo.done += len(slot.view)
            if not fetch.unreserved:
                placed.fetch = None
                self._start(fetch, placed)
        part.sources.append(BodyRun(placed.found, first, length))
        part.body_bytes += length
        part.entries_ended += first + length == placed.found.size
        return True

    def _fetch(self, placed: PlacedEntry, first: int, end: int) -> RangeRead:
        """Return the read of a body from ``first``: the probe, a new range, or a run."""
        found = placed.found
        if first == 0 and found.probe is not None and found.probe_bytes:
            return found.probe
        if found.deflated and found.deflated.kept is not None:
            length = found.size
        elif found.deflated:
            length = found.deflated.run_at(first).length
        elif found.size <= HELD_BODY_BYTES:
            length = end - first
        else:
            length = min(self._options.range_bytes, end - first)
        return RangeRead(first, length, self._on_fetched, self._on_lost)

    def _start(self, fetch: RangeRead, placed: PlacedEntry) -> None:
        """Start a read whose slots are reserved."""
        if fetch is placed.found.probe:
            fetch.proceed()
            return
        deflated = placed.found.deflated
        if deflated and deflated.kept is not None:
            fetch.placed = placed
            fetch.received(deflated.kept)
            self._on_complete_read(fetch)
            return
        self._reads.add(fetch)
        fetch.start(self._reader, placed)

    def _on_fetched(self, fetch: RangeRead) -> None:
        with self._lock:
            self._reads.discard(fetch)
            self._on_complete_read(fetch)
            self._advance()

    def _on_lost(self, read: RangeRead | SizePass, error: BaseException) -> None:
        """Handle a failed read of an object that was found before."""
        if self._unreadable:
            return  # it was cancelled
        if isinstance(error, SourceNotFound):
            (source,) = error.objects
            error = SourceChanged(
                f"{source} was deleted while it was read. Submit the job again.", [source]
            )
        self._fail(error)

    def _on_complete_read(self, fetch: RangeRead) -> None:
        """Handle a complete read."""
        placed = fetch.placed
        if placed is None or not fetch.slots:
            return  # an empty object, or one that S3 copies
        if not placed.crc_is_known:
            self._note_crc(placed, fetch.first, fetch.length, fetch.crc32)
        for slot in fetch.slots:
            slot.mark_filled()

    def _note_crc(self, placed: PlacedEntry, first: int, length: int, range_crc: int) -> None:
        if not placed.note_crc(first, length, range_crc):
            return
        self._on_crc(placed)
        header = placed.member.local_header()
        for slot, at in placed.header_slots:
            slot.view[:] = header[at : at + len(slot.view)]
            slot.mark_filled()
        placed.header_slots.clear()

    def _send_if_ready(self, part: AssembledPart) -> None:
        if part.can_start:
            part.is_started = True
            self._senders.submit(self._guarded, partial(self._send, part))

    # On the threads of the pools.

    def _guarded(self, task: Callable[[], None]) -> None:
        """Run ``task``. An error ends the build, unless it only checks entries."""
        try:
            if not self._unreadable:
                task()
        except BaseException as error:  # noqa: BLE001  (raised by the waiting thread)
            if not self._unreadable:
                self._fail(error)

    def _send(self, part: AssembledPart) -> None:
        assert part.length is not None
        kept = list(part.chunks()) if part.is_kept else []
        try:
            if kept:
                views = [block.memory[: block.filled] for block in kept]
                uploaded = self._put(part.number, part.length, lambda: views)
            else:
                uploaded = self._put(part.number, part.length, self._once(part))
        finally:
            with self._lock:
                for block in kept:
                    self._blocks.give_back(block.memory)
        with self._lock:
            del self._parts[part.number]
            self._on_part_stored(uploaded, part.body_bytes, part.entries_ended)

    def _put(self, number: int, length: int, open_chunks: Callable[[], Chunks]) -> UploadedPart:
        return self._upload.put_part(number, length, open_chunks)

    def _once(self, part: AssembledPart) -> Callable[[], Chunks]:
        """Return a function that opens the part's bytes: live at first, rebuilt for a retry."""
        coming = self._blocks_of(part)
        is_opened = False

        def open_chunks() -> Chunks:
            nonlocal is_opened
            if not is_opened:
                is_opened = True
                return coming
            for _ in coming:
                pass  # frees the memory of blocks that are still to come
            return rebuild(self._upload.s3, part.sources)

        return open_chunks

    def _blocks_of(self, part: AssembledPart) -> Iterator[memoryview]:
        """Yield the part's bytes. A block is returned to the pool after it was sent."""
        for block in part.chunks():
            try:
                yield block.memory[: block.filled]
            finally:
                with self._lock:
                    self._blocks.give_back(block.memory)
                    self._advance()

    def _copy(self, own: CopyPart, placed: PlacedEntry) -> None:
        pinned, length = placed.found.pinned, own.length
        try:
            uploaded = self._upload.copy_part(own.part, pinned, own.first, length)
            copied = length
        except CopyRefused:
            again = partial(rebuild, self._upload.s3, [BodyRun(placed.found, own.first, length)])
            uploaded = self._upload.put_part(own.part, length, again)
            copied = 0
        with self._lock:
            self._bytes_copied += copied
            self._note_crc(placed, own.first, length, uploaded.crc32)
            is_end = own.first + length == placed.found.size
            self._on_part_stored(uploaded, length, is_end)

    def _on_part_stored(self, uploaded: UploadedPart, body_bytes: int, entries_ended: int) -> None:
        """Handle a part that S3 has stored."""
        self._uploaded[uploaded.number] = uploaded
        self._parts_in_progress -= 1
        self._bytes_done += body_bytes
        self._entries_done += entries_ended
        self._advance()


def _header_run(placed: PlacedEntry, first: int, length: int) -> bytes:
    return placed.member.local_header()[first : first + length]
