"""ZIP records: local header, central directory record, end of central directory.

zipstream-ng does the framing, through the two subclasses below. It writes data descriptors when
asked to stream; we always know CRC and sizes before a header leaves, so ours never do, and strict
streaming readers (Java's ``ZipInputStream``) accept every archive. The names that these classes
lean on are pinned by the version in ``handlers/requirements.txt`` and watched by a test.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Self

import zipstream.ng
from zipstream import ZipStream
from zipstream.ng import ZIP_DEFLATED, ZIP_STORED, ZipStreamInfo

CREATED_ON_UNIX = 3
"""``create_system``: external attributes carry a Unix mode. Fixed, so that bytes do not depend on
the machine that builds the archive."""

ZIP64_LIMIT = 0xFFFF_FFFE
"""The largest size or offset that its field of 32 bits can hold: all ones say "see ZIP64"
(APPNOTE.TXT 4.4.8). zipfile and zipstream-ng would start at half of that."""

zipstream.ng.ZIP64_LIMIT = ZIP64_LIMIT

FILE_MODE = 0o100644
"""A plain file, readable by all, writable by its owner."""


class Member(ZipStreamInfo):  # type: ignore[misc]  # zipstream-ng ships no types
    """One entry of an archive. Sizes are known from the start, ``CRC`` before it is sent."""

    @classmethod
    def of(cls, name: str, size: int, modified: datetime, deflated_size: int | None = None) -> Self:
        """Describe an entry of ``size`` bytes; ``modified`` is kept in UTC, to two seconds.

        STORED, unless it takes ``deflated_size`` bytes as a deflate stream.
        """
        member = cls(name, modified.astimezone(UTC).timetuple()[:6])
        member.create_system = CREATED_ON_UNIX
        member.external_attr = FILE_MODE << 16
        member.file_size = size
        member.compress_size = size if deflated_size is None else deflated_size
        member.compress_type = ZIP_STORED if deflated_size is None else ZIP_DEFLATED
        member.CRC = 0
        return member

    @property
    def needs_zip64_sizes(self) -> bool:
        """Whether the sizes stand in a ZIP64 extra field; the central directory's own rule."""
        return bool(max(self.file_size, self.compress_size) > ZIP64_LIMIT)

    def local_header(self) -> bytes:
        """The local file header. Its length does not depend on the CRC."""
        header: bytes = self.FileHeader(self.needs_zip64_sizes)
        return header

    def central_record(self, offset: int) -> bytes:
        """The central directory record of this entry, whose local header is at ``offset``."""
        self.header_offset = offset
        record: bytes = self._central_directory_header_data()
        return record


END_BYTES = 22 + 56 + 20
"""What the end records take at the most."""


def record_bytes(name: str) -> int:
    """What the central directory record of ``name`` takes at the most: ZIP64 sizes and offset."""
    return 46 + len(name.encode()) + 4 + 24


def central_directory(records: bytes, count: int, offset: int) -> bytes:
    """Return ``count`` central ``records`` and the end records of a directory at ``offset``."""
    return records + end_records(len(records), count, offset)


def end_records(directory_bytes: int, count: int, offset: int) -> bytes:
    """The end records of a directory whose ``count`` records take ``directory_bytes``."""
    _, *ends = _Directory(directory_bytes, count, offset).footer()
    return b"".join(ends)


class _Directory(ZipStream):  # type: ignore[misc]  # zipstream-ng ships no types
    """A ``ZipStream`` of which only the footer is used."""

    def __init__(self, directory_bytes: int, count: int, offset: int) -> None:
        super().__init__()
        self._filelist = _RecordsElsewhere(directory_bytes, count)
        self._pos = offset


class _RecordsElsewhere:
    """Stands where ``ZipStream`` keeps its members: one that renders to something of the length
    of all records.
    """

    def __init__(self, directory_bytes: int, count: int) -> None:
        self._directory_bytes = directory_bytes
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Self]:
        return iter((self,))

    def _central_directory_header_data(self) -> range:
        return range(self._directory_bytes)
