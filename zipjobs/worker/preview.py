"""What a job would do, without starting it."""

from collections.abc import Iterator

from zipjobs.requests.schema import JobRequest
from zipjobs.requests.sources import SourceReader
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.probe_objects import probe_objects
from zipjobs.s3.source import Entry, SkippedEntry
from zipjobs.unreadable import UNREADABLE_CODES
from zipjobs.worker.entry_list import entries_of, with_sizes_of_markers


def preview(
    request: JobRequest, source_bucket: str, sources: SourceReader, reader: ObjectReader
) -> Iterator[Entry | SkippedEntry]:
    """Yield the entries of an archive, with their sizes, and the objects that cannot be read.

    The objects below a prefix exist, so only those of unknown size are requested. Raises the errors
    of the request and its list, which are those of a job.
    """
    unreadable: list[SkippedEntry] = []
    listed = with_sizes_of_markers(sources.read(request, source_bucket), reader)
    with entries_of(request, listed) as entries:
        yield from probe_objects(
            entries,
            reader,
            asks_all=request.prefix is None,
            skip=UNREADABLE_CODES,
            on_skipped=unreadable.append,
        )
    yield from unreadable
