"""Run jobs from end to end: submit, wait, download, and check the archives.

``test-flow``, ``smoke`` and ``python -m local demo`` are built from these functions.
"""

import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from zipjobs_cli.archives.job_download import JobDownload
from zipjobs_cli.archives.receipt import read_receipt, receipt_path
from zipjobs_cli.archives.verify import verify
from zipjobs_cli.client.api import Api, ApiError
from zipjobs_cli.client.job import FINAL, Job
from zipjobs_cli.client.manifest import upload_manifest
from zipjobs_cli.client.poll import EVENT_SECONDS
from zipjobs_cli.client.request import Request
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.progress import bytes_bar
from zipjobs_cli.output.screen import counted

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

POLL_SECONDS = 0.25

MANIFEST = "zipjobs check a+b 100% ü"
"""Name of the uploaded manifest. Each upload is a new version, and so a new job. Its characters are
encoded in different ways by S3, its events and URLs.
"""


class Trigger(StrEnum):
    """The ways to submit a job."""

    API = "api"
    MANIFEST = "manifest"


@dataclass
class JobRun:
    """A job of a check.

    ``submitted_at`` is a time of the monotonic clock, ``seconds`` the duration until the last
    response of the API, and ``job`` that response. ``files`` are the downloaded archives.
    ``problem`` is the reason why the check failed.
    """

    job_id: str
    trigger: Trigger
    submitted_at: float
    seconds: float = 0.0
    job: Job | None = None
    files: Sequence[Path] = ()
    problem: str | None = None

    @property
    def status(self) -> str | None:
        return self.job["status"] if self.job else None

    @property
    def entries(self) -> int:
        return self.job["entries"]["done"] if self.job else 0

    @property
    def bytes(self) -> int:
        return self.job["bytes"]["done"] if self.job else 0

    @property
    def copied_bytes(self) -> int:
        """Bytes that S3 copied, and that did not pass through a function."""
        return sum(archive["copiedBytes"] for archive in self.job["archives"]) if self.job else 0

    @property
    def bytes_per_second(self) -> float:
        return self.bytes / self.seconds if self.seconds else 0.0


def submit(api: Api, trigger: Trigger, request: Request) -> JobRun:
    """Submit a job.

    Raises CliError if it is not accepted or its ID is unknown, and the exceptions of boto3.
    """
    submitted_at = time.monotonic()
    if trigger is Trigger.API:
        return JobRun(api.submit(request)["jobId"], trigger, submitted_at)
    manifest = upload_manifest(api.stack, MANIFEST, request)
    if manifest.job_id is None:
        raise CliError(
            f"The job of s3://{manifest.bucket}/{manifest.key} cannot be followed, because the "
            "bucket keeps no versions. Use --trigger api."
        )
    return JobRun(manifest.job_id, trigger, submitted_at)


def wait_for_runs(
    api: Api,
    runs: Sequence[JobRun],
    timeout_seconds: float,
    on_update: Callable[[JobRun], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Poll the jobs until each is finished or has a problem.

    ``on_update`` is called after each response. A job that is not READY, or takes longer than
    ``timeout_seconds``, has a problem. Raises CliError if the API does not respond.
    """
    waiting = list(runs)
    while waiting:
        for run in list(waiting):
            _poll(api, run, timeout_seconds)
            on_update(run)
            if run.problem or run.status in FINAL:
                waiting.remove(run)
        if waiting:
            sleep(POLL_SECONDS)


def _poll(api: Api, run: JobRun, timeout_seconds: float) -> None:
    try:
        run.job = api.get(run.job_id)
    except ApiError as error:
        if error.code != "JOB_NOT_FOUND":
            raise
    run.seconds = time.monotonic() - run.submitted_at
    if run.job is None:
        if run.seconds > min(EVENT_SECONDS, timeout_seconds):
            run.problem = f"still unknown to the API after {run.seconds:,.0f} seconds"
    elif run.status in FINAL:
        if error_details := run.job.get("error"):
            run.problem = f"{error_details['code']}: {error_details['message']}"
        elif run.status != "READY":
            run.problem = f"it is {run.status}"
    elif run.seconds > timeout_seconds:
        run.problem = f"still {run.status} after {run.seconds:,.0f} seconds"


def download_and_check(
    api: Api, run: JobRun, path: Path, expected: Counter[int], is_forced: bool = False
) -> None:
    """Download the archives of a READY job, and set ``problem`` if they are wrong.

    The files are ``path`` and, for more archives, ``path`` with ``-2``, ``-3`` and so on.
    ``expected`` has the number of objects by size. ``is_forced`` overwrites existing files.
    """
    if run.problem or run.job is None:
        return
    numbers = range(2, len(run.job["archives"]) + 1)
    paths = [path, *(path.with_stem(f"{path.stem}-{number}") for number in numbers)]
    download = JobDownload(api, run.job, is_forced)
    try:
        with bytes_bar("Downloading", download.size) as download.on_bytes:
            download.fetch(paths, has_receipts=True)
        run.files = paths
        with bytes_bar("Checking", download.size) as on_bytes:
            run.problem = "; ".join(find_problems(paths, expected, on_bytes)) or None
    except CliError as error:
        run.problem = str(error)


def object_sizes(s3: "S3Client", bucket: str, prefix: str) -> Counter[int]:
    """Return the number of objects by size. Empty objects that mark folders do not count."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return Counter(
        item["Size"]
        for page in pages
        for item in page.get("Contents", ())
        if item["Size"] or not item["Key"].endswith("/")
    )


def total_bytes(sizes: Counter[int]) -> int:
    """Return the total size of all objects."""
    return sum(size * count for size, count in sizes.items())


def find_problems(
    archives: Sequence[Path], expected: Counter[int], on_progress: Callable[[int], None]
) -> list[str]:
    """Return the problems of the archives of a job.

    Each archive must match its receipt, and Python's zipfile must be able to read it. Together they
    must have the ``expected`` number of entries of each size. ``on_progress`` is called with the
    number of bytes since the last call.

    Raises Unreadable if a file is not a ZIP file or a receipt.
    """
    problems: list[str] = []
    sizes: Counter[int] = Counter()
    for archive in archives:
        problems += _compare_with_receipt(archive, on_progress)
        problems += _read_with_zipfile(archive)
        sizes.update(entry.size for entry in read_receipt(receipt_path(archive)).read_entries())
    if sizes != expected:
        entries = counted(sizes.total(), "entry", "entries")
        objects = counted(expected.total(), "object", "objects")
        problems.append(
            f"{entries} with {total_bytes(sizes):,} bytes, expected {objects} with "
            f"{total_bytes(expected):,} bytes"
        )
    return problems


def _compare_with_receipt(archive: Path, on_progress: Callable[[int], None]) -> Iterator[str]:
    before = 0

    def on_read(done: int) -> None:
        nonlocal before
        on_progress(done - before)
        before = done

    verdict = verify(archive, receipt_path(archive), on_read)
    if not verdict.matches:
        count = counted(len(verdict.differences), "difference", "differences")
        yield f"{archive.name} does not match its receipt: {count}"


def _read_with_zipfile(archive: Path) -> Iterator[str]:
    try:
        with zipfile.ZipFile(archive) as opened:
            damaged = opened.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        yield f"Python's zipfile cannot read {archive.name}: {error}"
    else:
        if damaged is not None:
            yield f"{archive.name} is damaged: wrong CRC-32 of {damaged}"
