"""Lists that would exhaust a worker's memory or time fail the job soon, with a code."""

import gzip
import itertools
import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from tests.integration.worker_setup import Workers, error_of
from zipjobs.jobs.job import JobError, Status
from zipjobs.requests.lists import formats, lines
from zipjobs.worker import heartbeat, request_loader
from zipjobs.worker.limits import JobLimits


def run_list(workers: Workers, content: bytes) -> JobError:
    workers.s3.put_object(Bucket="src", Key="list", Body=content)
    request = {"entriesFrom": "s3://src/list", "naming": "path"}
    return error_of(workers.run(workers.submit(request)))


def run_inventory(workers: Workers, schema: str, *files: bytes) -> JobError:
    manifest = {
        "destinationBucket": "arn:aws:s3:::src",
        "fileFormat": "CSV",
        "fileSchema": schema,
        "files": [{"key": f"{number}.csv"} for number in range(len(files))],
    }
    for number, rows in enumerate(files):
        workers.s3.put_object(Bucket="src", Key=f"{number}.csv", Body=rows)
    workers.s3.put_object(Bucket="src", Key="manifest.json", Body=json.dumps(manifest).encode())
    return error_of(workers.run(workers.submit({"entriesFrom": "s3://src/manifest.json"})))


def deep_names(count: int) -> bytes:
    """Return rows with different names of 400 folders."""
    names = (f"{number}/" + "d/" * 399 + "x" for number in range(count))
    rows = ({"key": "a/one.pdf", "name": name} for name in names)
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_folders_in_names_are_limited(workers: Workers) -> None:
    """100 KB of gzip can contain 22,000 such names, which once needed a gigabyte of memory."""
    workers.limits = JobLimits(max_paths=10_000)
    error = run_list(workers, gzip.compress(deep_names(2_000)))
    assert error.code == "LIST_TOO_LARGE"
    assert "more than 10,000 files and folders" in error.message


def test_names_below_the_limit_are_zipped(workers: Workers) -> None:
    workers.limits = JobLimits(max_paths=200)
    workers.s3.put_object(Bucket="src", Key="list", Body=deep_names(3))
    job = workers.run_all({"entriesFrom": "s3://src/list", "naming": "path"})
    assert (job.status, job.archives[0].entries) == (Status.READY, 3)


@pytest.mark.parametrize(
    ("start", "line"), [(b'"\n', b'","\n'), (b'src,"', b"a\n"), (b'src,"', b"\n")]
)
def test_a_csv_record_that_never_ends_is_refused(
    workers: Workers, start: bytes, line: bytes
) -> None:
    error = run_list(workers, gzip.compress(start + line * 1_000_000))
    assert error.code == "INVALID_MANIFEST"
    assert "record has more than 65,536 bytes" in error.message


def test_the_columns_of_an_inventory_are_limited(workers: Workers) -> None:
    schema = ", ".join(["Bucket", "Key", *(f"C{number}" for number in range(100))])
    assert run_inventory(workers, schema).code == "INVALID_MANIFEST"


@pytest.mark.parametrize("line", [b"\n", b" \n", b"\t\r\n", b'""\n'], ids=repr)
def test_blank_lines_are_limited(workers: Workers, line: bytes) -> None:
    error = run_list(workers, gzip.compress(line * (lines.MAX_BLANK_LINES + 1)))
    assert error.code == "LIST_TOO_LARGE"


def test_blank_lines_are_limited_in_all_files_together(workers: Workers) -> None:
    with patch.object(lines, "MAX_BLANK_LINES", 5):
        error = run_inventory(workers, "Bucket, Key", b"\n\n\n", b"\n\n\n")
    assert error.code == "LIST_TOO_LARGE"


def test_the_unpacked_bytes_of_a_list_are_limited(workers: Workers) -> None:
    with patch.object(lines, "MAX_LIST_BYTES", 100_000):
        error = run_list(workers, gzip.compress(b'{"key": "a/one.pdf"}\n' * 10_000))
    assert error.code == "LIST_TOO_LARGE"
    assert "100,000 uncompressed bytes" in error.message


REQUESTS = {
    "a list": {"entriesFrom": "s3://src/list"},
    "a prefix": {"prefix": "many/", "exclude": ["**"]},
}


@pytest.fixture
def slow(workers: Workers) -> Iterator[None]:
    """Create a list and a prefix of a hundred objects. Each takes a second to read."""
    workers.s3.put_object(Bucket="src", Key="list", Body=b'{"key": "a/one.pdf"}\n' * 100)
    for number in range(100):
        workers.s3.put_object(Bucket="src", Key=f"many/{number}", Body=b"")
    seconds = itertools.count()
    clock = type("Clock", (), {"monotonic": staticmethod(lambda: float(next(seconds)))})
    with patch.object(heartbeat, "time", clock), patch.object(request_loader, "time", clock):
        yield


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_reading_stops_when_the_job_is_cancelled(
    workers: Workers, request_: dict[str, Any]
) -> None:
    heartbeats: list[None] = []
    real = workers.store.record_progress

    def record_progress(*arguments: Any) -> None:
        heartbeats.append(None)
        if len(heartbeats) == 3:
            workers.finalizer.cancel("job-1")
        real(*arguments)

    with patch.object(workers.store, "record_progress", record_progress):
        assert workers.run_all(request_).status is Status.CANCELLED
    assert len(heartbeats) == 3
    assert workers.bus.statuses == [Status.CANCELLED]


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_the_time_for_reading_is_limited(
    workers: Workers, request_: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_loader, "READING_FRACTION", 0.05)
    monkeypatch.setattr(request_loader, "MIN_READING_SECONDS", 0.0)
    error = error_of(workers.run_all(request_))
    assert error.code == "LIST_TOO_LARGE"
    assert "took more than 45 seconds" in error.message


def test_a_list_that_fills_the_disk_is_too_large(workers: Workers) -> None:
    workers.s3.put_object(Bucket="src", Key="list", Body=b'{"key": "a/one.pdf"}\n' * 5)
    message = workers.submit({"entriesFrom": "s3://src/list"})

    class FullDisk:
        def __init__(self, _: int) -> None:
            self.lines = 0

        def write(self, _: bytes) -> None:
            self.lines += 1
            if self.lines == 3:
                raise OSError(28, "No space left on device")

    with patch("zipjobs.worker.entry_list.tempfile.SpooledTemporaryFile", FullDisk):
        error = error_of(workers.run(message))
    assert error.code == "LIST_TOO_LARGE"
    assert "full after 2 entries" in error.message


def test_limits_have_the_documented_values() -> None:
    assert (lines.MAX_LIST_BYTES, lines.MAX_BLANK_LINES) == (1024**3, 100_000)
    assert (formats.MAX_RECORD_BYTES, formats.MAX_COLUMNS) == (65_536, 64)
