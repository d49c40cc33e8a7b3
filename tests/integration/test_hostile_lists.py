"""Lists made to use up a worker's memory or time: each ends with a code, and soon."""

import gzip
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest

from tests.integration.rig import Rig
from zipjobs.jobs.job import Job, Status
from zipjobs.requests import list_formats as rows
from zipjobs.requests import sources as lists
from zipjobs.worker import heartbeat, request_loader

Change = Callable[[str, Any], None]


@pytest.fixture
def set_limit(monkeypatch: pytest.MonkeyPatch) -> Change:
    """Set a limit of ``rows``: the real ones take a gigabyte."""
    return lambda name, value: monkeypatch.setattr(rows, name, value)


def run_list(rig: Rig, list_: bytes) -> Job:
    rig.s3.put_object(Bucket="src", Key="list", Body=list_)
    return rig.run(rig.request({"entriesFrom": "s3://src/list", "naming": "path"}))


def code_of(job: Job) -> str:
    assert job.status is Status.FAILED
    assert job.error is not None
    return job.error.code


def deep_names(count: int) -> bytes:
    """Names of 400 folders, all of them different."""
    names = (f"{number}/" + "d/" * 399 + "x" for number in range(count))
    rows = ({"key": "a/one.pdf", "name": name} for name in names)
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_folders_in_names_are_limited(rig: Rig) -> None:
    """22,000 such names fit into 100 KB of gzip, and took a gigabyte of memory."""
    rig.max_names = 10_000
    job = run_list(rig, gzip.compress(deep_names(2_000)))
    assert code_of(job) == "LIST_TOO_LARGE"
    assert job.error is not None
    assert "more than 10,000 files and folders" in job.error.message


def test_names_below_the_limit_are_zipped(rig: Rig) -> None:
    rig.max_names = 200
    job = run_list(rig, deep_names(3))
    assert (job.status, job.archives[0].entries) == (Status.READY, 3)


@pytest.mark.parametrize(
    ("start", "line"), [(b'"\n', b'","\n'), (b'src,"', b"a\n"), (b'src,"', b"\n")]
)
def test_a_csv_record_that_never_ends_is_refused(rig: Rig, start: bytes, line: bytes) -> None:
    job = run_list(rig, gzip.compress(start + line * 1_000_000))
    assert code_of(job) == "INVALID_MANIFEST"
    assert job.error is not None
    assert "record has more than 65,536 bytes" in job.error.message


def test_an_inventory_has_a_bounded_number_of_columns(rig: Rig) -> None:
    manifest = {
        "destinationBucket": "arn:aws:s3:::src",
        "fileFormat": "CSV",
        "fileSchema": ", ".join(["Bucket", "Key", *(f"C{number}" for number in range(100))]),
        "files": [],
    }
    rig.s3.put_object(Bucket="src", Key="manifest.json", Body=json.dumps(manifest).encode())
    job = rig.run(rig.request({"entriesFrom": "s3://src/manifest.json"}))
    assert code_of(job) == "INVALID_MANIFEST"


@pytest.mark.parametrize("line", [b"\n", b" \n", b"\t\r\n", b'""\n'], ids=repr)
def test_blank_lines_are_limited(rig: Rig, line: bytes) -> None:
    job = run_list(rig, gzip.compress(line * (rows.MAX_BLANK_LINES + 1)))
    assert code_of(job) == "LIST_TOO_LARGE"


def test_blank_lines_are_limited_in_all_files_together(rig: Rig, set_limit: Change) -> None:
    set_limit("MAX_BLANK_LINES", 5)
    files = [{"key": f"{number}.csv"} for number in range(2)]
    for file in files:
        rig.s3.put_object(Bucket="src", Key=file["key"], Body=b"\n\n\n")
    manifest = {
        "destinationBucket": "arn:aws:s3:::src",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key",
        "files": files,
    }
    rig.s3.put_object(Bucket="src", Key="manifest.json", Body=json.dumps(manifest).encode())
    job = rig.run(rig.request({"entriesFrom": "s3://src/manifest.json"}))
    assert code_of(job) == "LIST_TOO_LARGE"


def test_the_unpacked_bytes_of_a_list_are_limited(rig: Rig, set_limit: Change) -> None:
    set_limit("MAX_LIST_BYTES", 100_000)
    job = run_list(rig, gzip.compress(b'{"key": "a/one.pdf"}\n' * 10_000))
    assert code_of(job) == "LIST_TOO_LARGE"
    assert job.error is not None
    assert "100,000 uncompressed bytes" in job.error.message


REQUESTS = {
    "a list": {"entriesFrom": "s3://src/list"},
    "a prefix": {"prefix": "many/", "exclude": ["**"]},
}


@pytest.fixture
def many(rig: Rig) -> Iterator[None]:
    """A list and a prefix of a hundred objects, read as if each took a second."""
    rig.s3.put_object(Bucket="src", Key="list", Body=b'{"key": "a/one.pdf"}\n' * 100)
    for number in range(100):
        rig.s3.put_object(Bucket="src", Key=f"many/{number}", Body=b"")
    seconds = itertools.count()
    clock = type("Clock", (), {"monotonic": staticmethod(lambda: float(next(seconds)))})
    with patch.object(heartbeat, "time", clock), patch.object(request_loader, "time", clock):
        yield


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_reading_stops_when_the_job_is_cancelled(rig: Rig, request_: dict[str, Any]) -> None:
    message = rig.request(request_)
    looked: list[str] = []
    real = rig.store.record_progress

    def record_progress(*arguments: Any) -> None:
        looked.append("heartbeat")
        if len(looked) == 3:
            rig.finalizer.cancel("job-1")
        real(*arguments)

    with patch.object(rig.store, "record_progress", record_progress):
        assert rig.run(message).status is Status.CANCELLED
    assert len(looked) == 3
    assert [one.status for one in rig.bus.published] == [Status.CANCELLED]


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_the_time_for_reading_is_limited(
    rig: Rig, request_: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_loader, "READING_FRACTION", 0.05)
    monkeypatch.setattr(request_loader, "MIN_READING_SECONDS", 0.0)
    job = rig.run(rig.request(request_))
    assert code_of(job) == "LIST_TOO_LARGE"
    assert job.error is not None
    assert "took more than 45 seconds" in job.error.message


def test_a_full_disk_is_a_list_that_is_too_large(rig: Rig) -> None:
    rig.s3.put_object(Bucket="src", Key="list", Body=b'{"key": "a/one.pdf"}\n' * 5)
    message = rig.request({"entriesFrom": "s3://src/list"})

    class Full:
        def __init__(self, _: int) -> None:
            self.lines = 0

        def write(self, _: bytes) -> None:
            self.lines += 1
            if self.lines == 3:
                raise OSError(28, "No space left on device")

    with patch("zipjobs.worker.entry_list.tempfile.SpooledTemporaryFile", Full):
        job = rig.run(message)
    assert code_of(job) == "LIST_TOO_LARGE"
    assert job.error is not None
    assert "full after 2 entries" in job.error.message


def test_limits_are_what_the_documentation_says() -> None:
    assert (rows.MAX_LIST_BYTES, rows.MAX_BLANK_LINES) == (1024**3, 100_000)
    assert (rows.MAX_RECORD_BYTES, lists.MAX_COLUMNS) == (65_536, 64)
