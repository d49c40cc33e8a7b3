"""The entries of a job, kept on disk while they are looked at: a list may be a million long."""

import errno
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from zipjobs.errors import DuplicateName, ListTooLarge
from zipjobs.jobs.job import MAX_RECORDED_NAMES
from zipjobs.requests.fields import Naming, OnDuplicate
from zipjobs.requests.schema import JobRequest
from zipjobs.requests.sources import SourceObject
from zipjobs.s3.source import Entry, Source
from zipjobs.zipformat.member_names import (
    MAX_NAMES,
    DistinctNames,
    UniqueNames,
    basename,
    without_prefix,
)

IN_MEMORY_BYTES = 1024 * 1024

ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)
"""An entry as JSON, a line of a list."""


MOST_OF_A_NAME = 20
"""So many of the objects that want one name are told."""

MOST_IN_THE_SENTENCE = 5
"""So many names that are wanted twice are in the error's sentence."""


def named(
    listed: Iterable[SourceObject],
    name_of: Callable[[str], str] = basename,
    names: UniqueNames | DistinctNames | None = None,
) -> Iterator[Entry]:
    """Give each object its member name: the one that was asked for, or ``name_of`` its key."""
    names = names or UniqueNames()
    for one in listed:
        name = names.claim(name_of(one.key) if one.name is None else one.name)
        yield Entry(name, Source(one.bucket, one.key, one.version_id), one.size, one.etag)


def entries_of(
    request: JobRequest, listed: Iterable[SourceObject], most_names: int = MAX_NAMES
) -> "EntryList":
    """The entries of a request for what is ``listed``, named as it says.

    Raises DuplicateName, and ListTooLarge for more files and folders than ``most_names``.
    """
    if request.on_duplicate is OnDuplicate.SUFFIX:
        return EntryList(named(listed, _naming(request), UniqueNames(most_names)))
    names = DistinctNames(MAX_RECORDED_NAMES, most_names)
    entries = EntryList(named(listed, _naming(request), names))
    if names.refused:
        with entries:
            raise _duplicate(entries, names)
    return entries


def _naming(request: JobRequest) -> Callable[[str], str]:
    """What makes a member's name of a key."""
    match request.naming:
        case Naming.BASENAME:
            return basename
        case Naming.PATH:
            return partial(without_prefix, prefix=request.strip_prefix or "")
        case Naming.RELATIVE:
            folder, slash, _ = (request.prefix or "").rpartition("/")
            return partial(without_prefix, prefix=folder + slash)


def _duplicate(entries: Iterable[Entry], names: DistinctNames) -> DuplicateName:
    """The error that names those of ``entries`` which ``names`` cannot tell apart."""
    wanting: dict[int, list[str]] = {slot: [] for slot in names.contested}
    as_folder = set()
    for entry in entries:
        for contest in names.contests_of(entry.name):
            if len(wanting[contest.slot]) == MOST_OF_A_NAME:
                continue
            if contest.as_folder:
                if contest.slot in as_folder:
                    continue  # one of those in the folder is enough
                as_folder.add(contest.slot)
            wanting[contest.slot].append(str(entry.source))
    told = [
        f"{names.contested[slot]} for {' and '.join(objects)}"
        for slot, objects in list(wanting.items())[:MOST_IN_THE_SENTENCE]
    ]
    return DuplicateName(
        f"{names.refused:,} objects would get a member name that another has, and onDuplicate is "
        "fail. Give them names in entries, keep their folders with naming path, or leave "
        f"onDuplicate out. Wanted: {'; '.join(told)}"
        f"{' …' if len(wanting) > MOST_IN_THE_SENTENCE else '.'}",
        [source for objects in wanting.values() for source in objects],
    )


class EntryList:
    """Entries that can be gone through again and again. A context that deletes them.

    Raises ListTooLarge if they do not fit on the function's disk.
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
                f"The list does not fit on the zipper function's disk: it was full after "
                f"{self.count:,} entries. Split the request into several jobs."
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
