"""How large the parts of an archive are: S3's limits, and the sizes that time and money ask for."""

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

SCARCE_FROM_PART = 5_000
"""From here on the threshold for parts of one's own doubles every ``SCARCE_STEP`` parts."""

SCARCE_STEP = 500


@dataclass(frozen=True, slots=True)
class PartSizing:
    """How large parts are.

    Assembled parts have 5 MiB at first, then 1/``growth`` of what stands before them until they
    have ``assembled_bytes``, and from there 1/``late_growth``: every request costs the same,
    whatever it carries. Bodies of ``large_bytes`` and more get parts of their own (docs/adr/0003),
    of ``own_bytes``, or of 1/``own_growth`` of the body if that is more. Of an archive that uses up
    its part numbers only ever larger bodies do.

    A part is sent once its length is known. So it ends early when it holds ``crowd`` entries and
    ``crowded_bytes``: neither reads that wait for their place, nor memory, have to reach further.
    """

    assembled_bytes: int = 128 * MIB
    growth: int = 50
    late_growth: int = 1_000
    large_bytes: int = 16 * MIB
    own_bytes: int = 32 * MIB
    own_growth: int = 400
    crowd: int = 64
    crowded_bytes: int = 16 * MIB

    def __post_init__(self) -> None:
        """Refuse sizes that S3 would."""
        if min(self.assembled_bytes, self.own_bytes) < MIN_PART_BYTES:
            raise ValueError("parts must have at least 5 MiB")
        if self.large_bytes < 2 * MIN_PART_BYTES:
            raise ValueError("large_bytes must leave a part on either side of the cut")

    def assembled_target(self, offset: int) -> int:
        """The size of an assembled part that starts ``offset`` bytes into the archive."""
        early = min(_steps(offset // self.growth), self.assembled_bytes)
        late = _steps(offset // self.late_growth)
        return min(max(MIN_PART_BYTES, early, late), MAX_PART_BYTES)

    def own_target(self, offset: int, body_bytes: int) -> int:
        """The size of the parts of a large body that starts at ``offset``."""
        late = _steps(offset // self.late_growth)
        grown = _steps(body_bytes // self.own_growth)
        return min(max(self.own_bytes, grown, late), MAX_PART_BYTES)

    def large_target(self, part: int) -> int:
        """From which size on a body gets parts of its own, when ``part`` is the next number."""
        steps = max(0, part - SCARCE_FROM_PART) // SCARCE_STEP
        return min(self.large_bytes << steps, MAX_ARCHIVE_BYTES)

    def enlarged(self) -> "PartSizing":
        """Parts twice as large where S3 allows, and fewer of one's own; the same if it cannot be.

        An archive that is all of assembled parts of 5 GiB needs the fewest.
        """
        if self.assembled_bytes == self.own_bytes == MAX_PART_BYTES:
            return replace(self, large_bytes=min(self.large_bytes << 1, 2 * MAX_ARCHIVE_BYTES))
        return replace(
            self,
            assembled_bytes=min(self.assembled_bytes << 1, MAX_PART_BYTES),
            own_bytes=min(self.own_bytes << 1, MAX_PART_BYTES),
            large_bytes=self.large_bytes << 1,
        )

    def without_copies(self) -> "PartSizing":
        """For bodies that are read whatever their size: their parts as those of any others."""
        return replace(self, own_bytes=2 * MIN_PART_BYTES)


def _steps(size: int) -> int:
    """``size``, rounded up to a multiple of 5 MiB."""
    return -(-size // MIN_PART_BYTES) * MIN_PART_BYTES
