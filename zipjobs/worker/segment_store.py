"""The objects that the workers of a planned job exchange in S3, below ``work/<job ID>/``.

::

    plan.json                archives, uploads, segments
    skipped.jsonl.gz         objects that are skipped, with the reason
    entries/00000.jsonl.gz   the entries of segment 0
    records/00000            its central directory records
    receipt/00000.jsonl.gz   its entries' lines of the receipt
    built/00000.json         its parts; a worker writes this object last
"""

import gzip
from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field

from zipjobs.archive.parts.sizing import PartSizing
from zipjobs.archive.segment import BuiltSegment, Segment, SegmentOutput
from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.job import UploadRef
from zipjobs.lifecycle.segment_objects import SegmentObjects
from zipjobs.model import Model
from zipjobs.s3.source import Entry
from zipjobs.worker.entry_list import dump_entry, load_entry
from zipjobs.worker.usage import Usage


class Plan(Model):
    """The uploads of a job's archives, in order, and the segments of all of them.

    ``tags`` are those of the archives and receipts. ``usage`` is what planning took.
    """

    target_bucket: str
    uploads: tuple[UploadRef, ...]
    segments: tuple[Segment, ...]
    sizing: PartSizing
    tags: dict[str, str] = Field(default_factory=dict)
    usage: Usage = Usage()

    def of_archive(self, archive: int) -> list[Segment]:
        """Return the segments of an archive, in order."""
        return [segment for segment in self.segments if segment.archive == archive]


class _Result(Model):
    built: BuiltSegment
    usage: Usage


class SegmentStore:
    """Plans, entries and results of segments. Every method raises ServiceUnavailable."""

    def __init__(self, objects: SegmentObjects) -> None:
        self._objects = objects

    def clean(self, job_id: str) -> None:
        """Delete all objects of a job."""
        self._objects.clean(job_id)

    def built_segments(self, job_id: str) -> set[int]:
        """Return the numbers of the segments that are built."""
        return self._objects.built_segments(job_id)

    def put_plan(self, job_id: str, plan: Plan) -> None:
        """Write the plan."""
        self._objects.put(job_id, "plan.json", plan.model_dump_json(by_alias=True).encode())

    def plan(self, job_id: str) -> Plan | None:
        """Return the plan, or None before it is written and after it is deleted."""
        data = self._objects.get(job_id, "plan.json")
        return Plan.model_validate_json(data) if data is not None else None

    def put_skipped(self, job_id: str, lines: Iterable[bytes]) -> None:
        """Write the receipt's lines of objects that are skipped."""
        self._put_lines(job_id, "skipped.jsonl.gz", lines)

    def skipped(self, job_id: str) -> Sequence[bytes] | None:
        """Return the lines of objects that are skipped, or None after they are deleted."""
        return self._lines(job_id, "skipped.jsonl.gz")

    def put_entries(self, job_id: str, segment: int, entries: Iterable[Entry]) -> None:
        """Write the entries of a segment."""
        self._put_lines(job_id, f"entries/{segment:05}.jsonl.gz", map(dump_entry, entries))

    def entries(self, job_id: str, segment: int) -> list[Entry] | None:
        """Return the entries of a segment, or None after they are deleted."""
        lines = self._lines(job_id, f"entries/{segment:05}.jsonl.gz")
        return None if lines is None else [load_entry(line) for line in lines]

    def put_built(self, job_id: str, segment: int, output: SegmentOutput, usage: Usage) -> None:
        """Write the result of a segment, and what building it took."""
        self._objects.put(job_id, f"records/{segment:05}", output.records)
        self._put_lines(job_id, f"receipt/{segment:05}.jsonl.gz", output.receipt)
        result = _Result(built=output.built, usage=usage)
        self._objects.put(job_id, f"built/{segment:05}.json", result.model_dump_json().encode())

    def built(self, job_id: str, segment: int) -> tuple[BuiltSegment, Usage] | None:
        """Return the result of a segment and what building it took, or None if it is not built."""
        data = self._objects.get(job_id, f"built/{segment:05}.json")
        if data is None:
            return None
        result = _Result.model_validate_json(data)
        return result.built, result.usage

    def records(self, job_id: str, segments: Sequence[int]) -> Iterator[bytes]:
        """Yield the central directory records of ``segments``, one segment at a time."""
        for segment in segments:
            data = self._objects.get(job_id, f"records/{segment:05}")
            if data is None:
                raise ServiceUnavailable(f"The records of segment {segment} are missing.")
            yield data

    def receipt(self, job_id: str, segments: Sequence[int]) -> Iterator[bytes]:
        """Yield the receipt's lines of ``segments``, one segment at a time."""
        for segment in segments:
            lines = self._lines(job_id, f"receipt/{segment:05}.jsonl.gz")
            if lines is None:
                raise ServiceUnavailable(f"The receipt of segment {segment} is missing.")
            yield from lines

    def _put_lines(self, job_id: str, name: str, lines: Iterable[bytes]) -> None:
        self._objects.put(job_id, name, gzip.compress(b"\n".join(lines), 1))

    def _lines(self, job_id: str, name: str) -> list[bytes] | None:
        data = self._objects.get(job_id, name)
        # Not splitlines: a key may contain other line separators.
        return None if data is None else [x for x in gzip.decompress(data).split(b"\n") if x]
