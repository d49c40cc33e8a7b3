"""Builds one segment of an archive, and finishes an archive whose segments are built.

Two workers may build the same segment, at any time: its parts have the same numbers and the same
bytes. A worker stores the parts' ETags and CRC-32s and the central directory records for the worker
that finishes the archive.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from isal.isal_zlib import crc32

from zipjobs.archive.builder import ArchiveBuilder
from zipjobs.archive.layout import CopyPart, Layout, PartEnd, Step
from zipjobs.archive.options import BuildContext
from zipjobs.archive.parts.blocks import in_blocks
from zipjobs.archive.parts.sizing import PartSizing
from zipjobs.archive.whole_archive import Archive
from zipjobs.errors import UploadGone
from zipjobs.s3.multipart_upload import Upload
from zipjobs.s3.part_upload import UploadedPart
from zipjobs.s3.source import EPOCH, Entry
from zipjobs.zipformat.crc32 import combine
from zipjobs.zipformat.records import Member, end_records


@dataclass(frozen=True, slots=True)
class EntrySize:
    """The sizes of an entry that the plan needs, in bytes."""

    name: str
    header_bytes: int
    body_bytes: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A contiguous run of a job's entries, starting at ``first_entry``, in archive ``archive``.

    Its first part has the number ``first_part`` and starts at ``offset`` of the archive.
    """

    index: int
    archive: int
    first_entry: int
    entries: int
    first_part: int
    offset: int
    size: int
    body_bytes: int


@dataclass(frozen=True, slots=True)
class BuiltSegment:
    """A segment whose parts are uploaded.

    ``tail`` is the end of an archive's last segment if it is too short for a part: it is uploaded
    in front of the central directory, in which the segment has ``records_bytes``.
    """

    parts: tuple[UploadedPart, ...]
    tail: bytes
    records_bytes: int
    entries: int
    source_bytes: int
    copied_bytes: int

    # How the worker stores it for the one that finishes the archive: see segment_store.
    __pydantic_config__: ClassVar = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}

    @property
    def size(self) -> int:
        """Bytes of the archive."""
        return sum(part.length for part in self.parts) + len(self.tail)


@dataclass(frozen=True, slots=True)
class SegmentOutput:
    """The result of building a segment.

    ``records`` are its central directory records, ``receipt`` its entries' lines of the receipt.
    """

    built: BuiltSegment
    records: bytes
    receipt: Sequence[bytes]


def sized(entry: Entry) -> EntrySize:
    """Return the sizes of an entry whose size is known."""
    assert entry.size is not None
    header = Member.of(entry.name, entry.size, EPOCH).local_header()
    return EntrySize(entry.name, len(header), entry.size)


def part_lengths(entries: Iterable[EntrySize], layout: Layout) -> dict[int, int]:
    """Return the lengths of a segment's parts by number. ``layout`` is at the segment's start."""
    steps: list[Step] = []
    for entry in entries:
        steps += layout.add(entry.header_bytes, entry.body_bytes, layout.is_large(entry.body_bytes))
    steps += layout.cut()
    return {s.part: s.length for s in steps if isinstance(s, PartEnd | CopyPart)}


def build_segment(
    segment: Segment, entries: Sequence[Entry], sizing: PartSizing, context: BuildContext
) -> SegmentOutput:
    """Upload the parts of ``segment``. ``entries`` are its entries, with their sizes.

    ``sizing`` is the plan's. Raises the errors of ``build_archive``.
    """
    start = (segment.first_part, segment.offset)
    lengths = part_lengths(map(sized, entries), Layout(sizing, *start))
    written = ArchiveBuilder(entries, context, Layout(sizing, *start), None, lengths).run()
    records = b"".join(written.records)
    built = BuiltSegment(
        parts=tuple(written.parts),
        tail=written.tail,
        records_bytes=len(records),
        entries=len(written.records),
        source_bytes=written.source_bytes,
        copied_bytes=written.copied_bytes,
    )
    return SegmentOutput(built, records, written.receipt)


def finish_archive(
    built: Sequence[BuiltSegment],
    records: Callable[[], Iterable[bytes]],
    upload: Upload,
) -> Archive:
    """Upload the central directory of an archive whose segments are ``built``; complete the upload.

    ``records`` returns all central directory records, in order, in chunks of any size; it may be
    called again. Two workers may finish the same archive: the second one finds the object. Raises
    UploadGone if there is neither an upload nor an archive.
    """
    parts = [part for segment in built for part in segment.parts]
    tail = built[-1].tail
    offset = sum(segment.size for segment in built)
    count = sum(segment.entries for segment in built)
    directory_bytes = sum(segment.records_bytes for segment in built)
    ends = end_records(directory_bytes, count, offset)
    number = max((part.number for part in parts), default=0) + 1
    length = len(tail) + directory_bytes + len(ends)

    def content() -> Iterator[bytes]:
        yield tail
        yield from records()
        yield ends

    size = offset + directory_bytes + len(ends)
    try:
        last = upload.put_part(number, length, lambda: in_blocks(content()))
        parts.append(last)
        crc = combine((part.crc32, part.length) for part in parts)
        stored = upload.complete(parts, crc, size)
    except UploadGone:
        crcs = [(part.crc32, part.length) for part in parts if part.number < number]
        crc = combine([*crcs, (_crc_of(content()), length)])
        stored = upload.existing(crc, size)
    return Archive(
        etag=stored.etag,
        version_id=stored.version_id,
        size=size,
        crc32=crc,
        entries=count,
        source_bytes=sum(segment.source_bytes for segment in built),
        copied_bytes=sum(segment.copied_bytes for segment in built),
    )


def _crc_of(pieces: Iterable[bytes]) -> int:
    total = 0
    for piece in pieces:
        total = crc32(piece, total)
    return total
