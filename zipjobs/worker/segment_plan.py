"""Cuts the making of archives into segments that workers can make apart: pure arithmetic.

A segment is a contiguous run of entries with its own part numbers of an archive's upload. It begins
where a part begins and ends where one ends, so that its parts are laid out, and its bytes made,
without anything but its own entries and its start.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from zipjobs.archive.layout import CopyPart, Layout
from zipjobs.archive.part_sizing import GIB, MAX_ARCHIVE_BYTES, MAX_PARTS, PartSizing
from zipjobs.archive.segment import EntrySize, Segment
from zipjobs.errors import ArchiveTooLarge
from zipjobs.zipformat.records import END_BYTES, record_bytes

MANY_ENTRIES = 1 << 62
"""No part ends because of them: where sizes are known, a part's length is known before its end."""


MOST_SEGMENTS = 2_000
"""Each may end with a part that is not full. Of 36 TiB that are read, one takes 18 GiB."""


@dataclass(frozen=True, slots=True)
class WorkerQuota:
    """How much one worker takes: a few minutes' work at Lambda's network and S3's copies."""

    read_bytes: int = 1 * GIB
    copied_bytes: int = 16 * GIB
    entries: int = 20_000

    def is_full(self, entries: int, read_bytes: int, copied_bytes: int) -> bool:
        """Whether that much is a worker's share, or more."""
        return (
            entries >= self.entries
            or read_bytes >= self.read_bytes
            or copied_bytes >= self.copied_bytes
        )


class SizeHistogram:
    """How many bodies of what size there are, by powers of two: enough to size parts by."""

    def __init__(self) -> None:
        self.entries = 0
        self.total_bytes = 0
        self._counts = [0] * 64
        self._bytes = [0] * 64

    def note(self, sized: EntrySize) -> None:
        """Count one more."""
        self.entries += 1
        self.total_bytes += sized.header_bytes + sized.body_bytes
        self._counts[sized.body_bytes.bit_length()] += 1
        self._bytes[sized.body_bytes.bit_length()] += sized.body_bytes

    def share(self, least: WorkerQuota) -> WorkerQuota:
        """What one worker takes: ``least``, or more of so much that its cuts would cost parts."""
        bytes_each = self.total_bytes // MOST_SEGMENTS
        return WorkerQuota(
            max(least.read_bytes, bytes_each),
            max(least.copied_bytes, bytes_each),
            max(least.entries, self.entries // MOST_SEGMENTS),
        )

    def parts(self, sizing: PartSizing, share: WorkerQuota) -> int:
        """At most how many parts an archive of them all takes."""
        bits = (sizing.large_bytes - 1).bit_length() + 1  # all of these are large
        large, large_bytes = sum(self._counts[bits:]), sum(self._bytes[bits:])
        rest = self.total_bytes - large_bytes
        cuts = rest // share.read_bytes + large_bytes // share.copied_bytes
        cuts = min(self.entries, cuts + self.entries // share.entries)
        own = large_bytes // sizing.own_bytes + 2 * large
        return own + rest // sizing.assembled_bytes + cuts + 2


def sizing_for(
    census: SizeHistogram, sizing: PartSizing, share: WorkerQuota, max_bytes: int
) -> PartSizing:
    """``sizing``, enlarged until 10,000 parts hold the archives.

    Raises ArchiveTooLarge if no parts do.
    """
    if max_bytes >= MAX_ARCHIVE_BYTES and census.total_bytes > MAX_ARCHIVE_BYTES:
        raise ArchiveTooLarge(_TOO_LARGE)
    of_one_archive = min(1.0, 1.5 * max_bytes / max(1, census.total_bytes))
    sizing = replace(sizing, crowd=MANY_ENTRIES, growth=1, late_growth=MANY_ENTRIES)
    while census.parts(sizing, share) * of_one_archive > MAX_PARTS:
        enlarged = sizing.enlarged()
        if enlarged == sizing:
            raise ArchiveTooLarge(_TOO_LARGE)
        sizing = enlarged
    return sizing


def segments(
    entries: Iterable[EntrySize],
    sizing: PartSizing,
    share: WorkerQuota,
    max_bytes: int = MAX_ARCHIVE_BYTES,
) -> Iterator[Segment]:
    """Cut ``entries`` into archives of at most ``max_bytes``, and those into segments.

    Each comes as soon as it is known. Raises ArchiveTooLarge.
    """
    index = archive = first_entry = number = 0
    layout = Layout(sizing)
    directory_bytes = END_BYTES
    start = (layout.next_part, layout.offset)
    read = copied = bodies = 0

    def ended() -> Segment:
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
        is_over = layout.offset + size + directory_bytes + record > max_bytes
        is_share = share.is_full(number - first_entry, read, copied)
        if number > first_entry and (is_over or (is_share and layout.can_cut)):
            yield ended()
            index, first_entry = index + 1, number
            read = copied = bodies = 0
            if is_over:
                archive, layout, directory_bytes = archive + 1, Layout(sizing), END_BYTES
            start = (layout.next_part, layout.offset)
        steps = layout.add(entry.header_bytes, entry.body_bytes, layout.is_large(entry.body_bytes))
        own = sum(step.length for step in steps if isinstance(step, CopyPart))
        read, copied = read + size - own, copied + own
        bodies += entry.body_bytes
        directory_bytes += record
    number += 1
    if number > first_entry:
        yield ended()


_TOO_LARGE = (
    "The archive does not fit into 10,000 parts of S3. Ask for several: set maxArchiveBytes."
)
