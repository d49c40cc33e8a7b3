"""ZIP records: local header, central directory record, end of central directory.

zipstream-ng does the framing, through the two subclasses below. It writes data descriptors when it
streams. Here CRC and sizes are known before a header is sent, so archives have no data descriptors
and strict streaming readers (Java's ``ZipInputStream``) accept them. The version in
``handlers/requirements.txt`` pins the private names that these classes use, and a test checks them.
"""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Self

import zipstream.ng
from zipstream import ZipStream
from zipstream.ng import ZIP_DEFLATED, ZIP_STORED, ZipStreamInfo

CREATED_ON_UNIX = 3
"""``create_system``: external attributes contain a Unix mode. It is fixed: an archive's bytes do
not depend on the machine."""

ZIP64_LIMIT = 0xFFFF_FFFE
"""The largest value of a 32-bit field; 0xFFFFFFFF refers to ZIP64 (APPNOTE.TXT 4.4.8). zipfile and
zipstream-ng use ZIP64 from half of it."""

zipstream.ng.ZIP64_LIMIT = ZIP64_LIMIT

FILE_MODE = 0o100644
"""A regular file, readable by all, writable by its owner."""

FOLDER_MODE = 0o040755
"""A folder, readable by all, writable by its owner."""

_DOS_FOLDER = 0x10
"""The bit of MS-DOS for a folder, which readers for Windows expect (APPNOTE.TXT 4.4.15)."""

_TIMESTAMP = struct.Struct("<HHBi")
"""The extra field "extended timestamp": ID, length, which times follow, seconds since 1970."""

_TIMESTAMP_ID = 0x5455
_HAS_MODIFIED = 1
_MAX_TIMESTAMP = 2**31 - 1


_FIRST_DOS_TIME = datetime(1980, 1, 1, tzinfo=UTC)
_LAST_DOS_TIME = datetime(2107, 12, 31, 23, 59, 59, tzinfo=UTC)


class Member(ZipStreamInfo):  # type: ignore[misc]  # zipstream-ng ships no types
    """An entry of an archive. ``CRC`` is set before the header is sent."""

    @classmethod
    def of(cls, name: str, size: int, modified: datetime, deflated_size: int | None = None) -> Self:
        """Return an entry of ``size`` bytes, STORED, or DEFLATED to ``deflated_size`` bytes.

        A ``name`` that ends with a slash is that of a folder.

        ``modified`` is stored in the DOS fields, in UTC and to two seconds, from 1980 on. Readers
        take these for local time. So it is also an extended timestamp, up to 2038: Info-ZIP's
        extrafld.txt. All headers have one, so that their length does not depend on the time.
        """
        utc = modified.astimezone(UTC)
        member = cls(name, min(max(_FIRST_DOS_TIME, utc), _LAST_DOS_TIME).timetuple()[:6])
        seconds = max(-_MAX_TIMESTAMP, min(int(utc.timestamp()), _MAX_TIMESTAMP))
        member.extra = _TIMESTAMP.pack(_TIMESTAMP_ID, 5, _HAS_MODIFIED, seconds)
        member.create_system = CREATED_ON_UNIX
        is_folder = name.endswith("/")
        member.external_attr = FOLDER_MODE << 16 | _DOS_FOLDER if is_folder else FILE_MODE << 16
        member.file_size = size
        member.compress_size = size if deflated_size is None else deflated_size
        member.compress_type = ZIP_STORED if deflated_size is None else ZIP_DEFLATED
        member.CRC = 0
        return member

    @property
    def needs_zip64_sizes(self) -> bool:
        """Return whether the sizes need a ZIP64 extra field, as for the central directory."""
        return bool(max(self.file_size, self.compress_size) > ZIP64_LIMIT)

    def local_header(self) -> bytes:
        """Return the local file header. Its length does not depend on the CRC."""
        header: bytes = self.FileHeader(self.needs_zip64_sizes)
        return header

    def central_record(self, offset: int) -> bytes:
        """Return the central directory record. The local header is at ``offset``."""
        self.header_offset = offset
        record: bytes = self._central_directory_header_data()
        return record


END_BYTES = 22 + 56 + 20
"""The maximum length of the end records."""


def record_bytes(name: str) -> int:
    """Return the maximum length of a central directory record: with ZIP64 sizes and offset."""
    return 46 + len(name.encode()) + _TIMESTAMP.size + 4 + 24


def central_directory(records: bytes, count: int, offset: int) -> bytes:
    """Return ``count`` central ``records`` and the end records of a directory at ``offset``."""
    return records + end_records(len(records), count, offset)


def end_records(directory_bytes: int, count: int, offset: int) -> bytes:
    """Return the end records of a directory with ``count`` records of ``directory_bytes``."""
    _, *ends = _Directory(directory_bytes, count, offset).footer()
    return b"".join(ends)


class _Directory(ZipStream):  # type: ignore[misc]  # zipstream-ng ships no types
    """A ``ZipStream`` that only writes the footer."""

    def __init__(self, directory_bytes: int, count: int, offset: int) -> None:
        super().__init__()
        self._filelist = _RecordsElsewhere(directory_bytes, count)
        self._pos = offset


class _RecordsElsewhere:
    """Replaces the members of a ``ZipStream``: one item with the length of all records."""

    def __init__(self, directory_bytes: int, count: int) -> None:
        self._directory_bytes = directory_bytes
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Self]:
        return iter((self,))

    def _central_directory_header_data(self) -> range:
        return range(self._directory_bytes)
