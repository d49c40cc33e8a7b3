"""What a build works with, how much it does at once, and what it says of itself meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass, field

from zipjobs.archive.blocks import BlockPool
from zipjobs.archive.entry_reads import HELD_BODY_BYTES
from zipjobs.archive.part_sizing import MIB, MIN_PART_BYTES, PartSizing
from zipjobs.archive.parts import KEPT_PART_BYTES
from zipjobs.s3.multipart_upload import Upload
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How much is done at once, and how.

    ``probe_bytes`` of an object are asked for before anything is known of it: all of a small one,
    and as much of a large one as may stand in front of a copy.
    """

    probes: int = 192
    probe_bytes: int = MIN_PART_BYTES
    range_bytes: int = 1 * MIB
    ranges: int = 48
    measurements: int = 16
    uploads: int = 10
    copies: int = 32
    copy: bool = True
    deflate: bool = False
    skip_missing: bool = False
    progress_seconds: float = 2.0
    sizing: PartSizing = field(default_factory=PartSizing)

    @property
    def least_memory_bytes(self) -> int:
        """What the engine needs for its blocks, so that it never waits for ever.

        One part that waits for the CRC-32 of a large body, one that is not long enough to end, and
        the body that makes it so and waits for its own CRC-32.
        """
        waiting, open_part = KEPT_PART_BYTES, max(MIN_PART_BYTES, self.sizing.crowded_bytes)
        return waiting + open_part + HELD_BODY_BYTES + 2 * BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class Progress:
    """What has been uploaded so far: whole entries, and bytes of their bodies in the archive."""

    entries: int
    source_bytes: int


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What a build works with. ``blocks`` is all the memory that grows with what is under way.

    ``on_progress`` is called every ``progress_seconds``, whether there was any or not; what it
    raises ends the build.
    """

    reader: ObjectReader
    upload: Upload
    blocks: BlockPool
    options: EngineOptions
    on_progress: Callable[[Progress], None] = lambda progress: None
