"""The entries of a job, on disk: a list may have a million entries."""

import errno
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from zipjobs.errors import DuplicateName, InvalidRequest, ListTooLarge
from zipjobs.requests.fields import EmptyFolders, Naming, OnDuplicate
from zipjobs.requests.schema import JobRequest
from zipjobs.requests.sources import SourceObject
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.probe_objects import WINDOW, sizes_of
from zipjobs.s3.source import Entry, is_folder_marker
from zipjobs.unreadable import MAX_NAMED_OBJECTS
from zipjobs.zipformat.member_names import (
    MAX_PATHS,
    DistinctNames,
    UniqueNames,
    as_file,
    basename,
    without_prefix,
)

IN_MEMORY_BYTES = 1024 * 1024

_ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)


def dump_entry(entry: Entry) -> bytes:
    """Return an entry as a line of JSON."""
    return _ENTRY.dump_json(entry, exclude_defaults=True)


load_entry = _ENTRY.validate_json
"""Returns the entry of a line of JSON."""


MAX_OBJECTS_PER_NAME = 20
"""Objects with the same name that an error lists."""

MAX_NAMES_IN_MESSAGE = 5
"""Duplicate names in the message of an error."""


def named(
    listed: Iterable[SourceObject],
    name_of: Callable[[str], str] = basename,
    names: UniqueNames | DistinctNames | None = None,
    *,
    keeps_folders: bool = False,
) -> Iterator[Entry]:
    """Yield an entry for each object. Its name is the requested one, or ``name_of`` its key.

    Folder markers are left out. With ``keeps_folders``, folders without files follow at the end.
    """
    names = names or UniqueNames()
    markers = SpooledLines()
    for one in listed:
        wanted = name_of(one.key) if one.name is None else one.name
        if not is_folder_marker(one.key, one.size):
            name = names.claim(as_file(wanted) if one.name is None else wanted)
            yield Entry(name, one.source, one.size, one.etag)
        elif keeps_folders:
            markers.write(dump_entry(Entry(wanted, one.source, one.size, one.etag)))
    for marker in map(load_entry, markers):
        if (folder := names.claim_folder(marker.name)) is not None:
            yield replace(marker, name=f"{folder}/")
    markers.close()


def entries_of(
    request: JobRequest, listed: Iterable[SourceObject], max_paths: int = MAX_PATHS
) -> "EntryList":
    """Return the entries for the ``listed`` objects, named as the request says.

    Raises DuplicateName; ListTooLarge for more than ``max_paths`` files and folders; and
    InvalidRequest if all objects are folder markers that are left out.
    """
    is_numbered = request.on_duplicate is OnDuplicate.SUFFIX
    distinct = DistinctNames(MAX_NAMED_OBJECTS, max_paths, request.max_path_length)
    names = UniqueNames(max_paths, request.max_path_length) if is_numbered else distinct
    keeps_folders = request.empty_folders is EmptyFolders.KEEP
    entries = EntryList(named(listed, _naming(request), names, keeps_folders=keeps_folders))
    if distinct.refused:
        with entries:
            raise _duplicate(entries, distinct)
    if not entries.count:
        raise InvalidRequest(
            "All objects are folder markers: empty objects whose keys end with /. To zip empty "
            "folders, set emptyFolders to keep and naming to path."
        )
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


def with_sizes_of_markers(
    listed: Iterator[SourceObject], reader: ObjectReader
) -> Iterator[SourceObject]:
    """Yield ``listed``, with the sizes of objects that may be folder markers.

    Their names depend on whether they are. An object that cannot be read keeps no size.
    """
    while chunk := list(islice(listed, WINDOW)):
        unknown = [one for one in chunk if one.size is None and one.key.endswith("/")]
        sized = iter(sizes_of([Entry("", one.source) for one in unknown], reader))
        for one in chunk:
            if one.size is None and one.key.endswith("/"):
                found = next(sized)
                yield replace(one, size=found.size, etag=found.etag)
            else:
                yield one


class SpooledLines:
    """Lines in memory, or in a file if they are many. Raises ListTooLarge if the disk is full."""

    def __init__(self) -> None:
        self.count = 0
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115

    def write(self, line: bytes) -> None:
        """Append a line, which has no line breaks."""
        try:
            self._file.write(line + b"\n")
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise ListTooLarge(
                f"The disk of the zipper function is full after {self.count:,} entries. Split the "
                "request into several jobs."
            ) from error
        self.count += 1

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        yield from self._file

    def close(self) -> None:
        """Delete the lines."""
        self._file.close()


class EntryList:
    """A re-iterable list of entries, deleted when its context exits.

    Raises ListTooLarge if the function's disk is full.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.known_bytes = 0
        self.has_unknown_sizes = False
        self._lines = SpooledLines()
        for entry in entries:
            self._lines.write(dump_entry(entry))
            self.known_bytes += entry.size or 0
            self.has_unknown_sizes |= entry.size is None

    @property
    def count(self) -> int:
        """The number of entries."""
        return self._lines.count

    def __iter__(self) -> Iterator[Entry]:
        return map(load_entry, self._lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()
