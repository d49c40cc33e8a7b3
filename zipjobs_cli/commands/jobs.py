"""``status``, ``list``, ``watch`` and ``cancel``."""

import time
from collections.abc import Callable
from typing import Annotated, Literal

import typer
from rich.live import Live

from zipjobs_cli.client.api import Api, ApiError
from zipjobs_cli.client.job import Job
from zipjobs_cli.client.poll import job_progress, wait_for_job
from zipjobs_cli.client.stack import StackSelector, find_stack
from zipjobs_cli.commands.options import JsonLinesOption, JsonOption, with_stack_options
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.render import job_table, print_job
from zipjobs_cli.output.screen import (
    print_error,
    print_json,
    print_note,
    print_result,
    print_table,
    program,
    stdout,
)

NOT_READY = 1
ALREADY_FINISHED = 1

PAUSE_SECONDS = 2.0

Status = Literal["PENDING", "RUNNING", "READY", "FAILED", "CANCELLED"]

JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="ID of the job.", show_default=False)
]
StatusOption = Annotated[
    Status | None,
    typer.Option("--status", help="Only jobs with this status.", show_default=False),
]
LimitOption = Annotated[int, typer.Option(metavar="N", min=1, help="Maximum number of jobs.")]


@with_stack_options
def status_command(
    selector: StackSelector, job_id: JobArgument, as_json: JsonOption = False
) -> None:
    """Show a job: its status, its progress, and links to its archives.

    Exit codes:

    - 0: the job was printed; use `watch JOB` for an exit code that depends on its status
    - 2: wrong usage, no such job, no stack, or no response
    - 130: interrupted
    """
    job = Api(find_stack(selector)).get(job_id)
    if as_json:
        print_json(job)
    else:
        print_job(stdout(), job, has_links=True)


@with_stack_options
def list_command(
    selector: StackSelector,
    status: StatusOption = None,
    limit: LimitOption = 20,
    as_json: JsonLinesOption = False,
) -> None:
    """List jobs, newest first: your own jobs and those of manifests.

    Exit codes:

    - 0: the jobs were printed, even if there are none
    - 2: wrong usage, no stack, or no response
    - 130: interrupted
    """
    jobs = Api(find_stack(selector)).newest(limit, status)
    if as_json:
        for job in jobs:
            print_json(job)
    elif rows := list(jobs):
        print_table(job_table(rows))
    else:
        print_note(f"No {f'{status} ' if status else ''}jobs.")


@with_stack_options
def cancel_command(
    selector: StackSelector, job_id: JobArgument, as_json: JsonOption = False
) -> None:
    """Cancel a job. Its workers stop within seconds, and partial output is deleted.

    Exit codes:

    - 0: the job is CANCELLED, now or already before
    - 1: the job is READY or FAILED and cannot be cancelled
    - 2: wrong usage, no such job, no stack, or no response
    - 130: interrupted
    """
    try:
        job = Api(find_stack(selector)).cancel(job_id)
    except ApiError as error:
        if error.code != "JOB_FINISHED":
            raise
        if as_json:
            print_json({"code": error.code, "detail": error.detail})
        else:
            print_error(error.detail)
        raise typer.Exit(ALREADY_FINISHED) from error
    if as_json:
        print_json(job)
    else:
        print_result(f"Job {job['jobId']} is {job['status']}.")


@with_stack_options
def watch_command(
    selector: StackSelector,
    job_id: Annotated[
        str | None,
        typer.Argument(metavar="JOB", help="Wait until this job is finished.", show_default=False),
    ] = None,
    status: StatusOption = None,
    limit: LimitOption = 15,
    as_json: JsonLinesOption = False,
) -> None:
    """Watch one job until it is finished, or the newest jobs until Ctrl-C.

    The newest jobs are shown in a table that is updated. If stdout is not a terminal, and with
    --json, each changed job is printed.

    Exit codes:

    - 0: the job is READY; without JOB: Ctrl-C
    - 1: the job is FAILED or CANCELLED
    - 2: wrong usage, no such job, no stack, or no response
    - 130: interrupted before the job was finished
    """
    api = Api(find_stack(selector))
    if job_id is None:
        try:
            _watch_jobs(lambda: list(api.newest(limit, status)), as_json)
        except KeyboardInterrupt:
            return
    if status is not None:
        raise typer.BadParameter("it cannot be combined with JOB.", param_hint="--status")
    assert job_id is not None
    wait_and_exit(api, job_id, as_json)


def wait_and_exit(api: Api, job_id: str, as_json: bool, start_seconds: float = 0.0) -> None:
    """Wait until a job is finished, with progress on stderr, and print it.

    Raises typer.Exit: 0 if it is READY, otherwise 1. If waiting is interrupted, print how to
    continue. ``start_seconds`` is the time limit until the API knows the job.
    """
    try:
        with job_progress(is_silent=as_json) as on_job:
            job = wait_for_job(api, job_id, on_job, start_seconds)
    except (KeyboardInterrupt, CliError) as error:
        if not isinstance(error, ApiError):
            command = program()
            print_note(
                f"The job is still running. Run `{command} watch {job_id}` to wait for it, or "
                f"`{command} cancel {job_id}` to cancel it."
            )
        raise
    is_ready = job["status"] == "READY"
    if as_json:
        print_json(job)
    else:
        print_job(stdout(), job)
        if is_ready:
            print_note(f"Run `{program()} download {job['jobId']}` to download it.")
    raise typer.Exit(0 if is_ready else NOT_READY)


def _watch_jobs(newest: Callable[[], list[Job]], as_json: bool) -> None:
    """Print jobs until KeyboardInterrupt."""
    console = stdout()
    if console.is_terminal and not as_json:
        with Live(console=console, screen=False, auto_refresh=False) as live:
            while True:
                live.update(job_table(newest()), refresh=True)
                time.sleep(PAUSE_SECONDS)
    printed: dict[str, Job] = {}
    while True:
        jobs = newest()
        for job in reversed(jobs):
            if printed.get(job["jobId"]) != job:
                _print_change(job, as_json)
        printed = {job["jobId"]: job for job in jobs}
        time.sleep(PAUSE_SECONDS)


def _print_change(job: Job, as_json: bool) -> None:
    if as_json:
        print_json(job)
        return
    typer.echo(
        f"{job['updatedAt']}  {job['jobId']}  {job['status']:<9}  "
        f"{job['entries']['done']:,} entries  {job['bytes']['done']:,} bytes"
    )
