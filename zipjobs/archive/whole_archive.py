"""Builds a whole archive, and completes its upload."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from zipjobs.archive.builder import ArchiveBuilder
from zipjobs.archive.layout import Layout
from zipjobs.archive.options import BuildContext, WorkFound
from zipjobs.errors import InvalidRequest
from zipjobs.s3.source import Entry, SkippedEntry
from zipjobs.unreadable import none_left
from zipjobs.zipformat.crc32 import combine
from zipjobs.zipformat.records import central_directory


@dataclass(frozen=True, slots=True)
class Archive:
    """A finished archive. S3 copied ``copied_bytes`` of its entries.

    ``receipt`` has one line per entry. ``skipped`` are entries whose objects cannot be read.
    """

    etag: str
    version_id: str | None
    size: int
    crc32: int
    entries: int
    source_bytes: int
    copied_bytes: int
    receipt: Sequence[bytes] = ()
    skipped: Sequence[SkippedEntry] = ()


def build_archive(
    entries: Iterable[Entry],
    context: BuildContext,
    on_entry_found: Callable[[WorkFound], None] = lambda found: None,
) -> Archive:
    """Write ``entries``, in order, as one ZIP file, and complete the upload.

    ``on_entry_found`` is called for each entry. An error that it raises ends the build. Raises
    InvalidRequest if there are no entries, UnreadableObjects if all of them are skipped,
    ValueError if the pool is too small, and the errors of reader, layout and upload. The caller
    aborts the upload after an error.

    An object that cannot be read and is not skipped ends the writing. Entries that were not
    requested yet are then checked with one request each. The error is an UnreadableObject, or
    UnreadableObjects for several.
    """
    options = context.options
    layout = Layout(options.sizing if options.copy else options.sizing.without_copies())
    builder = ArchiveBuilder(
        entries, context, layout, central_directory, on_entry_found=on_entry_found
    )
    written = builder.run()
    if not written.records and written.skipped:
        raise none_left((one.code, str(one.entry.source)) for one in written.skipped)
    if not written.records:
        raise InvalidRequest("The list of objects is empty. Name at least one.")
    parts = list(written.parts)
    crc = combine((part.crc32, part.length) for part in parts)
    stored = context.upload.complete(parts, crc, written.size)
    return Archive(
        etag=stored.etag,
        version_id=stored.version_id,
        size=written.size,
        crc32=crc,
        entries=len(written.records),
        source_bytes=written.source_bytes,
        copied_bytes=written.copied_bytes,
        receipt=written.receipt,
        skipped=written.skipped,
    )
