"""Verify an archive against its receipt, byte by byte, and find all differences.

The archive is read once, from start to end. Memory holds its central directory, but no bodies.
"""

import io
import struct
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from isal.isal_zlib import crc32

from zipjobs_cli.archives.checksums import PIECE_BYTES, ChecksumFile
from zipjobs_cli.archives.receipt import Receipt, ReceiptEntry, read_receipt
from zipjobs_cli.errors import Unreadable


class Kind(StrEnum):
    """Kinds of differences. The receipt has the expected values."""

    ARCHIVE_SIZE = "archiveSize"
    ARCHIVE_CRC32 = "archiveCrc32"
    ARCHIVE_ENTRIES = "archiveEntries"
    """The number of entries in the archive differs."""
    RECEIPT_ENTRIES = "receiptEntries"
    """The receipt's list is longer or shorter than the number that the receipt states."""
    MISSING = "missing"
    """The entry at this position of the receipt is not in the archive."""
    EXTRA = "extra"
    """The entry at this position of the archive is not in the receipt."""
    DOUBLED = "doubled"
    """Number of entries with the same name, which must be 1."""
    MOVED = "moved"
    """Positions of an entry that comes after one that it precedes in the receipt."""
    UNREADABLE = "unreadable"
    """The body of an entry cannot be read, for the reason in ``found``."""
    SIZE = "size"
    CRC32 = "crc32"
    DIRECTORY_SIZE = "directorySize"
    """The body has the expected size, but the central directory states another one."""
    DIRECTORY_CRC32 = "directoryCrc32"
    """The body has the expected CRC-32, but the central directory states another one."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of the entry ``name``, or of the whole archive if it is None.

    Sizes are in bytes, a CRC-32 has eight hexadecimal digits, positions count from 1.
    """

    kind: Kind
    name: str | None
    expected: int | str | None
    found: int | str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Size, CRC-32 and number of entries of an archive, and its differences from the receipt.

    ``skipped`` counts the skipped objects in the receipt by their error code.
    """

    size: int
    crc32: str
    entries: int
    skipped: Mapping[str, int]
    differences: tuple[Difference, ...]

    @property
    def matches(self) -> bool:
        return not self.differences


def verify(archive: Path, receipt: Path, on_progress: Callable[[int], None]) -> Verdict:
    """Read the whole archive and compare it with the receipt.

    Compares size and CRC-32 of the file, number, names and order of the entries, and size and
    CRC-32 of each body. ``on_progress`` is called with the number of bytes read so far.

    Raises Unreadable if one of the files cannot be read, or is not a ZIP file or a receipt.
    """
    try:
        with ChecksumFile(archive, on_progress) as raw, io.BufferedReader(raw, PIECE_BYTES) as file:
            size = file.seek(0, io.SEEK_END)
            expected = read_receipt(receipt)
            with _open_zip(file, archive, size, expected) as opened:
                raw.is_summing = True
                infos = opened.infolist()
                differences = list(_compare_entries(_read_members(opened, size), infos, expected))
            raw.finish()
            found_size, found_crc32 = raw.summed_bytes, f"{raw.crc32:08x}"
    except OSError as error:
        raise Unreadable(f"{archive} cannot be read: {error.strerror}.") from error
    of_archive = [
        Difference(kind, None, expected_value, found)
        for kind, expected_value, found in (
            (Kind.ARCHIVE_SIZE, expected.size, found_size),
            (Kind.ARCHIVE_CRC32, expected.crc32, found_crc32),
            (Kind.ARCHIVE_ENTRIES, expected.entries, len(infos)),
            (Kind.RECEIPT_ENTRIES, expected.entries, expected.listed),
        )
        if expected_value != found
    ]
    return Verdict(
        size=found_size,
        crc32=found_crc32,
        entries=len(infos),
        skipped=expected.skipped,
        differences=(*of_archive, *differences),
    )


def _open_zip(file: IO[bytes], archive: Path, size: int, expected: Receipt) -> ZipFile:
    try:
        return ZipFile(file)
    except (BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        sizes = f" It has {size:,} bytes; its receipt states {expected.size:,}."
        raise Unreadable(
            f"{archive} cannot be read as a ZIP file: {error}."
            f"{sizes if size != expected.size else ''}"
        ) from error


class _Member(NamedTuple):
    """An entry of the archive. ``stated_`` values are those in the central directory."""

    position: int
    name: str
    size: int
    crc32: str
    stated_size: int
    stated_crc32: str
    problem: str | None


def _read_members(opened: ZipFile, archive_bytes: int) -> Iterator[_Member]:
    """Read all bodies in order."""
    for position, info in enumerate(opened.infolist(), 1):
        stated = f"{info.CRC:08x}"
        del info.CRC  # zipfile reads a body without a CRC to its end instead of raising an error
        size = total = 0
        problem = None
        try:
            _check_readable(info, archive_bytes)
            with opened.open(info) as body:
                while piece := body.read(PIECE_BYTES):
                    total = crc32(piece, total)
                    size += len(piece)
        except (BadZipFile, EOFError, RuntimeError, ValueError, zlib.error) as error:
            problem = str(error) or "unexpected end of data"
        yield _Member(
            position, info.orig_filename, size, f"{total:08x}", info.file_size, stated, problem
        )


def _check_readable(info: ZipInfo, archive_bytes: int) -> None:
    """Raise BadZipFile or NotImplementedError if the body cannot be read."""
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise NotImplementedError(f"compression method {info.compress_type}")
    if not 0 <= info.header_offset < archive_bytes:
        raise BadZipFile("its position is outside the archive")


def _compare_entries(
    members: Iterable[_Member], infos: Sequence[ZipInfo], expected: Receipt
) -> Iterator[Difference]:
    receipt_positions = array("q", bytes(8 * len(infos)))  # by position in the archive; 0: none
    only_in_archive: list[_Member] = []
    only_in_receipt: list[ReceiptEntry] = []
    for member, entry in _pair_by_name(members, expected.read_entries()):
        if member and entry:
            receipt_positions[member.position - 1] = entry.position
            yield from _compare_entry(member, entry)
        elif member:
            only_in_archive.append(member)
        elif entry:
            only_in_receipt.append(entry)
    yield from _compare_names(infos, only_in_archive, only_in_receipt)
    last = 0
    for position, (info, place) in enumerate(zip(infos, receipt_positions, strict=True), 1):
        if 0 < place < last:
            yield Difference(Kind.MOVED, info.orig_filename, place, position)
        last = max(last, place)


def _pair_by_name(
    members: Iterable[_Member], entries: Iterable[ReceiptEntry]
) -> Iterator[tuple[_Member | None, ReceiptEntry | None]]:
    """Yield pairs with the same name, then the rest.

    If the order is the same, memory holds only as many items as are missing or extra.
    """
    waiting_members: defaultdict[str, list[_Member]] = defaultdict(list)
    waiting_entries: defaultdict[str, list[ReceiptEntry]] = defaultdict(list)
    for member, entry in zip_longest(members, entries):
        if member and entry and member.name == entry.name:
            yield member, entry
            continue
        if member:
            if member.name in waiting_entries:
                yield member, _pop_first(waiting_entries, member.name)
            else:
                waiting_members[member.name].append(member)
        if entry:
            if entry.name in waiting_members:
                yield _pop_first(waiting_members, entry.name), entry
            else:
                waiting_entries[entry.name].append(entry)
    for rest_of_members in waiting_members.values():
        yield from ((member, None) for member in rest_of_members)
    for rest_of_entries in waiting_entries.values():
        yield from ((None, entry) for entry in rest_of_entries)


def _pop_first(waiting: dict[str, list[Any]], name: str) -> Any:
    first = waiting[name].pop(0)
    if not waiting[name]:
        del waiting[name]
    return first


def _compare_entry(member: _Member, entry: ReceiptEntry) -> Iterator[Difference]:
    name = entry.name
    if member.problem is not None:
        yield Difference(Kind.UNREADABLE, name, None, member.problem)
        return
    if member.size != entry.size:
        yield Difference(Kind.SIZE, name, entry.size, member.size)
    elif member.stated_size != entry.size:
        yield Difference(Kind.DIRECTORY_SIZE, name, entry.size, member.stated_size)
    if member.crc32 != entry.crc32:
        yield Difference(Kind.CRC32, name, entry.crc32, member.crc32)
    elif member.stated_crc32 != entry.crc32:
        yield Difference(Kind.DIRECTORY_CRC32, name, entry.crc32, member.stated_crc32)


def _compare_names(
    infos: Iterable[ZipInfo],
    only_in_archive: Sequence[_Member],
    only_in_receipt: Sequence[ReceiptEntry],
) -> Iterator[Difference]:
    counts = Counter(info.orig_filename for info in infos)
    yield from (
        Difference(Kind.MISSING, entry.name, entry.position, None)
        for entry in only_in_receipt
        if entry.name not in counts
    )
    yield from (
        Difference(Kind.EXTRA, member.name, None, member.position)
        for member in only_in_archive
        if counts[member.name] == 1
    )
    more_in_archive = Counter(member.name for member in only_in_archive)
    more_in_receipt = Counter(entry.name for entry in only_in_receipt)
    for name, found in counts.items():
        if found > 1 or name in more_in_receipt:
            listed = found - more_in_archive[name] + more_in_receipt[name]
            yield Difference(Kind.DOUBLED, name, listed, found)
