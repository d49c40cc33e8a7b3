"""Learns the sizes of objects, and their ETags, by asking for a byte of each, many at a time."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from threading import Condition

from zipjobs.archive.reader import ObjectReader, Read
from zipjobs.archive.source import Entry, Pinned
from zipjobs.errors import PermanentError, ZipJobsError

WINDOW = 192
"""How many are asked at a time."""

MOST_NAMED = 20
"""How many objects an error names."""


def survey(entries: Iterable[Entry], reader: ObjectReader) -> Iterator[Entry]:
    """Yield ``entries``, in order, each with its size and ETag; those that have a size as they are.

    Raises, at the end of the list, the first object's PermanentError, which names all that cannot
    be zipped; any other error at once.
    """
    problems: list[PermanentError] = []
    window: deque[_Question] = deque()
    answered = Condition()
    try:
        for entry in entries:
            window.append(_Question(entry, reader, answered))
            while window and (len(window) >= WINDOW or window[0].is_answered):
                yield from window.popleft().answer(problems)
        while window:
            yield from window.popleft().answer(problems)
    finally:
        for question in window:
            question.cancel()
    if problems:
        raise _joined(problems)


class _Question:
    """One object's size, asked for: a reader's sink."""

    def __init__(self, entry: Entry, reader: ObjectReader, answered: Condition) -> None:
        self._entry = entry
        self._answered = answered
        self._error: ZipJobsError | None = None
        self.is_answered = entry.size is not None
        self._read: Read | None = None
        if not self.is_answered:
            self._read = reader.read(entry.source, 0, 1, self, entry.etag, flows=True)

    def answer(self, problems: list[PermanentError]) -> Iterator[Entry]:
        """Wait for it; yield the entry, or add to ``problems``."""
        with self._answered:
            self._answered.wait_for(lambda: self.is_answered)
        if isinstance(self._error, PermanentError):
            problems.append(self._error)
        elif self._error is not None:
            raise self._error
        else:
            yield self._entry

    def cancel(self) -> None:
        if self._read is not None:
            self._read.cancel()

    def found(self, pinned: Pinned, length: int) -> None:
        self._entry = replace(self._entry, size=pinned.size, etag=pinned.etag)

    def received(self, chunk: memoryview | bytes) -> None:
        """The byte is of no use."""

    def done(self) -> None:
        self._end()

    def failed(self, error: ZipJobsError) -> None:
        self._error = error
        self._end()

    def _end(self) -> None:
        with self._answered:
            self.is_answered = True
            self._answered.notify_all()


def _joined(problems: list[PermanentError]) -> PermanentError:
    """The first problem, telling of all."""
    if len(problems) == 1:
        return problems[0]
    lines = [str(problem) for problem in problems[:MOST_NAMED]]
    if len(problems) > MOST_NAMED:
        lines.append(f"and {len(problems) - MOST_NAMED:,} more")
    return type(problems[0])(f"{len(problems):,} objects cannot be zipped. " + " ".join(lines))
