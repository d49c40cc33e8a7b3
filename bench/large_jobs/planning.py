"""Measure the planner on a job of a million entries: ``python -m bench plan``.

The zipper's own code reads a gzip list with sizes and ETags, splits it into segments and writes
them. Only AWS is simulated. The planner runs in a separate process to measure its memory.
"""

import argparse
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

from rich import box
from rich.console import Console
from rich.table import Table

from bench.rounds import cpu_seconds, peak_mb, reset_peak, resident_mb
from bench.workloads import KB, key
from zipjobs.archive.layout import Layout
from zipjobs.archive.parts.sizing import PartSizing
from zipjobs.archive.segment import part_lengths, sized
from zipjobs.jobs.job import Job, Submission, Trigger, UploadRef
from zipjobs.lifecycle.segment_objects import SegmentObjects
from zipjobs.model import utc_now
from zipjobs.requests.allow_list import AllowList, Location
from zipjobs.requests.schema import parse_request
from zipjobs.requests.sources import SourceReader
from zipjobs.requests.storage import ObjectRef
from zipjobs.s3.source import SkippedEntry
from zipjobs.worker.entry_list import EntryList, named
from zipjobs.worker.planner import Planner
from zipjobs.worker.request_loader import LoadedRequest
from zipjobs.worker.segment_plan import WorkerQuota
from zipjobs.worker.segment_store import SegmentStore
from zipjobs.worker.usage import Meter

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = 1_000_000
QUICK_ENTRIES = 50_000
BODY_BYTES = 100 * KB
POLICY = AllowList("src", "dst", "zips/", (Location("src"),), (Location("dst"),))


PLANNING_HEADINGS = ("entries", "segments", "wall s", "CPU s", "MB above idle")


@dataclass(frozen=True)
class PlanningResult:
    """The time and memory of planning.

    ``read_cpu_s`` is the CPU time per entry with which a worker reads its segment's entries.
    """

    entries: int
    list_bytes: int
    segments: int
    puts: int
    wall_s: float
    cpu_s: float
    above_idle_mb: float
    read_cpu_s: float


def main(arguments: list[str]) -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench plan", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    parser.add_argument("--entries", type=int, default=ENTRIES)
    options = parser.parse_args(arguments)
    planned = measure_planning(options.entries)
    if options.json:
        sys.stdout.write(json.dumps(asdict(planned), indent=1) + "\n")
        return 0
    table = Table(*PLANNING_HEADINGS, box=box.SIMPLE_HEAD)
    table.add_row(*cells(planned))
    Console().print(table)
    return 0


def cells(planned: PlanningResult) -> list[str]:
    """Return a row of the table."""
    return [
        f"{planned.entries:,}",
        f"{planned.segments:,}",
        f"{planned.wall_s:.1f}",
        f"{planned.cpu_s:.1f}",
        f"{planned.above_idle_mb:.0f}",
    ]


def measure_planning(entries: int) -> PlanningResult:
    """Plan in a separate process. Raises subprocess.SubprocessError."""
    command = [sys.executable, "-m", "bench.large_jobs.planning", str(entries)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)  # noqa: S603
    return PlanningResult(**json.loads(done.stdout))


def plan(entries: int, file: BinaryIO) -> PlanningResult:
    """Plan a job of ``entries``. ``file`` is where the list is written."""
    _write_list(file, entries)
    s3 = _S3(file)
    lists = SourceReader(cast("Any", s3), POLICY)
    segments = SegmentStore(SegmentObjects(cast("Any", s3), "work", "work/"))
    request = parse_request(b'{"entriesFrom": "s3://src/list.jsonl.gz"}')
    job = Job.pending(
        Submission(
            job_id="bench",
            trigger=Trigger.API,
            request=ObjectRef(bucket="src", key="request.json"),
            submitted_at=utc_now(),
        ),
        now=utc_now(),
    )
    aws = cast("Any", _JobTable())
    planner = Planner(aws, segments, aws, aws, aws, aws, Meter(), WorkerQuota(), PartSizing())
    destination = POLICY.resolve(request, job.job_id)
    idle = resident_mb()
    reset_peak()
    wall, cpu = time.perf_counter(), cpu_seconds()
    with EntryList(named(lists.read(request, "src"))) as listed:
        loaded = LoadedRequest(job, request, destination, listed)
        planned = planner.plan(loaded, utc_now() + timedelta(hours=1))
    wall, cpu, peak = time.perf_counter() - wall, cpu_seconds() - cpu, peak_mb()
    assert planned.segments is not None
    return PlanningResult(
        entries=entries,
        list_bytes=s3.list_bytes,
        segments=planned.segments,
        puts=s3.puts,
        wall_s=round(wall, 3),
        cpu_s=round(cpu, 3),
        above_idle_mb=round(peak - idle, 1),
        read_cpu_s=_read_cpu_seconds(segments, job.job_id),
    )


def _read_cpu_seconds(work: SegmentStore, job_id: str) -> float:
    cpu = cpu_seconds()
    entries = work.entries(job_id, 0)
    assert entries
    part_lengths(map(sized, entries), Layout(PartSizing()))
    return (cpu_seconds() - cpu) / len(entries)


def _write_list(file: BinaryIO, entries: int) -> None:
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1, mtime=0) as lines:
        for index in range(entries):
            etag = hashlib.md5(b"%d" % index, usedforsecurity=False).hexdigest()
            row = {"key": key(index), "size": BODY_BYTES, "etag": etag}
            lines.write(json.dumps(row).encode() + b"\n")


class _S3:
    """S3 with the list of entries. It keeps only the entries of segment 0."""

    def __init__(self, file: BinaryIO) -> None:
        self.list_bytes = file.seek(0, io.SEEK_END)
        self.puts = 0
        self._file = file
        self._segment_entries = b""

    def get_object(self, **parameters: str) -> dict[str, Any]:
        if "Range" not in parameters:
            return {"Body": io.BytesIO(self._segment_entries)}
        first, last = map(int, parameters["Range"].removeprefix("bytes=").split("-"))
        self._file.seek(first)
        body = io.BytesIO(self._file.read(last - first + 1))
        where = f"bytes {first}-{last}/{self.list_bytes}"
        return {"Body": body, "ETag": '"list"', "ContentRange": where}

    def put_object(self, **put: Any) -> dict[str, Any]:
        self.puts += 1
        if "entries/00000." in put["Key"]:
            self._segment_entries = put["Body"]
        return {}


class _JobTable:
    """The job table and the archive writer, as far as the planner needs them."""

    def create(self, target: object) -> str:
        return "upload"

    def record_uploads(self, job: Job, uploads: list[UploadRef]) -> Job:
        return job.model_copy(update={"uploads": tuple(uploads)})

    def record_plan(
        self, job: Job, segments: int, entries: int, source_bytes: int, skipped: list[SkippedEntry]
    ) -> Job:
        return job.model_copy(update={"segments": segments})


if __name__ == "__main__":
    with tempfile.TemporaryFile() as temporary:
        sys.stdout.write(json.dumps(asdict(plan(int(sys.argv[1]), temporary))) + "\n")
