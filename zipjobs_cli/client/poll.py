"""Wait for jobs to finish."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import TextColumn

from zipjobs_cli.client.api import Api, ApiError
from zipjobs_cli.client.job import FINAL, Count, Job
from zipjobs_cli.output.progress import bar, byte_columns
from zipjobs_cli.output.screen import counted, print_note

FIRST_PAUSE_SECONDS = 0.3
MAX_PAUSE_SECONDS = 3.0
PAUSE_FACTOR = 1.3

EVENT_SECONDS = 60.0
"""Time limit until an uploaded manifest becomes a job (S3 event, EventBridge, SQS)."""

LOG_SECONDS = 10.0
"""Interval of progress lines if stderr is not a terminal."""

OnJob = Callable[[Job], None]


def wait_for_job(
    api: Api,
    job_id: str,
    on_job: OnJob,
    start_seconds: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Job:
    """Poll a job until it is finished, and return it. ``on_job`` is called with every response.

    ``start_seconds`` is the time limit until the API knows the job. Raises what ``Api.get`` raises.
    """
    pause = FIRST_PAUSE_SECONDS
    deadline = time.monotonic() + start_seconds
    while True:
        try:
            job = api.get(job_id)
        except ApiError as error:
            if error.code != "JOB_NOT_FOUND" or time.monotonic() > deadline:
                raise
        else:
            on_job(job)
            if job["status"] in FINAL:
                return job
        sleep(pause)
        pause = min(pause * PAUSE_FACTOR, MAX_PAUSE_SECONDS)


@contextmanager
def job_progress(is_silent: bool = False) -> Iterator[OnJob]:
    """Show the progress of a job on stderr: a bar in a terminal, otherwise lines.

    Yields the function to call with each response. ``is_silent`` suppresses the lines.
    """
    columns = (TextColumn("{task.fields[status]}"), TextColumn("{task.fields[entries]}"))
    with bar(*columns, *byte_columns()) as progress:
        task = progress.add_task("", total=None, status="…", entries="")
        printed_status, printed_at = "", time.monotonic()

        def on_job(job: Job) -> None:
            nonlocal printed_status, printed_at
            status, done = job["status"], job["bytes"]
            entries = _progress_text(job["entries"], "entry", "entries")
            progress.update(
                task, completed=done["done"], total=done["total"], status=status, entries=entries
            )
            is_due = status != printed_status or time.monotonic() > printed_at + LOG_SECONDS
            if progress.disable and is_due and not is_silent:
                size = _progress_text(done, "byte", "bytes")
                print_note(f"Job {job['jobId']}: {status}, {entries}, {size}")
                printed_status, printed_at = status, time.monotonic()

        yield on_job


def _progress_text(count: Count, one: str, many: str) -> str:
    """Return ``3 entries``, or ``3 of 7 entries`` if the total is known."""
    if count["total"] is None:
        return counted(count["done"], one, many)
    return f"{count['done']:,} of {count['total']:,} {many}"
