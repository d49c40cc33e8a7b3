"""One entry's body on its way into the archive."""

from isal.isal_zlib import crc32

from zipjobs.archive.checksum import combine
from zipjobs.archive.layout import BodyPiece
from zipjobs.archive.members import Member
from zipjobs.archive.reader import Head, ObjectReader


class Body:
    """What is in memory of a body, and its CRC-32 as ranges of it are seen, in any order.

    A body that its head holds whole knows its CRC at once; a larger one when every piece of it
    has been noted. Not locked: whoever shares one between threads guards ``note_crc``.
    """

    def __init__(self, head: Head, member: Member, offset: int) -> None:
        self.member = member
        self._offset = offset
        self._head = head
        self._range_crcs: dict[int, tuple[int, int]] = {}
        self._unseen_bytes = head.pinned.size
        if len(head.data) == head.pinned.size:
            member.CRC = crc32(head.data)
            self._unseen_bytes = 0

    @property
    def crc_is_known(self) -> bool:
        return self._unseen_bytes == 0

    def central_record(self) -> bytes:
        """The member's central directory record, as far as its CRC-32 is known."""
        return self.member.central_record(self._offset)

    def bytes_in_memory(self, piece: BodyPiece) -> int:
        """How many of ``piece``'s bytes the head holds."""
        return max(0, min(piece.length, len(self._head.data) - piece.first))

    def load(self, piece: BodyPiece, reader: ObjectReader) -> bytes | memoryview:
        """The bytes of ``piece``: from memory as far as they are there, else from S3."""
        held = self.bytes_in_memory(piece)
        in_memory = memoryview(self._head.data)[piece.first : piece.first + held]
        if held == piece.length:
            return in_memory
        rest = reader.range(self._head.pinned, piece.first + held, piece.length - held)
        return b"".join((in_memory, rest)) if held else rest

    def note_crc(self, piece: BodyPiece, piece_crc: int) -> None:
        """Take the CRC-32 of a piece into account; the last one completes the member's."""
        self._range_crcs[piece.first] = (piece_crc, piece.length)
        self._unseen_bytes -= piece.length
        if self._unseen_bytes == 0:
            self.member.CRC = combine(self._range_crcs[first] for first in sorted(self._range_crcs))
