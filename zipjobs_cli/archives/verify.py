"""Checks an archive against its receipt, byte by byte, and finds everything that differs.

The archive is read once, from its beginning to its end, and the receipt beside it. Of both, memory
holds the archive's central directory, and no bodies.
"""

import io
import struct
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from isal.isal_zlib import crc32

from zipjobs_cli.archives.checksums import PIECE_BYTES, SummingFile
from zipjobs_cli.archives.receipt import Line, Receipt, read_receipt
from zipjobs_cli.errors import Unreadable


class Kind(StrEnum):
    """What differs. What is expected is what the receipt says."""

    ARCHIVE_SIZE = "archiveSize"
    ARCHIVE_CRC32 = "archiveCrc32"
    ARCHIVE_ENTRIES = "archiveEntries"
    """How many the archive has."""
    RECEIPT_ENTRIES = "receiptEntries"
    """The receipt says how many entries there are, and lists another number."""
    MISSING = "missing"
    """Expected at this position of the receipt, found nowhere."""
    EXTRA = "extra"
    """Found at this position of the archive, expected nowhere."""
    DOUBLED = "doubled"
    """A name is there so often, and ought to be there once."""
    MOVED = "moved"
    """Positions: the entry stands behind one that it ought to stand before."""
    UNREADABLE = "unreadable"
    """Why an entry's bytes cannot be had."""
    SIZE = "size"
    CRC32 = "crc32"
    DIRECTORY_SIZE = "directorySize"
    """The bytes are as many as expected, but the archive says otherwise."""
    DIRECTORY_CRC32 = "directoryCrc32"
    """The bytes are the expected ones, but the archive says otherwise."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that differs, of the entry ``name``, or of the archive as a whole.

    Sizes are in bytes, CRC-32s eight hexadecimal digits, positions count from 1.
    """

    kind: Kind
    name: str | None
    expected: int | str | None
    found: int | str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an archive is, and all that differs from what its receipt says.

    ``skipped`` is how many objects the receipt says were skipped, for they did not exist.
    """

    size: int
    crc32: str
    entries: int
    skipped: int
    differences: tuple[Difference, ...]

    @property
    def matches(self) -> bool:
        return not self.differences


def verify(archive: Path, receipt: Path, on_progress: Callable[[int], None]) -> Verdict:
    """Read all of ``archive`` and compare it to ``receipt``.

    The size and the CRC-32 of the whole file; the number of entries, their names and their order;
    and of each entry, stored or deflated, the size and the CRC-32 of its bytes. ``on_progress`` is
    told how many of the archive's bytes have been read.

    Raises Unreadable if one of the two cannot be read at all, is no ZIP or no receipt, or if the
    receipt has a version that is not known.
    """
    try:
        with SummingFile(archive, on_progress) as raw, io.BufferedReader(raw, PIECE_BYTES) as file:
            size = file.seek(0, io.SEEK_END)
            expected = read_receipt(receipt)
            with _opened(file, archive, size, expected) as opened:
                raw.is_summing = True
                infos = opened.infolist()
                differences = list(_of_the_entries(_members(opened, size), infos, expected))
            raw.finish()
            summed_bytes, summed = raw.summed_bytes, f"{raw.crc32:08x}"
    except OSError as error:
        raise Unreadable(f"{archive} cannot be read: {error.strerror}.") from error
    whole = [
        Difference(kind, None, should_be, found)
        for kind, should_be, found in (
            (Kind.ARCHIVE_SIZE, expected.size, summed_bytes),
            (Kind.ARCHIVE_CRC32, expected.crc32, summed),
            (Kind.ARCHIVE_ENTRIES, expected.entries, len(infos)),
            (Kind.RECEIPT_ENTRIES, expected.entries, expected.listed),
        )
        if should_be != found
    ]
    return Verdict(
        size=summed_bytes,
        crc32=summed,
        entries=len(infos),
        skipped=expected.skipped,
        differences=(*whole, *differences),
    )


def _opened(file: IO[bytes], archive: Path, size: int, expected: Receipt) -> ZipFile:
    try:
        return ZipFile(file)
    except (BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        sizes = f" It has {size:,} bytes, and its receipt says {expected.size:,}."
        raise Unreadable(
            f"{archive} cannot be read as a ZIP: {error}.{sizes if size != expected.size else ''}"
        ) from error


class _Member(NamedTuple):
    """An entry as it is in the archive. Its directory states a size and a CRC-32, too."""

    position: int
    name: str
    size: int
    crc32: str
    stated_size: int
    stated_crc32: str
    problem: str | None


def _members(opened: ZipFile, archive_bytes: int) -> Iterator[_Member]:
    """Read through all entries, in order."""
    for position, info in enumerate(opened.infolist(), 1):
        stated = f"{info.CRC:08x}"
        del info.CRC  # a ZipInfo without one is read to its end, wrong or not
        size = total = 0
        problem = None
        try:
            _check_readable(info, archive_bytes)
            with opened.open(info) as body:
                while piece := body.read(PIECE_BYTES):
                    total = crc32(piece, total)
                    size += len(piece)
        except (BadZipFile, EOFError, RuntimeError, ValueError, zlib.error) as error:
            problem = str(error) or "it ends too early"
        yield _Member(
            position, info.orig_filename, size, f"{total:08x}", info.file_size, stated, problem
        )


def _check_readable(info: ZipInfo, archive_bytes: int) -> None:
    """Raises BadZipFile, or NotImplementedError."""
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise NotImplementedError(f"compression method {info.compress_type}")
    if not 0 <= info.header_offset < archive_bytes:
        raise BadZipFile("it is said to stand outside the archive")


def _of_the_entries(
    members: Iterable[_Member], infos: Sequence[ZipInfo], expected: Receipt
) -> Iterator[Difference]:
    places = array("q", bytes(8 * len(infos)))  # by position in the archive: that in the receipt
    alone: list[_Member] = []
    unmet: list[Line] = []
    for member, line in _paired(members, expected.lines()):
        if member and line:
            places[member.position - 1] = line.position
            yield from _of_an_entry(member, line)
        elif member:
            alone.append(member)
        elif line:
            unmet.append(line)
    yield from _of_the_names(infos, alone, unmet)
    last = 0
    for position, (info, place) in enumerate(zip(infos, places, strict=True), 1):
        if 0 < place < last:
            yield Difference(Kind.MOVED, info.orig_filename, place, position)
        last = max(last, place)


def _paired(
    members: Iterable[_Member], lines: Iterable[Line]
) -> Iterator[tuple[_Member | None, Line | None]]:
    """Yield what has the same name; in the end, what has stayed alone.

    Where names stand in the same order, those that wait are as many as are missing or extra.
    """
    waiting_members: defaultdict[str, list[_Member]] = defaultdict(list)
    waiting_lines: defaultdict[str, list[Line]] = defaultdict(list)
    for member, line in zip_longest(members, lines):
        if member and line and member.name == line.name:
            yield member, line
            continue
        if member:
            if member.name in waiting_lines:
                yield member, _first(waiting_lines, member.name)
            else:
                waiting_members[member.name].append(member)
        if line:
            if line.name in waiting_members:
                yield _first(waiting_members, line.name), line
            else:
                waiting_lines[line.name].append(line)
    for left_members in waiting_members.values():
        yield from ((member, None) for member in left_members)
    for left_lines in waiting_lines.values():
        yield from ((None, line) for line in left_lines)


def _first(waiting: dict[str, list[Any]], name: str) -> Any:
    first = waiting[name].pop(0)
    if not waiting[name]:
        del waiting[name]
    return first


def _of_an_entry(member: _Member, line: Line) -> Iterator[Difference]:
    name = line.name
    if member.problem is not None:
        yield Difference(Kind.UNREADABLE, name, None, member.problem)
        return
    if member.size != line.size:
        yield Difference(Kind.SIZE, name, line.size, member.size)
    elif member.stated_size != line.size:
        yield Difference(Kind.DIRECTORY_SIZE, name, line.size, member.stated_size)
    if member.crc32 != line.crc32:
        yield Difference(Kind.CRC32, name, line.crc32, member.crc32)
    elif member.stated_crc32 != line.crc32:
        yield Difference(Kind.DIRECTORY_CRC32, name, line.crc32, member.stated_crc32)


def _of_the_names(
    infos: Iterable[ZipInfo], alone: Sequence[_Member], unmet: Sequence[Line]
) -> Iterator[Difference]:
    times = Counter(info.orig_filename for info in infos)
    yield from (
        Difference(Kind.MISSING, line.name, line.position, None)
        for line in unmet
        if line.name not in times
    )
    yield from (
        Difference(Kind.EXTRA, member.name, None, member.position)
        for member in alone
        if times[member.name] == 1
    )
    more_in_archive = Counter(member.name for member in alone)
    more_in_receipt = Counter(line.name for line in unmet)
    for name, found in times.items():
        if found > 1 or name in more_in_receipt:
            listed = found - more_in_archive[name] + more_in_receipt[name]
            yield Difference(Kind.DOUBLED, name, listed, found)
