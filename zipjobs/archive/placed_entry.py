"""An entry with a position in the archive."""

from dataclasses import dataclass, field

from zipjobs.archive.parts.blocks import Slot
from zipjobs.archive.receipt import entry_line
from zipjobs.s3.source import Entry, ObjectVersion
from zipjobs.zipformat.crc32 import combine
from zipjobs.zipformat.deflate import Deflated
from zipjobs.zipformat.records import Member


@dataclass(slots=True, eq=False)
class PlacedEntry:
    """Entry ``number`` of the archive, whose local header is at ``offset``.

    The first ``assembled_bytes`` of its body go into assembled parts; S3 copies the rest. The
    CRC-32 of ``unread_bytes`` of the body is not known yet.
    """

    number: int
    entry: Entry
    version: ObjectVersion
    member: Member
    deflated: Deflated | None
    offset: int
    header_bytes: int
    assembled_bytes: int
    unread_bytes: int
    crc_is_known: bool = False
    _open_header: list[tuple[Slot, int]] = field(default_factory=list)
    _crcs: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def body_bytes(self) -> int:
        """Return the length of the body in the archive."""
        size: int = self.member.compress_size
        return size

    def note_crc(self, first: int, length: int, range_crc: int) -> bool:
        """Note the CRC-32 of a range. Return whether that of the body has become known.

        Slots that wait for the header are then filled.
        """
        if self.crc_is_known:
            return False
        self._crcs[first] = (range_crc, length)
        self.unread_bytes -= length
        if self.unread_bytes:
            return False
        in_order = (self._crcs[start] for start in sorted(self._crcs))
        self.member.CRC = range_crc if len(self._crcs) == 1 else combine(in_order)
        self.crc_is_known = True
        for slot, at in self._open_header:
            slot.fill(self.header(at, at + len(slot.view)))
        self._open_header.clear()
        self._crcs.clear()
        return True

    @property
    def kept(self) -> bytes | None:
        """Return the compressed body if it was kept in memory."""
        return self.deflated.kept if self.deflated else None

    def header(self, first: int, end: int) -> bytes:
        """Return a range of the local header."""
        return self.member.local_header()[first:end]

    def open_header(self, slot: Slot, first: int) -> None:
        """Fill ``slot`` with the header from ``first`` once it is known."""
        self._open_header.append((slot, first))

    def central_record(self) -> bytes:
        """Return the central directory record."""
        return self.member.central_record(self.offset)

    def receipt_line(self) -> bytes:
        """Return the line of the receipt."""
        return entry_line(self.entry.name, self.version, self.member.CRC)
