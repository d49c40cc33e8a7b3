"""Learns the sizes of objects, and their ETags, by asking for a byte of each, many at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from threading import Condition

from zipjobs.errors import PermanentError, SourceNotFound, ZipJobsError
from zipjobs.s3.object_reader import ObjectReader, Read
from zipjobs.s3.source import Entry, ObjectVersion

WINDOW = 192
"""How many are asked at a time."""

MOST_NAMED = 20
"""How many objects an error's sentence names; its ``objects`` are all of them."""


def probe_objects(
    entries: Iterable[Entry],
    reader: ObjectReader,
    *,
    asks_all: bool = False,
    on_missing: Callable[[Entry], None] | None = None,
) -> Iterator[Entry]:
    """Yield ``entries``, in order, each with its size and ETag.

    Those that have a size are not asked for, unless it ``asks_all``. With ``on_missing``, that is
    told of objects which do not exist, and they are left out. Raises, at the end of the list, the
    first object's PermanentError, which names all that cannot be zipped; any other error at once.
    """
    problems: list[PermanentError] = []
    window: deque[_Probe] = deque()
    answered = Condition()
    try:
        for entry in entries:
            is_known = entry.size is not None and not asks_all
            window.append(_Probe(entry, None if is_known else reader, answered, on_missing))
            while window and (len(window) >= WINDOW or window[0].is_answered):
                yield from window.popleft().answer(problems)
        while window:
            yield from window.popleft().answer(problems)
    finally:
        for question in window:
            question.cancel()
    if problems:
        raise _joined(problems)


def collect_unreadable(
    error: PermanentError, entries: Iterable[Entry], reader: ObjectReader
) -> PermanentError:
    """``error``, which ended a build at the first of ``entries`` that cannot be zipped, as one
    that names all of them.
    """
    try:
        for _ in probe_objects(entries, reader, asks_all=True):
            pass
    except PermanentError as all_of_them:
        return all_of_them
    return error


class _Probe:
    """One object's size, asked for: a reader's sink. Without a reader, it is known."""

    def __init__(
        self,
        entry: Entry,
        reader: ObjectReader | None,
        answered: Condition,
        on_missing: Callable[[Entry], None] | None,
    ) -> None:
        self._entry = entry
        self._answered = answered
        self._on_missing = on_missing
        self._error: ZipJobsError | None = None
        self.is_answered = reader is None
        self._read: Read | None = None
        if reader is not None:
            self._read = reader.read(entry.source, 0, 1, self, entry.etag, flows=True)

    def answer(self, problems: list[PermanentError]) -> Iterator[Entry]:
        """Wait for it; yield the entry, or add to ``problems``."""
        with self._answered:
            self._answered.wait_for(lambda: self.is_answered)
        if isinstance(self._error, SourceNotFound) and self._on_missing is not None:
            self._on_missing(self._entry)
        elif isinstance(self._error, PermanentError):
            problems.append(self._error)
        elif self._error is not None:
            raise self._error
        else:
            yield self._entry

    def cancel(self) -> None:
        if self._read is not None:
            self._read.cancel()

    def found(self, pinned: ObjectVersion, length: int) -> None:
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
    return type(problems[0])(
        f"{len(problems):,} objects cannot be zipped. " + " ".join(lines),
        [name for problem in problems for name in problem.objects],
    )
