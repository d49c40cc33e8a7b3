"""Cuts jobs into segments that workers build independently. Arithmetic only, no I/O.

A segment is a contiguous run of entries with its own range of part numbers. It starts and ends at a
part boundary, so that a worker needs only its entries and its start to build its parts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from zipjobs.archive.layout import CopyPart, Layout
from zipjobs.archive.parts.sizing import GIB, MAX_ARCHIVE_BYTES, MAX_PARTS, PartSizing
from zipjobs.archive.segment import EntrySize, Segment
from zipjobs.errors import ArchiveTooLarge
from zipjobs.zipformat.records import END_BYTES, record_bytes

MANY_ENTRIES = 1 << 62
"""Disables the limit of entries per part: when sizes are known, a part's length is known early."""


MAX_SEGMENTS = 2_000
"""Segments of a job. Each may end with a short part. Of 36 TiB to read, a segment reads 18 GiB."""


@dataclass(frozen=True, slots=True)
class WorkerQuota:
    """The work of one worker: a few minutes of Lambda's network bandwidth and S3's copies."""

    read_bytes: int = 1 * GIB
    copied_bytes: int = 16 * GIB
    entries: int = 20_000

    def is_full(self, entries: int, read_bytes: int, copied_bytes: int) -> bool:
        """Return whether a limit is reached."""
        return (
            entries >= self.entries
            or read_bytes >= self.read_bytes
            or copied_bytes >= self.copied_bytes
        )


class SizeHistogram:
    """Counts entries by size, in powers of two. Part sizes are chosen from it."""

    def __init__(self) -> None:
        self.entries = 0
        self.total_bytes = 0
        self._counts = [0] * 64
        self._bytes = [0] * 64

    def add(self, sized: EntrySize) -> None:
        """Count an entry."""
        self.entries += 1
        self.total_bytes += sized.header_bytes + sized.body_bytes
        self._counts[sized.body_bytes.bit_length()] += 1
        self._bytes[sized.body_bytes.bit_length()] += sized.body_bytes

    def quota(self, least: WorkerQuota) -> WorkerQuota:
        """Return ``least``, raised so that the job has at most ``MAX_SEGMENTS`` segments."""
        bytes_each = self.total_bytes // MAX_SEGMENTS
        return WorkerQuota(
            max(least.read_bytes, bytes_each),
            max(least.copied_bytes, bytes_each),
            max(least.entries, self.entries // MAX_SEGMENTS),
        )

    def parts(self, sizing: PartSizing, quota: WorkerQuota) -> int:
        """Return an upper bound for the parts of one archive with all entries."""
        bits = (sizing.large_bytes - 1).bit_length() + 1  # from here on, all are large
        large, large_bytes = sum(self._counts[bits:]), sum(self._bytes[bits:])
        rest = self.total_bytes - large_bytes
        cuts = rest // quota.read_bytes + large_bytes // quota.copied_bytes
        cuts = min(self.entries, cuts + self.entries // quota.entries)
        copies = large_bytes // sizing.copy_part_bytes + 2 * large
        return copies + rest // sizing.assembled_bytes + cuts + 2


def sizing_for(
    histogram: SizeHistogram, sizing: PartSizing, quota: WorkerQuota, max_bytes: int
) -> PartSizing:
    """Return ``sizing``, enlarged until each archive fits into 10,000 parts.

    Raises ArchiveTooLarge if no part size suffices.
    """
    if max_bytes >= MAX_ARCHIVE_BYTES and histogram.total_bytes > MAX_ARCHIVE_BYTES:
        raise ArchiveTooLarge(_TOO_LARGE)
    of_one_archive = min(1.0, 1.5 * max_bytes / max(1, histogram.total_bytes))
    sizing = replace(sizing, early_end_entries=MANY_ENTRIES, growth=1, late_growth=MANY_ENTRIES)
    while histogram.parts(sizing, quota) * of_one_archive > MAX_PARTS:
        enlarged = sizing.enlarged()
        if enlarged == sizing:
            raise ArchiveTooLarge(_TOO_LARGE)
        sizing = enlarged
    return sizing


def segments(
    entries: Iterable[EntrySize],
    sizing: PartSizing,
    quota: WorkerQuota,
    max_bytes: int = MAX_ARCHIVE_BYTES,
) -> Iterator[Segment]:
    """Yield the segments of archives of at most ``max_bytes``. Raises ArchiveTooLarge."""
    index = archive = first_entry = number = 0
    layout = Layout(sizing)
    directory_bytes = END_BYTES
    start = (layout.next_part, layout.offset)
    read = copied = bodies = 0

    def finished() -> Segment:
        layout.cut()
        size = layout.offset - start[1]
        count = number - first_entry
        return Segment(index, archive, first_entry, count, *start, size, bodies)

    for number, entry in enumerate(entries):
        size = entry.header_bytes + entry.body_bytes
        record = record_bytes(entry.name)
        if size + record + END_BYTES > max_bytes:
            raise ArchiveTooLarge(
                f"{entry.name} alone takes {size + record + END_BYTES:,} bytes, and "
                f"maxArchiveBytes is {max_bytes:,}. Raise it, or leave the object out."
            )
        exceeds = layout.offset + size + directory_bytes + record > max_bytes
        is_full = quota.is_full(number - first_entry, read, copied)
        if number > first_entry and (exceeds or (is_full and layout.can_cut)):
            yield finished()
            index, first_entry = index + 1, number
            read = copied = bodies = 0
            if exceeds:
                archive, layout, directory_bytes = archive + 1, Layout(sizing), END_BYTES
            start = (layout.next_part, layout.offset)
        steps = layout.add(entry.header_bytes, entry.body_bytes, layout.is_large(entry.body_bytes))
        copy_bytes = sum(step.length for step in steps if isinstance(step, CopyPart))
        read, copied = read + size - copy_bytes, copied + copy_bytes
        bodies += entry.body_bytes
        directory_bytes += record
    number += 1
    if number > first_entry:
        yield finished()


_TOO_LARGE = (
    "The archive does not fit into 10,000 parts, the limit of S3. Set maxArchiveBytes to split it."
)
