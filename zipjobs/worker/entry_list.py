"""The entries of a job, on disk: a list may have a million entries."""

import errno
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from zipjobs.errors import DuplicateName, ListTooLarge
from zipjobs.requests.fields import Naming, OnDuplicate
from zipjobs.requests.schema import JobRequest
from zipjobs.requests.sources import SourceObject
from zipjobs.s3.source import Entry, Source
from zipjobs.unreadable import MAX_NAMED_OBJECTS
from zipjobs.zipformat.member_names import (
    MAX_PATHS,
    DistinctNames,
    UniqueNames,
    basename,
    without_prefix,
)

IN_MEMORY_BYTES = 1024 * 1024

ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)
"""Converts an entry to a line of JSON."""


MAX_OBJECTS_PER_NAME = 20
"""Objects with the same name that an error lists."""

MAX_NAMES_IN_MESSAGE = 5
"""Duplicate names in the message of an error."""


def named(
    listed: Iterable[SourceObject],
    name_of: Callable[[str], str] = basename,
    names: UniqueNames | DistinctNames | None = None,
) -> Iterator[Entry]:
    """Yield an entry for each object. Its name is the requested one, or ``name_of`` its key."""
    names = names or UniqueNames()
    for one in listed:
        name = names.claim(name_of(one.key) if one.name is None else one.name)
        yield Entry(name, Source(one.bucket, one.key, one.version_id), one.size, one.etag)


def entries_of(
    request: JobRequest, listed: Iterable[SourceObject], max_paths: int = MAX_PATHS
) -> "EntryList":
    """Return the entries for the ``listed`` objects, named as the request says.

    Raises DuplicateName; ListTooLarge for more than ``max_paths`` files and folders.
    """
    if request.on_duplicate is OnDuplicate.SUFFIX:
        return EntryList(named(listed, _naming(request), UniqueNames(max_paths)))
    names = DistinctNames(MAX_NAMED_OBJECTS, max_paths)
    entries = EntryList(named(listed, _naming(request), names))
    if names.refused:
        with entries:
            raise _duplicate(entries, names)
    return entries


def _naming(request: JobRequest) -> Callable[[str], str]:
    """Return the function that converts a key to a member name."""
    match request.naming:
        case Naming.BASENAME:
            return basename
        case Naming.PATH:
            return partial(without_prefix, prefix=request.strip_prefix or "")
        case Naming.RELATIVE:
            folder, slash, _ = (request.prefix or "").rpartition("/")
            return partial(without_prefix, prefix=folder + slash)


def _duplicate(entries: Iterable[Entry], names: DistinctNames) -> DuplicateName:
    """Return the error that lists the entries with the same name."""
    claims: dict[int, list[str]] = {slot: [] for slot in names.contested}
    as_folder = set()
    for entry in entries:
        for contest in names.contests_of(entry.name):
            if len(claims[contest.slot]) == MAX_OBJECTS_PER_NAME:
                continue
            if contest.as_folder:
                if contest.slot in as_folder:
                    continue  # one object of the folder is enough
                as_folder.add(contest.slot)
            claims[contest.slot].append(str(entry.source))
    examples = [
        f"{names.contested[slot]} for {' and '.join(objects)}"
        for slot, objects in list(claims.items())[:MAX_NAMES_IN_MESSAGE]
    ]
    return DuplicateName(
        f"{names.refused:,} objects would have the same member name as another object, and "
        "onDuplicate is fail. Set their names in entries, keep their folders with naming path, or "
        f"remove onDuplicate. Duplicates: {'; '.join(examples)}"
        f"{' …' if len(claims) > MAX_NAMES_IN_MESSAGE else '.'}",
        [source for objects in claims.values() for source in objects],
    )


class EntryList:
    """A re-iterable list of entries, deleted when its context exits.

    Raises ListTooLarge if the function's disk is full.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.count = 0
        self.known_bytes = 0
        self.has_unknown_sizes = False
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115
        for entry in entries:
            self._write(ENTRY.dump_json(entry) + b"\n")
            self.count += 1
            self.known_bytes += entry.size or 0
            self.has_unknown_sizes |= entry.size is None

    def _write(self, line: bytes) -> None:
        try:
            self._file.write(line)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise ListTooLarge(
                f"The disk of the zipper function is full after {self.count:,} entries. Split the "
                "request into several jobs."
            ) from error

    def __iter__(self) -> Iterator[Entry]:
        self._file.seek(0)
        for line in self._file:
            yield ENTRY.validate_json(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
