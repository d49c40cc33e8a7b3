"""Sends parts and copies ranges, on threads of their own."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

from zipjobs.archive.layout import CopyPart
from zipjobs.archive.options import EngineOptions
from zipjobs.archive.parts.assembled_part import AssembledPart, Stopped
from zipjobs.archive.parts.blocks import Block
from zipjobs.archive.parts.rebuild import BodyRun, rebuild
from zipjobs.archive.parts.sizing import MIN_PART_BYTES
from zipjobs.archive.placed_entry import PlacedEntry
from zipjobs.s3.multipart_upload import CopyRefused, Upload
from zipjobs.s3.part_upload import Chunks, UploadedPart


class UploadEvents(Protocol):
    """Receives the events of uploads, on their threads."""

    def on_sent(self, part: AssembledPart, uploaded: UploadedPart) -> None:
        """Handle that S3 has stored a part."""

    def on_tail(self, part: AssembledPart, tail: bytes) -> None:
        """Handle the bytes of a part that is not sent, because it is too short."""

    def on_copied(
        self, step: CopyPart, placed: PlacedEntry, uploaded: UploadedPart, copied_bytes: int
    ) -> None:
        """Handle that S3 has stored a range of a body. It was read if ``copied_bytes`` is 0."""

    def on_memory_free(self, blocks: Iterable[Block]) -> None:
        """Handle blocks that were sent."""

    def fail(self, error: BaseException) -> None:
        """Handle the final error of a part."""


class PartUploads:
    """Uploads the parts of an archive. With ``keeps_tail``, a part that is too short is not sent.

    ``copying`` counts the copies in progress; the builder's lock guards it.
    """

    def __init__(
        self, upload: Upload, options: EngineOptions, events: UploadEvents, *, keeps_tail: bool
    ) -> None:
        self.copying = 0
        self._upload = upload
        self._events = events
        self._keeps_tail = keeps_tail
        self._senders = ThreadPoolExecutor(options.uploads, "send")
        self._copiers = ThreadPoolExecutor(options.copies, "copy")
        self._is_stopped = False

    def send(self, part: AssembledPart) -> None:
        """Send a part when a thread is free."""
        self._run(self._senders, partial(self._send, part))

    def copy(self, step: CopyPart, placed: PlacedEntry) -> None:
        """Copy a range of a body when a thread is free."""
        self.copying += 1
        self._run(self._copiers, partial(self._copy, step, placed))

    def stop(self) -> None:
        """Start nothing more, and ignore errors of what is in progress."""
        self._is_stopped = True

    def close(self) -> None:
        """Wait for the threads. ``stop`` was called, and all waits for blocks were ended."""
        self._senders.shutdown(cancel_futures=True)
        self._copiers.shutdown(cancel_futures=True)

    def _run(self, threads: ThreadPoolExecutor, task: Callable[[], None]) -> None:
        if not self._is_stopped:
            threads.submit(self._guarded, task)

    def _guarded(self, task: Callable[[], None]) -> None:
        try:
            if not self._is_stopped:
                task()
        except BaseException as error:  # noqa: BLE001  (raised by the waiting thread)
            if not self._is_stopped:
                self._events.fail(error)

    def _send(self, part: AssembledPart) -> None:
        assert part.length is not None
        if not part.is_kept:
            uploaded = self._put(part.number, part.length, self._once(part))
            self._events.on_sent(part, uploaded)
            return
        blocks = list(part.chunks())
        views = [block.memory[: block.filled] for block in blocks]
        try:
            if self._keeps_tail and part.length < MIN_PART_BYTES:
                self._events.on_tail(part, b"".join(views))
            else:
                uploaded = self._put(part.number, part.length, lambda: views)
                self._events.on_sent(part, uploaded)
        finally:
            self._events.on_memory_free(blocks)

    def _put(self, number: int, length: int, open_chunks: Callable[[], Chunks]) -> UploadedPart:
        """Upload a part. Once the uploads are stopped, it is not retried any more."""

        def open_unless_stopped() -> Chunks:
            if self._is_stopped:
                raise Stopped
            return open_chunks()

        return self._upload.put_part(number, length, open_unless_stopped)

    def _once(self, part: AssembledPart) -> Callable[[], Chunks]:
        """Return a function that opens the part's bytes: live at first, rebuilt for a retry."""
        coming = self._sent_blocks(part)
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

    def _sent_blocks(self, part: AssembledPart) -> Iterator[memoryview]:
        """Yield the part's bytes. The memory of a block is free after it was sent."""
        for block in part.chunks():
            try:
                yield block.memory[: block.filled]
            finally:
                self._events.on_memory_free((block,))

    def _copy(self, step: CopyPart, placed: PlacedEntry) -> None:
        copied_bytes = step.length
        try:
            uploaded = self._upload.copy_part(step.part, placed.version, step.first, step.length)
        except CopyRefused:
            run = BodyRun(placed, step.first, step.length)
            again = partial(rebuild, self._upload.s3, [run])
            uploaded = self._put(step.part, step.length, again)
            copied_bytes = 0
        self._events.on_copied(step, placed, uploaded, copied_bytes)
