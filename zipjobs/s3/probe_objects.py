"""Finds the sizes and ETags of objects by concurrent GETs of one byte."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from threading import Condition

from zipjobs.errors import PermanentError, SourceNotFound, ZipJobsError
from zipjobs.s3.object_reader import ObjectReader, Read
from zipjobs.s3.source import Entry, ObjectVersion

WINDOW = 192
"""Concurrent requests."""

MAX_OBJECTS_IN_MESSAGE = 20
"""Objects in the message of an error. Its ``objects`` has all of them."""


def probe_objects(
    entries: Iterable[Entry],
    reader: ObjectReader,
    *,
    asks_all: bool = False,
    on_missing: Callable[[Entry], None] | None = None,
) -> Iterator[Entry]:
    """Yield ``entries``, in order, with sizes and ETags.

    Entries with a size are not requested, unless ``asks_all`` is set. With ``on_missing``, objects
    that do not exist are skipped and passed to it. Raises a PermanentError that names all objects
    that cannot be zipped, at the end of the list. Other errors are raised at once.
    """
    problems: list[PermanentError] = []
    window: deque[_Probe] = deque()
    completed = Condition()
    try:
        for entry in entries:
            is_known = entry.size is not None and not asks_all
            window.append(_Probe(entry, None if is_known else reader, completed, on_missing))
            while window and (len(window) >= WINDOW or window[0].is_complete):
                yield from window.popleft().result(problems)
        while window:
            yield from window.popleft().result(problems)
    finally:
        for probe in window:
            probe.cancel()
    if problems:
        raise _joined(problems)


def collect_unreadable(
    error: PermanentError, entries: Iterable[Entry], reader: ObjectReader
) -> PermanentError:
    """Return an error that names all ``entries`` that cannot be zipped.

    ``error`` is the one of the first entry, which ended the build.
    """
    try:
        for _ in probe_objects(entries, reader, asks_all=True):
            pass
    except PermanentError as all_of_them:
        return all_of_them
    return error


class _Probe:
    """The request for one object: a sink of the reader. Without a reader, the size is known."""

    def __init__(
        self,
        entry: Entry,
        reader: ObjectReader | None,
        completed: Condition,
        on_missing: Callable[[Entry], None] | None,
    ) -> None:
        self._entry = entry
        self._completed = completed
        self._on_missing = on_missing
        self._error: ZipJobsError | None = None
        self.is_complete = reader is None
        self._read: Read | None = None
        if reader is not None:
            self._read = reader.read(entry.source, 0, 1, self, entry.etag, flows=True)

    def result(self, problems: list[PermanentError]) -> Iterator[Entry]:
        """Wait for the response. Yield the entry, or add its error to ``problems``."""
        with self._completed:
            self._completed.wait_for(lambda: self.is_complete)
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
        """Ignore the byte."""

    def done(self) -> None:
        self._end()

    def failed(self, error: ZipJobsError) -> None:
        self._error = error
        self._end()

    def _end(self) -> None:
        with self._completed:
            self.is_complete = True
            self._completed.notify_all()


def _joined(problems: list[PermanentError]) -> PermanentError:
    """Return one error for all problems."""
    if len(problems) == 1:
        return problems[0]
    lines = [str(problem) for problem in problems[:MAX_OBJECTS_IN_MESSAGE]]
    if len(problems) > MAX_OBJECTS_IN_MESSAGE:
        lines.append(f"and {len(problems) - MAX_OBJECTS_IN_MESSAGE:,} more")
    return type(problems[0])(
        f"{len(problems):,} objects cannot be zipped. " + " ".join(lines),
        [name for problem in problems for name in problem.objects],
    )
