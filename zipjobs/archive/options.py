"""The options of the engine, and the objects that a build uses."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from zipjobs.archive.parts.assembled_part import KEPT_PART_BYTES
from zipjobs.archive.parts.blocks import BlockPool
from zipjobs.archive.parts.sizing import HELD_BODY_BYTES, MIB, MIN_PART_BYTES, PartSizing
from zipjobs.s3.multipart_upload import Upload
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Limits of concurrent work, and how entries are written.

    ``probe_bytes`` is the length of the first read of an object: all of a small object, and of a
    large one as many bytes as the layout may need in front of a copy. ``skip`` are error codes:
    objects that cannot be read for one of them are left out of the archive.
    """

    probes: int = 128
    probe_bytes: int = MIN_PART_BYTES
    range_bytes: int = 1 * MIB
    ranges: int = 24
    measurements: int = 16
    uploads: int = 10
    copies: int = 32
    copy: bool = True
    deflate: bool = False
    skip: frozenset[str] = frozenset()
    progress_seconds: float = 2.0
    sizing: PartSizing = field(default_factory=PartSizing)

    @property
    def least_memory_bytes(self) -> int:
        """The least memory for blocks with which a build cannot deadlock.

        It holds a part that waits for the CRC-32 of a large body, a part that is still too short,
        and the body that completes that part and waits for its own CRC-32.
        """
        waiting, open_part = KEPT_PART_BYTES, max(MIN_PART_BYTES, self.sizing.early_end_bytes)
        return waiting + open_part + HELD_BODY_BYTES + 2 * BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class Progress:
    """Entries that are read to their ends so far, and bytes of entries that are uploaded."""

    entries: int
    source_bytes: int


@dataclass(frozen=True, slots=True)
class WorkFound:
    """The work of the entries that were found so far."""

    entries: int
    read_bytes: int
    copied_bytes: int

    def plus(self, body_bytes: int, copied_bytes: int) -> "WorkFound":
        """Return the work with another entry, of whose body S3 copies ``copied_bytes``."""
        return WorkFound(
            self.entries + 1,
            self.read_bytes + body_bytes - copied_bytes,
            self.copied_bytes + copied_bytes,
        )


@dataclass(frozen=True, slots=True)
class BuildContext:
    """The objects that one build uses. ``blocks`` limits the memory of data in transit.

    ``on_progress`` is called every ``progress_seconds``. An error that it raises ends the build.
    After ``check_until``, in seconds of the monotonic clock, a build that has met an object that
    cannot be read does not check other objects any more.
    """

    reader: ObjectReader
    upload: Upload
    blocks: BlockPool
    options: EngineOptions
    on_progress: Callable[[Progress], None] = lambda progress: None
    check_until: float = inf


@dataclass(frozen=True, slots=True)
class Engine:
    """The reader, the memory and the options that all builds of a worker share."""

    reader: ObjectReader
    blocks: BlockPool
    options: EngineOptions = field(default_factory=EngineOptions)

    def context(
        self,
        upload: Upload,
        on_progress: Callable[[Progress], None],
        check_until: float = inf,
        **options: Any,
    ) -> BuildContext:
        """Return the context of a build into ``upload``, with other ``options`` if given."""
        changed = replace(self.options, **options)
        return BuildContext(self.reader, upload, self.blocks, changed, on_progress, check_until)
