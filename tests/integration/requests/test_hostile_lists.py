"""Lists made to use up a worker's memory or time: each ends with a code, and soon."""

import gzip
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest

from tests.integration.worker_setup import Workers
from zipjobs.jobs.job import Job, Status
from zipjobs.requests import list_formats as rows
from zipjobs.requests import sources as lists
from zipjobs.worker import heartbeat, request_loader

Change = Callable[[str, Any], None]


@pytest.fixture
def set_limit(monkeypatch: pytest.MonkeyPatch) -> Change:
    """Set a limit of ``rows``: the real ones take a gigabyte."""
    return lambda name, value: monkeypatch.setattr(rows, name, value)


def run_list(workers: Workers, list_: bytes) -> Job:
    workers.s3.put_object(Bucket="src", Key="list", Body=list_)
    return workers.run(workers.request({"entriesFrom": "s3://src/list", "naming": "path"}))


def code_of(job: Job) -> str:
    assert job.status is Status.FAILED
    assert job.error is not None
    return job.error.code


def deep_names(count: int) -> bytes:
    """Names of 400 folders, all of them different."""
    names = (f"{number}/" + "d/" * 399 + "x" for number in range(count))
    rows = ({"key": "a/one.pdf", "name": name} for name in names)
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_folders_in_names_are_limited(workers: Workers) -> None:
    """22,000 such names fit into 100 KB of gzip, and took a gigabyte of memory."""
    workers.max_names = 10_000
    job = run_list(workers, gzip.compress(deep_names(2_000)))
    assert code_of(job) == "LIST_TOO_LARGE"
    assert job.error is not None
    assert "more than 10,000 files and folders" in job.error.message


def test_names_below_the_limit_are_zipped(workers: Workers) -> None:
    workers.max_names = 200
    job = run_list(workers, deep_names(3))
    assert (job.status, job.archives[0].entries) == (Status.READY, 3)


@pytest.mark.parametrize(
    ("start", "line"), [(b'"\n', b'","\n'), (b'src,"', b"a\n"), (b'src,"', b"\n")]
)
def test_a_csv_record_that_never_ends_is_refused(
    workers: Workers, start: bytes, line: bytes
) -> None:
    job = run_list(workers, gzip.compress(start + line * 1_000_000))
    assert code_of(job) == "INVALID_MANIFEST"
    assert job.error is not None
    assert "record has more than 65,536 bytes" in job.error.message


def test_an_inventory_has_a_bounded_number_of_columns(workers: Workers) -> None:
    manifest = {
        "destinationBucket": "arn:aws:s3:::src",
        "fileFormat": "CSV",
        "fileSchema": ", ".join(["Bucket", "Key", *(f"C{number}" for number in range(100))]),
        "files": [],
    }
    workers.s3.put_object(Bucket="src", Key="manifest.json", Body=json.dumps(manifest).encode())
    job = workers.run(workers.request({"entriesFrom": "s3://src/manifest.json"}))
    assert code_of(job) == "INVALID_MANIFEST"


@pytest.mark.parametrize("line", [b"\n", b" \n", b"\t\r\n", b'""\n'], ids=repr)
def test_blank_lines_are_limited(workers: Workers, line: bytes) -> None:
    job = run_list(workers, gzip.compress(line * (rows.MAX_BLANK_LINES + 1)))
    assert code_of(job) == "LIST_TOO_LARGE"


def test_blank_lines_are_limited_in_all_files_together(workers: Workers, set_limit: Change) -> None:
    set_limit("MAX_BLANK_LINES", 5)
    files = [{"key": f"{number}.csv"} for number in range(2)]
    for file in files:
        workers.s3.put_object(Bucket="src", Key=file["key"], Body=b"\n\n\n")
    manifest = {
        "destinationBucket": "arn:aws:s3:::src",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key",
        "files": files,
    }
    workers.s3.put_object(Bucket="src", Key="manifest.json", Body=json.dumps(manifest).encode())
    job = workers.run(workers.request({"entriesFrom": "s3://src/manifest.json"}))
    assert code_of(job) == "LIST_TOO_LARGE"


def test_the_unpacked_bytes_of_a_list_are_limited(workers: Workers, set_limit: Change) -> None:
    set_limit("MAX_LIST_BYTES", 100_000)
    job = run_list(workers, gzip.compress(b'{"key": "a/one.pdf"}\n' * 10_000))
    assert code_of(job) == "LIST_TOO_LARGE"
    assert job.error is not None
    assert "100,000 uncompressed bytes" in job.error.message


REQUESTS = {
    "a list": {"entriesFrom": "s3://src/list"},
    "a prefix": {"prefix": "many/", "exclude": ["**"]},
}


@pytest.fixture
def many(workers: Workers) -> Iterator[None]:
    """A list and a prefix of a hundred objects, read as if each took a second."""
    workers.s3.put_object(Bucket="src", Key="list", Body=b'{"key": "a/one.pdf"}\n' * 100)
    for number in range(100):
        workers.s3.put_object(Bucket="src", Key=f"many/{number}", Body=b"")
    seconds = itertools.count()
    clock = type("Clock", (), {"monotonic": staticmethod(lambda: float(next(seconds)))})
    with patch.object(heartbeat, "time", clock), patch.object(request_loader, "time", clock):
        yield


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_reading_stops_when_the_job_is_cancelled(
    workers: Workers, request_: dict[str, Any]
) -> None:
    message = workers.request(request_)
    looked: list[str] = []
    real = workers.store.record_progress

    def record_progress(*arguments: Any) -> None:
        looked.append("heartbeat")
        if len(looked) == 3:
            workers.finalizer.cancel("job-1")
        real(*arguments)

    with patch.object(workers.store, "record_progress", record_progress):
        assert workers.run(message).status is Status.CANCELLED
    assert len(looked) == 3
    assert [one.status for one in workers.bus.published] == [Status.CANCELLED]


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_the_time_for_reading_is_limited(
    workers: Workers, request_: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_loader, "READING_FRACTION", 0.05)
    monkeypatch.setattr(request_loader, "MIN_READING_SECONDS", 0.0)
    job = workers.run(workers.request(request_))
    assert code_of(job) == "LIST_TOO_LARGE"
    assert job.error is not None
    assert "took more than 45 seconds" in job.error.message


def test_a_full_disk_is_a_list_that_is_too_large(workers: Workers) -> None:
    workers.s3.put_object(Bucket="src", Key="list", Body=b'{"key": "a/one.pdf"}\n' * 5)
    message = workers.request({"entriesFrom": "s3://src/list"})

    class Full:
        def __init__(self, _: int) -> None:
            self.lines = 0

        def write(self, _: bytes) -> None:
            self.lines += 1
            if self.lines == 3:
                raise OSError(28, "No space left on device")

    with patch("zipjobs.worker.entry_list.tempfile.SpooledTemporaryFile", Full):
        job = workers.run(message)
    assert code_of(job) == "LIST_TOO_LARGE"
    assert job.error is not None
    assert "full after 2 entries" in job.error.message


def test_limits_are_what_the_documentation_says() -> None:
    assert (rows.MAX_LIST_BYTES, rows.MAX_BLANK_LINES) == (1024**3, 100_000)
    assert (rows.MAX_RECORD_BYTES, lists.MAX_COLUMNS) == (65_536, 64)
