"""Follows a job to its end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import TextColumn

from zipjobs_cli.client.api import Api, ApiError
from zipjobs_cli.client.job import FINAL, Job
from zipjobs_cli.output.progress import bar, byte_columns
from zipjobs_cli.output.screen import counted, line

FIRST_PAUSE_SECONDS = 0.3
LAST_PAUSE_SECONDS = 3.0
LONGER = 1.3

EVENT_SECONDS = 60.0
"""As long as a dropped manifest may take to become a job: S3's event, EventBridge, the queue."""

TELL_SECONDS = 10.0
"""How often a log is told how a job goes."""

OnJob = Callable[[Job], None]


def follow(
    api: Api,
    job_id: str,
    on_job: OnJob,
    patience_seconds: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Job:
    """Ask for a job again and again until it has its end; tell every answer.

    A job that is not known is waited for, as long as ``patience_seconds``. Raises what ``Api.get``
    raises.
    """
    pause = FIRST_PAUSE_SECONDS
    give_up = time.monotonic() + patience_seconds
    while True:
        try:
            job = api.get(job_id)
        except ApiError as error:
            if error.code != "JOB_NOT_FOUND" or time.monotonic() > give_up:
                raise
        else:
            on_job(job)
            if job["status"] in FINAL:
                return job
        sleep(pause)
        pause = min(pause * LONGER, LAST_PAUSE_SECONDS)


@contextmanager
def job_progress(is_silent: bool = False) -> Iterator[OnJob]:
    """Shows how a job goes, on standard error: a bar where that is a terminal, else lines.

    Yields who is to be told. ``is_silent``: nothing is shown where it is no terminal.
    """
    shown = (TextColumn("{task.fields[status]}"), TextColumn("{task.fields[entries]}"))
    with bar(*shown, *byte_columns()) as progress:
        task = progress.add_task("", total=None, status="…", entries="")
        last_status, told_at = "", time.monotonic()

        def on_job(job: Job) -> None:
            nonlocal last_status, told_at
            done = job["bytes"]
            progress.update(
                task,
                completed=done["done"],
                total=done["total"],
                status=job["status"],
                entries=_entries(job),
            )
            is_news = job["status"] != last_status or time.monotonic() > told_at + TELL_SECONDS
            if progress.disable and is_news and not is_silent:
                text = f"Job {job['jobId']}: {job['status']}, {_entries(job)}, {_bytes(job)}"
                progress.console.print(line(text), soft_wrap=True)
                last_status, told_at = job["status"], time.monotonic()

        yield on_job


def _entries(job: Job) -> str:
    done, total = job["entries"]["done"], job["entries"]["total"]
    return counted(done, "entry", "entries") if total is None else f"{done:,} of {total:,} entries"


def _bytes(job: Job) -> str:
    done, total = job["bytes"]["done"], job["bytes"]["total"]
    return f"{done:,} bytes" if total is None else f"{done:,} of {total:,} bytes"
