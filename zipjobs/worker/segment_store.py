"""What the workers of a planned job leave for each other, in S3: ``work/<job id>/…``.

::

    plan.json                archives, uploads, segments
    skipped.jsonl.gz         objects that do not exist, and are left out
    entries/00000.jsonl.gz   what segment 0 is made of
    records/00000            its central directory records, once it has been made
    receipt/00000.jsonl.gz   its entries' lines in the receipt
    built/00000.json         what S3 answered for its parts; the last thing that its maker writes
"""

import base64
import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.archive.part_sizing import PartSizing
from zipjobs.archive.segment import BuiltSegment, Segment
from zipjobs.errors import ServiceUnavailable, aws_error_code
from zipjobs.jobs.job import UploadRef
from zipjobs.lifecycle.segment_cleanup import SegmentCleanup, unavailable
from zipjobs.model import Model
from zipjobs.s3.multipart_upload import UploadedPart
from zipjobs.s3.source import Entry
from zipjobs.worker.entry_list import ENTRY
from zipjobs.worker.usage import Usage


class Plan(Model):
    """How a job is made: ``uploads`` of its archives, in order, and their ``segments``.

    ``usage`` is what it took to find that out.
    """

    target_bucket: str
    uploads: tuple[UploadRef, ...]
    segments: tuple[Segment, ...]
    sizing: PartSizing
    usage: Usage = Usage()

    def of_archive(self, archive: int) -> list[Segment]:
        """The segments of an archive, in order."""
        return [segment for segment in self.segments if segment.archive == archive]


@dataclass(frozen=True, slots=True)
class _Part:
    number: int
    etag: str
    crc32: int
    length: int


class _Built(Model):
    """A ``BuiltSegment`` without its records."""

    parts: tuple[_Part, ...]
    tail: str
    records_bytes: int
    entries: int
    source_bytes: int
    copied_bytes: int
    usage: Usage = Usage()


class SegmentStore(SegmentCleanup):
    """Reads and writes what is in them. Every method raises ServiceUnavailable."""

    def put_plan(self, job_id: str, plan: Plan) -> None:
        self._put(job_id, "plan.json", plan.model_dump_json(by_alias=True).encode())

    def plan(self, job_id: str) -> Plan | None:
        """The plan, or None: it has been cleaned away, or was never made."""
        data = self._get(job_id, "plan.json")
        return Plan.model_validate_json(data) if data is not None else None

    def put_skipped(self, job_id: str, lines: Iterable[bytes]) -> None:
        self._put_lines(job_id, "skipped.jsonl.gz", lines)

    def skipped(self, job_id: str) -> Sequence[bytes] | None:
        """The lines of what is skipped, or None: they have been cleaned away."""
        return self._lines(job_id, "skipped.jsonl.gz")

    def put_entries(self, job_id: str, segment: int, entries: Iterable[Entry]) -> None:
        lines = (ENTRY.dump_json(entry) for entry in entries)
        self._put_lines(job_id, f"entries/{segment:05}.jsonl.gz", lines)

    def entries(self, job_id: str, segment: int) -> list[Entry] | None:
        lines = self._lines(job_id, f"entries/{segment:05}.jsonl.gz")
        return None if lines is None else [ENTRY.validate_json(line) for line in lines]

    def put_built(self, job_id: str, segment: int, built: BuiltSegment, usage: Usage) -> None:
        """Store a segment that has been made, and what that took."""
        self._put(job_id, f"records/{segment:05}", built.records)
        self._put_lines(job_id, f"receipt/{segment:05}.jsonl.gz", built.receipt)
        stored = _Built(
            parts=tuple(
                _Part(part.number, part.etag, part.crc32, length) for part, length in built.parts
            ),
            tail=base64.b64encode(built.tail).decode(),
            records_bytes=len(built.records),
            entries=built.entries,
            source_bytes=built.source_bytes,
            copied_bytes=built.copied_bytes,
            usage=usage,
        )
        self._put(job_id, f"built/{segment:05}.json", stored.model_dump_json().encode())

    def built(self, job_id: str, segment: int) -> tuple[BuiltSegment, Usage] | None:
        """What is known of a segment that has been made, and what that took; or None."""
        data = self._get(job_id, f"built/{segment:05}.json")
        if data is None:
            return None
        stored = _Built.model_validate_json(data)
        built = BuiltSegment(
            parts=tuple((_uploaded(part), part.length) for part in stored.parts),
            tail=base64.b64decode(stored.tail),
            records_bytes=stored.records_bytes,
            entries=stored.entries,
            source_bytes=stored.source_bytes,
            copied_bytes=stored.copied_bytes,
        )
        return built, stored.usage

    def records(self, job_id: str, segments: Sequence[int]) -> Iterator[bytes]:
        """The central directory records of ``segments``, one segment's at a time."""
        for segment in segments:
            data = self._get(job_id, f"records/{segment:05}")
            if data is None:
                raise ServiceUnavailable(f"The records of segment {segment} are gone.")
            yield data

    def receipt(self, job_id: str, segments: Sequence[int]) -> Iterator[bytes]:
        """The lines of the receipt of ``segments``, fetched a segment at a time."""
        for segment in segments:
            lines = self._lines(job_id, f"receipt/{segment:05}.jsonl.gz")
            if lines is None:
                raise ServiceUnavailable(f"The receipt of segment {segment} is gone.")
            yield from lines

    def _put_lines(self, job_id: str, name: str, lines: Iterable[bytes]) -> None:
        self._put(job_id, name, gzip.compress(b"\n".join(lines), 1))

    def _lines(self, job_id: str, name: str) -> list[bytes] | None:
        data = self._get(job_id, name)
        # Not splitlines: a key may hold what it takes for the end of a line.
        return None if data is None else [x for x in gzip.decompress(data).split(b"\n") if x]

    def _put(self, job_id: str, name: str, body: bytes) -> None:
        self._call("put_object", Key=self._key(job_id, name), Body=body)

    def _get(self, job_id: str, name: str) -> bytes | None:
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key(job_id, name))
            return answer["Body"].read()
        except ClientError as error:
            if aws_error_code(error) == "NoSuchKey":
                return None
            raise unavailable(error) from error
        except BotoCoreError as error:
            raise unavailable(error) from error


def _uploaded(part: _Part) -> UploadedPart:
    return UploadedPart(part.number, part.etag, part.crc32)
