"""The entries of a job, kept on disk while they are looked at: a list may be a million long."""

import tempfile
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from zipjobs.archive.names import UniqueNames, basename
from zipjobs.archive.source import Entry, Source
from zipjobs.jobs.lists import Listed

IN_MEMORY_BYTES = 1024 * 1024

ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)
"""An entry as JSON, a line of a list."""


def named(listed: Iterable[Listed]) -> Iterator[Entry]:
    """Give each object its member name: the one that was asked for, or the last of its key's."""
    names = UniqueNames()
    for one in listed:
        name = names.claim(basename(one.key) if one.name is None else one.name)
        yield Entry(name, Source(one.bucket, one.key, one.version_id), one.size, one.etag)


class EntryList:
    """Entries that can be gone through again and again. A context that deletes them."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.count = 0
        self.known_bytes = 0
        self.has_unknown_sizes = False
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115
        for entry in entries:
            self._file.write(ENTRY.dump_json(entry) + b"\n")
            self.count += 1
            self.known_bytes += entry.size or 0
            self.has_unknown_sizes |= entry.size is None

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
