"""Finds the sizes and ETags of objects by concurrent GETs of one byte."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from threading import Condition, Semaphore

from zipjobs.errors import UnreadableObject, ZipJobsError
from zipjobs.s3.object_reader import ObjectReader, Read
from zipjobs.s3.source import Entry, ObjectVersion, SkippedEntry
from zipjobs.unreadable import UnreadableTally

WINDOW = 128
"""Concurrent requests."""


def probe_objects(
    entries: Iterable[Entry],
    reader: ObjectReader,
    *,
    asks_all: bool = False,
    skip: Collection[str] = (),
    on_skipped: Callable[[SkippedEntry], None] = lambda skipped: None,
) -> Iterator[Entry]:
    """Yield ``entries``, in order, with sizes and ETags.

    Entries with a size are not requested, unless ``asks_all`` is set. Objects that cannot be read
    for one of the error codes in ``skip`` are left out and passed to ``on_skipped``. All others are
    in the error that is raised at the end: an UnreadableObject, or UnreadableObjects. Other errors
    of the reader are raised at once.
    """
    unreadable = UnreadableTally()
    window: deque[tuple[int, Probe]] = deque()
    completed = Condition()

    def notify(probe: Probe) -> None:
        with completed:
            completed.notify_all()

    def result() -> Iterator[Entry]:
        position, probe = window[0]
        with completed:
            completed.wait_for(lambda: probe.is_complete)
        window.popleft()
        error = probe.error
        if error is None:
            yield probe.entry
        elif not isinstance(error, UnreadableObject):
            raise error
        elif error.code in skip:
            on_skipped(SkippedEntry(probe.entry, error.code))
        else:
            unreadable.add(position, error)

    try:
        for position, entry in enumerate(entries):
            probe = Probe(entry, notify)
            window.append((position, probe))
            if entry.size is None or asks_all:
                probe.start(reader)
            else:
                probe.is_complete = True
            while window and (len(window) >= WINDOW or window[0][1].is_complete):
                yield from result()
        while window:
            yield from result()
    finally:
        for _, probe in window:
            probe.cancel()
    if unreadable:
        raise unreadable.error()


def sizes_of(entries: Sequence[Entry], reader: ObjectReader) -> list[Entry]:
    """Return ``entries`` with sizes and ETags, except those that cannot be read.

    They are requested at the same time. Other errors of the reader are raised.
    """
    completed = Semaphore(0)
    probes = [Probe(entry, lambda probe: completed.release()) for entry in entries]
    for probe in probes:
        probe.start(reader)
    for _ in probes:
        completed.acquire()
    for probe in probes:
        if probe.error is not None and not isinstance(probe.error, UnreadableObject):
            raise probe.error
    return [probe.entry for probe in probes]


class Probe:
    """The request for the first byte of an object: a sink of the reader.

    ``entry`` gets the size and ETag. ``on_complete`` is called on the reader's thread, and must not
    raise.
    """

    def __init__(self, entry: Entry, on_complete: Callable[["Probe"], None]) -> None:
        self.entry = entry
        self.error: ZipJobsError | None = None
        self.is_complete = False
        self._on_complete = on_complete
        self._read: Read | None = None

    def start(self, reader: ObjectReader) -> None:
        """Send the request."""
        self._read = reader.read(self.entry.source, 0, 1, self, self.entry.etag, flows=True)

    def cancel(self) -> None:
        """Cancel the request."""
        if self._read is not None:
            self._read.cancel()

    def found(self, pinned: ObjectVersion, length: int) -> None:
        self.entry = replace(self.entry, size=pinned.size, etag=pinned.etag)

    def received(self, chunk: memoryview | bytes) -> None:
        """Ignore the byte."""

    def done(self) -> None:
        self._complete()

    def failed(self, error: ZipJobsError) -> None:
        self.error = error
        self._complete()

    def _complete(self) -> None:
        self.is_complete = True
        self._on_complete(self)
