"""The sizes of parts: the limits of S3, and the sizes that balance time and cost."""

from dataclasses import dataclass, replace

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

MIN_PART_BYTES = 5 * MIB
MAX_PART_BYTES = 5 * GIB
MAX_PARTS = 10_000
MAX_ARCHIVE_BYTES = 48 * TIB + 819 * GIB
"""S3's largest object, 48.8 TiB."""

HELD_BODY_BYTES = 16 * MIB
"""A body of up to this size stays in memory until its CRC-32 is known, so that its header can be
sent first. A larger body that S3 does not copy is read twice."""

SCARCE_FROM_PART = 5_000
"""From this part on, the threshold for copies doubles every ``SCARCE_STEP`` parts."""

SCARCE_STEP = 500


@dataclass(frozen=True, slots=True)
class PartSizing:
    """The sizes of parts, in bytes.

    S3 charges per request, so parts grow with the archive. An assembled part has 5 MiB, or
    1/``growth`` of its offset up to ``assembled_bytes``, or 1/``late_growth`` of its offset.

    S3 copies bodies of at least ``large_bytes`` (docs/adr/0003), in parts of ``copy_part_bytes``,
    or of 1/``copy_part_growth`` of the body if that is more. The
    threshold rises when part numbers become scarce.

    A part is sent once its length is known. So that reads and memory do not wait long, a part also
    ends once it has ``early_end_entries`` entries and ``early_end_bytes`` bytes.
    """

    assembled_bytes: int = 128 * MIB
    growth: int = 50
    late_growth: int = 1_000
    large_bytes: int = 16 * MIB
    copy_part_bytes: int = 32 * MIB
    copy_part_growth: int = 400
    early_end_entries: int = 64
    early_end_bytes: int = 16 * MIB

    def __post_init__(self) -> None:
        """Raises ValueError for sizes that S3 refuses."""
        if min(self.assembled_bytes, self.copy_part_bytes) < MIN_PART_BYTES:
            raise ValueError("parts must have at least 5 MiB")
        if self.large_bytes < 2 * MIN_PART_BYTES:
            raise ValueError("large_bytes must leave a part on either side of the cut")

    def assembled_target(self, offset: int) -> int:
        """Return the size of an assembled part at ``offset`` of the archive."""
        early = min(_steps(offset // self.growth), self.assembled_bytes)
        late = _steps(offset // self.late_growth)
        return min(max(MIN_PART_BYTES, early, late), MAX_PART_BYTES)

    def copy_part_target(self, offset: int, body_bytes: int) -> int:
        """Return the size of the copy parts of a body at ``offset``."""
        late = _steps(offset // self.late_growth)
        grown = _steps(body_bytes // self.copy_part_growth)
        return min(max(self.copy_part_bytes, grown, late), MAX_PART_BYTES)

    def large_target(self, part: int) -> int:
        """Return the size from which S3 copies bodies, when ``part`` is the next number."""
        steps = max(0, part - SCARCE_FROM_PART) // SCARCE_STEP
        return min(self.large_bytes << steps, MAX_ARCHIVE_BYTES)

    def enlarged(self) -> "PartSizing":
        """Return a sizing with larger and fewer parts, or an equal one if there is none.

        Assembled parts of 5 GiB need the fewest part numbers.
        """
        if self.assembled_bytes == self.copy_part_bytes == MAX_PART_BYTES:
            return replace(self, large_bytes=min(self.large_bytes << 1, 2 * MAX_ARCHIVE_BYTES))
        return replace(
            self,
            assembled_bytes=min(self.assembled_bytes << 1, MAX_PART_BYTES),
            copy_part_bytes=min(self.copy_part_bytes << 1, MAX_PART_BYTES),
            large_bytes=self.large_bytes << 1,
        )

    def without_copies(self) -> "PartSizing":
        """Return the sizing for a build that reads all bodies instead of copying them."""
        return replace(self, copy_part_bytes=2 * MIN_PART_BYTES)


def _steps(size: int) -> int:
    """Return ``size`` rounded up to a multiple of 5 MiB."""
    return -(-size // MIN_PART_BYTES) * MIN_PART_BYTES
