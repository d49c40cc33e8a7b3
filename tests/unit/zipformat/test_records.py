"""ZIP records, and the members of zipstream-ng that they use."""

import io
import struct
import zipfile
import zlib
from datetime import UTC, datetime

import pytest
import zipstream.ng
from zipstream import ZipStream
from zipstream.ng import ZipStreamInfo

from zipjobs.archive.parts.sizing import GIB
from zipjobs.zipformat.records import ZIP64_LIMIT, Member, central_directory, record_bytes

MODIFIED = datetime(2026, 11, 23, 16, 44, 24, tzinfo=UTC)
DATA_DESCRIPTOR = 1 << 3
UTF8_NAME = 1 << 11


def archive_of(contents: dict[str, bytes]) -> bytes:
    data, records = b"", b""
    for name, body in contents.items():
        member = Member.of(name, len(body), MODIFIED)
        member.CRC = zlib.crc32(body)
        records += member.central_record(len(data))
        data += member.local_header() + body
    return data + central_directory(records, len(contents), len(data))


def test_zipstream_ng_has_the_members_that_are_used() -> None:
    info = ZipStreamInfo("a")
    assert callable(info.FileHeader)
    assert callable(info._central_directory_header_data)
    stream = ZipStream()
    assert stream._filelist == []
    assert stream._pos == 0
    assert zipstream.ng.ZIP64_LIMIT == ZIP64_LIMIT == 2**32 - 2
    assert zipstream.ng.ZIP_FILECOUNT_LIMIT == 2**16 - 1


def test_zipfile_reads_the_archive() -> None:
    contents = {"a.pdf": b"first", "b/ünï.pdf": b"", "c.pdf": b"x" * 5000}
    with zipfile.ZipFile(io.BytesIO(archive_of(contents))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == contents
        member = archive.getinfo("a.pdf")
    assert member.date_time == (2026, 11, 23, 16, 44, 24)
    assert member.external_attr >> 16 == 0o100644
    assert member.create_system == 3


def test_local_headers_have_crc_and_sizes_but_no_data_descriptor() -> None:
    member = Member.of("é.pdf", 1234, MODIFIED)
    member.CRC = 0xDEADBEEF
    signature, _, flags, method, _, _, crc, compressed, size, name_bytes, extra_bytes = (
        struct.unpack("<4sHHHHHLLLHH", member.local_header()[:30])
    )
    assert signature == b"PK\x03\x04"
    assert not flags & DATA_DESCRIPTOR
    assert flags & UTF8_NAME
    assert (method, crc, compressed, size) == (0, 0xDEADBEEF, 1234, 1234)
    assert (name_bytes, extra_bytes) == (6, 9)


@pytest.mark.parametrize("size", [0, ZIP64_LIMIT, ZIP64_LIMIT + 1, 5 * GIB])
def test_the_length_of_a_header_does_not_depend_on_the_crc(size: int) -> None:
    member = Member.of("a.pdf", size, MODIFIED)
    lengths = set()
    for crc in (0, 0xFFFFFFFF):
        member.CRC = crc
        lengths.add((len(member.local_header()), len(member.central_record(7 * GIB))))
    assert len(lengths) == 1


def test_zip64_sizes_are_only_used_above_the_limit() -> None:
    small = Member.of("a.pdf", ZIP64_LIMIT, MODIFIED)
    large = Member.of("a.pdf", ZIP64_LIMIT + 1, MODIFIED)
    assert len(large.local_header()) == len(small.local_header()) + 20
    assert len(small.central_record(0)) == 46 + 5 + 9
    assert len(small.central_record(ZIP64_LIMIT + 1)) == 46 + 5 + 9 + 12
    assert len(large.central_record(0)) == 46 + 5 + 9 + 20
    assert len(large.central_record(ZIP64_LIMIT + 1)) == record_bytes("a.pdf")


def test_zip64_end_records_are_only_used_above_the_limits() -> None:
    record = Member.of("a", 0, MODIFIED).central_record(0)
    assert len(central_directory(record, 1, 0)) == len(record) + 22
    assert len(central_directory(record, 1, 5 * GIB)) == len(record) + 22 + 56 + 20
    assert len(central_directory(record * 65_534, 65_534, 0)) == 65_534 * len(record) + 22
    assert len(central_directory(record * 65_535, 65_535, 0)) == 65_535 * len(record) + 22 + 76
    assert len(central_directory(record, 1, ZIP64_LIMIT)) == len(record) + 22


def test_a_deflated_entry_has_both_sizes() -> None:
    member = Member.of("a.txt", 1000, MODIFIED, deflated_size=10)
    method, _, _, _, compressed, size = struct.unpack("<HHHLLL", member.local_header()[8:26])
    assert (method, compressed, size) == (8, 10, 1000)


@pytest.mark.parametrize(
    ("modified", "dos", "seconds"),
    [
        (MODIFIED, (2026, 11, 23, 16, 44, 24), int(MODIFIED.timestamp())),
        (datetime(1970, 1, 1, tzinfo=UTC), (1980, 1, 1, 0, 0, 0), 0),
        (datetime(1, 1, 1, tzinfo=UTC), (1980, 1, 1, 0, 0, 0), 1 - 2**31),
        (datetime(2040, 1, 2, tzinfo=UTC), (2040, 1, 2, 0, 0, 0), 2**31 - 1),
        (datetime(9999, 1, 2, tzinfo=UTC), (2107, 12, 31, 23, 59, 59), 2**31 - 1),
    ],
)
def test_times_outside_the_range_of_a_field_become_its_limit(
    modified: datetime, dos: tuple[int, ...], seconds: int
) -> None:
    member = Member.of("a.pdf", 0, modified)
    assert member.date_time == dos
    for header in (member.local_header(), member.central_record(0)):
        assert struct.pack("<HHBi", 0x5455, 5, 1, seconds) in header
