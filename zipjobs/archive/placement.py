"""Decides where each entry goes in the archive, and writes the records of its directory."""

from collections.abc import Callable

from zipjobs.archive.body_read import BodyRead
from zipjobs.archive.layout import CopyPart, Layout, Step
from zipjobs.archive.options import WorkFound
from zipjobs.archive.parts.sizing import HELD_BODY_BYTES
from zipjobs.archive.placed_entry import PlacedEntry
from zipjobs.errors import SourceChanged
from zipjobs.zipformat.records import Member

Ending = Callable[[bytes, int, int], bytes] | None
"""What comes after the last entry of an archive: a function of the joined records, their number and
their offset. None for a segment: a part of another segment follows."""


class Placement:
    """The entries of an archive, in order, with their records. The builder's lock guards it.

    ``records`` and ``receipt`` have an item for each entry, which is empty until the CRC-32 of its
    body is known. ``has_copies``: S3 copies what the layout wants to be copied.
    """

    def __init__(self, layout: Layout, ending: Ending, *, has_copies: bool) -> None:
        self.records: list[bytes] = []
        self.receipt: list[bytes] = []
        self.work = WorkFound(0, 0, 0)
        self._layout = layout
        self._ending = ending
        self._has_copies = has_copies
        self._crcs_missing = 0

    @property
    def entries_read(self) -> int:
        """Return the number of entries whose bodies were read to their ends, or copied."""
        return len(self.records) - self._crcs_missing

    @property
    def size(self) -> int:
        """Return the length of the archive so far."""
        return self._layout.offset

    def needs_size_pass(self, read: BodyRead) -> bool:
        """Return whether an entry can only be placed after its body was read for its CRC-32.

        Raises SourceChanged if the object has another size than its list says.
        """
        entry, version = read.entry, read.version
        assert version is not None
        if entry.size not in (None, version.size):
            changed = f"{entry.source} changed after it was listed. Submit the job again."
            raise SourceChanged(changed, (str(entry.source),))
        is_short = version.size <= HELD_BODY_BYTES
        return not (read.size_pass or is_short or self._layout.is_large(version.size))

    def place(self, read: BodyRead) -> tuple[PlacedEntry, list[Step]]:
        """Place the next entry. Return its steps. Raises ArchiveTooLarge."""
        version, size_pass = read.version, read.size_pass
        assert version is not None
        deflated = size_pass.deflated if size_pass else None
        size = deflated.size if deflated else version.size
        member = Member.of(
            read.entry.name, version.size, version.modified, size if deflated else None
        )
        offset, header_bytes = self._layout.offset, len(member.local_header())
        is_large = size_pass is None and self._layout.is_large(size)
        steps = self._layout.add(header_bytes, size, is_large)
        copy_bytes = sum(step.length for step in steps if isinstance(step, CopyPart))
        placed = PlacedEntry(
            number=len(self.records),
            entry=read.entry,
            version=version,
            member=member,
            deflated=deflated,
            offset=offset,
            header_bytes=header_bytes,
            assembled_bytes=size - copy_bytes,
            unread_bytes=size,
        )
        self.work = self.work.plus(size, copy_bytes if self._has_copies else 0)
        self.records.append(b"")
        self.receipt.append(b"")
        self._crcs_missing += 1
        if size_pass or not size:
            self.note_crc(placed, 0, size, size_pass.crc32 if size_pass else 0)
        return placed, steps

    def note_crc(self, placed: PlacedEntry, first: int, length: int, range_crc: int) -> None:
        """Note the CRC-32 of a range of a body. With the last one, write the entry's records."""
        if placed.note_crc(first, length, range_crc):
            self._crcs_missing -= 1
            self.records[placed.number] = placed.central_record()
            self.receipt[placed.number] = placed.receipt_line()

    def end(self) -> tuple[list[Step], bytes] | None:
        """Return the steps after the last entry, and their bytes. None if a CRC-32 is missing."""
        if self._ending is None:
            return self._layout.cut(), b""
        if self._crcs_missing:
            return None
        if not self.records:
            return [], b""
        ending = self._ending(b"".join(self.records), len(self.records), self._layout.offset)
        return self._layout.finish(len(ending)), ending
