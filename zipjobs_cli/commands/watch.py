"""``watch``: jobs as they go."""

import json
import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.live import Live

from zipjobs_cli.client.api import Api, ApiError
from zipjobs_cli.client.job import Job
from zipjobs_cli.client.poll import follow, job_progress
from zipjobs_cli.client.stack import StackSelector, find_stack
from zipjobs_cli.commands.options import JsonLinesOption, on_a_stack
from zipjobs_cli.commands.status import LimitOption, StatusOption
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.render import job_table, tell_job
from zipjobs_cli.output.screen import err, out, program

NOT_READY = 1

PAUSE_SECONDS = 2.0


@on_a_stack
def watch_command(
    where: StackSelector,
    job_id: Annotated[
        str | None,
        typer.Argument(
            metavar="JOB", help="Follow this job, until it has its end.", show_default=False
        ),
    ] = None,
    status: StatusOption = None,
    limit: LimitOption = 15,
    as_json: JsonLinesOption = False,
) -> None:
    """Follow one job to its end, or watch the newest jobs until Ctrl-C.

    The newest jobs are a table that changes; where that is no terminal, and with --json, a job is
    printed whenever it has changed.

    Exit codes:

    - 0: the job is READY; without JOB: Ctrl-C
    - 1: the job FAILED, or was CANCELLED
    - 2: wrong usage, or there is no such job, no stack, or no answer
    - 130: interrupted before the job had its end
    """
    api = Api(find_stack(where))
    if job_id is None:
        try:
            _watch(lambda: list(api.newest(limit, status)), as_json)
        except KeyboardInterrupt:
            return
    if status is not None:
        raise typer.BadParameter("it goes without JOB.", param_hint="--status")
    assert job_id is not None
    end_with(followed(api, job_id, as_json), as_json)


def followed(api: Api, job_id: str, as_json: bool, patience_seconds: float = 0.0) -> Job:
    """Follow a job to its end, with a bar on standard error.

    Interrupted, or where there is no answer any more, it says how to go on.
    """
    try:
        with job_progress(is_silent=as_json) as on_job:
            return follow(api, job_id, on_job, patience_seconds)
    except (KeyboardInterrupt, CliError) as error:
        if not isinstance(error, ApiError):
            _say_it_goes_on(job_id)
        raise


def _say_it_goes_on(job_id: str) -> None:
    command = program()
    err().print(
        f"The job goes on. `{command} watch {job_id}` follows it, "
        f"`{command} cancel {job_id}` ends it.",
        soft_wrap=True,
    )


def end_with(job: Job, as_json: bool) -> None:
    """Print a job that has its end. Raises typer.Exit: 0 if it is READY, else 1."""
    if as_json:
        typer.echo(json.dumps(job))
    else:
        tell_job(out(), job)
        if job["status"] == "READY":
            err().print(f"`{program()} download {job['jobId']}` fetches it.", soft_wrap=True)
    raise typer.Exit(0 if job["status"] == "READY" else NOT_READY)


def _watch(newest: Callable[[], list[Job]], as_json: bool) -> None:
    """Until KeyboardInterrupt."""
    console = out()
    if console.is_terminal and not as_json:
        with Live(console=console, screen=False, auto_refresh=False) as live:
            while True:
                live.update(job_table(newest()), refresh=True)
                time.sleep(PAUSE_SECONDS)
    seen: dict[str, Job] = {}
    while True:
        jobs = newest()
        for job in reversed(jobs):
            if seen.get(job["jobId"]) != job:
                _print_changed(job, as_json)
        seen = {job["jobId"]: job for job in jobs}
        time.sleep(PAUSE_SECONDS)


def _print_changed(job: Job, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(job))
        return
    entries, done = job["entries"], job["bytes"]
    typer.echo(
        f"{job['updatedAt']}  {job['jobId']}  {job['status']:<9}  "
        f"{entries['done']:,} entries  {done['done']:,} bytes"
    )
