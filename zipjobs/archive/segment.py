"""Makes one segment of an archive, and finishes an archive whose segments have been made.

A segment can be made twice, late, or by two workers at a time: its parts have the same numbers and
the same bytes whoever makes them. Wherever the parts go, what S3 answered for them, and the central
directory's records, go into the ``BuiltSegment`` that its maker leaves for whoever finishes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from isal.isal_zlib import crc32

from zipjobs.archive.blocks import in_blocks
from zipjobs.archive.builder import Archive, ArchiveBuilder
from zipjobs.archive.layout import CopyPart, Layout, PartEnd, Step
from zipjobs.archive.options import BuildContext
from zipjobs.archive.part_sizing import MIN_PART_BYTES, PartSizing
from zipjobs.errors import UploadGone
from zipjobs.s3.multipart_upload import Upload, UploadedPart
from zipjobs.s3.part_upload import Chunks
from zipjobs.s3.source import EPOCH, Entry
from zipjobs.zipformat.crc32 import combine
from zipjobs.zipformat.records import Member, end_records

Part = tuple[UploadedPart, int]
"""A part that S3 has, and its length."""


@dataclass(frozen=True, slots=True)
class EntrySize:
    """What the plan has to know of an entry, in bytes."""

    name: str
    header_bytes: int
    body_bytes: int


@dataclass(frozen=True, slots=True)
class Segment:
    """``entries`` entries from ``first_entry`` of the job on, in archive number ``archive``.

    The first of its parts is ``first_part``, and starts ``offset`` bytes into the archive.
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
    """What is known of a segment that has been made.

    ``tail`` is what its archive's last segment has behind its last part: too little for a part, it
    goes before the directory. Its central directory records have ``records_bytes``; they are
    ``records``, and ``receipt`` is its entries' lines, where it was made; elsewhere both have to be
    fetched.
    """

    parts: tuple[Part, ...]
    tail: bytes
    records_bytes: int
    entries: int
    source_bytes: int
    copied_bytes: int
    records: bytes = b""
    receipt: Sequence[bytes] = ()

    @property
    def size(self) -> int:
        """Bytes of the archive."""
        return sum(length for _, length in self.parts) + len(self.tail)


def sized(entry: Entry) -> EntrySize:
    """What the plan has to know of an entry, whose size is known."""
    assert entry.size is not None
    header = Member.of(entry.name, entry.size, EPOCH).local_header()
    return EntrySize(entry.name, len(header), entry.size)


def part_lengths(entries: Iterable[EntrySize], layout: Layout) -> dict[int, int]:
    """The lengths of a segment's parts, by number; ``layout`` is at the segment's start."""
    steps: list[Step] = []
    for entry in entries:
        steps += layout.add(entry.header_bytes, entry.body_bytes, layout.is_large(entry.body_bytes))
    steps += layout.cut()
    return {s.part: s.length for s in steps if isinstance(s, PartEnd | CopyPart)}


def build_segment(
    segment: Segment, entries: Sequence[Entry], sizing: PartSizing, means: BuildContext
) -> BuiltSegment:
    """Make the parts of ``segment``, of which ``entries`` are the entries, their sizes known.

    ``sizing`` is that of the plan. Raises as ``build_archive`` does.
    """
    start = (segment.first_part, segment.offset)
    lengths = part_lengths(map(sized, entries), Layout(sizing, *start))
    build = _SegmentBuilder(entries, means, Layout(sizing, *start), lengths)
    try:
        return build.run()
    finally:
        build.stop()


def finish_archive(
    built: Sequence[BuiltSegment],
    records: Callable[[], Iterable[bytes]],
    upload: Upload,
) -> Archive:
    """Write the directory of an archive whose segments are ``built``, in order; complete it.

    ``records`` gives all central directory records, in order, in any pieces, as often as it is
    called; ``BuiltSegment.records`` is not looked at. Can be done twice, and by two workers: who
    comes too late finds the archive. Raises UploadGone if the upload is over without one.
    """
    parts = [part for segment in built for part in segment.parts]
    tail = built[-1].tail
    offset = sum(segment.size for segment in built)
    count = sum(segment.entries for segment in built)
    directory_bytes = sum(segment.records_bytes for segment in built)
    ends = end_records(directory_bytes, count, offset)
    number = max((part.number for part, _ in parts), default=0) + 1
    length = len(tail) + directory_bytes + len(ends)

    def content() -> Iterator[bytes]:
        yield tail
        yield from records()
        yield ends

    size = offset + directory_bytes + len(ends)
    try:
        last = upload.put_part(number, length, lambda: in_blocks(content()))
        parts.append((last, length))
        crc = combine((part.crc32, size) for part, size in parts)
        stored = upload.complete([part for part, _ in parts], crc, size)
    except UploadGone:
        crcs = [(part.crc32, size) for part, size in parts if part.number < number]
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


class _SegmentBuilder(ArchiveBuilder):
    """The entries of a segment, without a directory."""

    _tail = b""

    def run(self) -> BuiltSegment:
        self._work()
        uploaded = [self._uploaded[number] for number in sorted(self._uploaded)]
        parts = tuple(part for part in uploaded if part[0].etag)
        return BuiltSegment(
            parts=parts,
            tail=self._tail,
            records_bytes=sum(map(len, self._records)),
            records=b"".join(self._records),
            receipt=self._receipt,
            entries=len(self._records),
            source_bytes=self._bytes_done,
            copied_bytes=self._bytes_copied,
        )

    def _lay_out_end(self) -> bool:
        self._plan(self._layout.cut(), None)
        return True

    def _put(self, number: int, length: int, open_chunks: Callable[[], Chunks]) -> UploadedPart:
        """Keep what is too little for a part."""
        if length >= MIN_PART_BYTES:
            return super()._put(number, length, open_chunks)
        self._tail = b"".join(bytes(chunk) for chunk in open_chunks())
        return UploadedPart(number, "", crc32(self._tail))
