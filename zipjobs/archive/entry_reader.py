"""Requests entries ahead of the one that is placed next, and starts the other reads of bodies."""

from collections.abc import Iterable

from zipjobs.archive.body_read import BodyRead, ReadEvents, SizePass, Slots
from zipjobs.archive.options import EngineOptions
from zipjobs.archive.parts.sizing import HELD_BODY_BYTES, MAX_ARCHIVE_BYTES
from zipjobs.archive.placed_entry import PlacedEntry
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.source import Entry


class EntryReader:
    """The reads of a build, which the builder's lock guards.

    The first read of an entry is a probe, which waits until its bytes have a place, or a size pass.
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        reader: ObjectReader,
        options: EngineOptions,
        events: ReadEvents,
    ) -> None:
        self._entries = enumerate(entries)
        self._reader = reader
        self._options = options
        self._events = events
        self._reads: set[BodyRead] = set()
        self._asked: dict[int, BodyRead] = {}  # first reads without a response, by index
        self._known: dict[int, BodyRead | None] = {}  # first reads with one; None is skipped
        self._next = 0  # the index of the entry to place next
        self._requested = 0
        self._has_more = True
        self._only_checks = False

    @property
    def is_done(self) -> bool:
        """Return whether all entries are placed or skipped."""
        return not self._has_more and self._next == self._requested

    def request_ahead(self) -> None:
        """Start the first reads of entries, as many as the options allow."""
        options = self._options
        limit = options.measurements if options.deflate else options.probes
        while len(self._reads) < limit and (found := self._next_entry()):
            index, entry = found
            if options.deflate:
                self._ask(
                    BodyRead(
                        index, entry, 0, MAX_ARCHIVE_BYTES, SizePass(deflate=True), self._events
                    )
                )
                continue
            is_held = entry.size is not None and entry.size <= HELD_BODY_BYTES
            length = max(options.probe_bytes, entry.size or 0) if is_held else options.probe_bytes
            probe = BodyRead(index, entry, 0, length, Slots(), self._events)
            self._ask(probe, flows=False)

    def check_rest(self) -> bool:
        """Check entries that were not requested, with a byte each. Return whether all responded."""
        while len(self._asked) < self._options.probes and (found := self._next_entry()):
            index, entry = found
            self._ask(BodyRead(index, entry, 0, 1, None, self._events))
        return not self._asked

    def _next_entry(self) -> tuple[int, Entry] | None:
        found = next(self._entries, None) if self._has_more else None
        if found is None:
            self._has_more = False
        else:
            self._requested += 1
        return found

    def _ask(self, read: BodyRead, *, flows: bool = True) -> None:
        self._asked[read.index] = read
        self._reads.add(read)
        read.start(self._reader, flows=flows)

    def next_known(self) -> BodyRead | None:
        """Return the first read of the next entry, or None if its size is not known."""
        while self._next in self._known:
            read = self._known.pop(self._next)
            self._next += 1
            if read is not None:
                return read
        return None

    def is_next(self, read: BodyRead) -> bool:
        """Return whether the entry of ``read`` is the one to place next."""
        return read.index == self._next

    def measure(self, probe: BodyRead) -> None:
        """Read a whole body for its CRC-32 before its entry is placed."""
        probe.proceed(0)
        self._next = probe.index
        read = BodyRead(
            probe.index,
            probe.entry,
            0,
            MAX_ARCHIVE_BYTES,
            SizePass(deflate=False),
            self._events,
            probe.version,
        )
        self._reads.add(read)
        read.start(self._reader)

    def range_of(self, placed: PlacedEntry, first: int, end: int) -> BodyRead:
        """Return a read of a body from ``first``: up to ``end``, or a shorter range."""
        length = end - first
        if placed.deflated:
            length = placed.deflated.run_at(first).length
        elif placed.body_bytes > HELD_BODY_BYTES:
            length = min(self._options.range_bytes, length)
        entry, version = placed.entry, placed.version
        read = BodyRead(-1, entry, first, length, Slots(), self._events, version)
        read.placed = placed
        return read

    def start(self, read: BodyRead) -> None:
        """Let a read's bytes flow: slots are reserved for all of them."""
        if read.index >= 0:
            read.proceed(read.length)
            return
        self._reads.add(read)
        read.start(self._reader)

    # Events.

    def found(self, read: BodyRead) -> None:
        """Note the response to a first read."""
        del self._asked[read.index]
        if isinstance(read.into, Slots):
            self._known[read.index] = read
        if self._only_checks and read.into is not None:
            read.cancel()

    def complete(self, read: BodyRead) -> None:
        """Note the end of a read."""
        self._reads.discard(read)
        if read.size_pass:
            self._known[read.index] = read

    def failed(self, read: BodyRead) -> bool:
        """Note the failure of a read. Return whether it is a first read without a response."""
        self._reads.discard(read)
        return self._asked.pop(read.index, None) is not None

    def skip(self, index: int) -> None:
        """Leave an entry out."""
        self._known[index] = None

    def stop_reading(self) -> None:
        """From now on, only check entries."""
        self._only_checks = True
        for read in self._reads.difference(self._asked.values()):
            read.cancel()

    def cancel(self) -> None:
        """Cancel all reads."""
        for read in list(self._reads):
            read.cancel()
