"""``status``, ``list`` and ``cancel``: one question to the API, and its answer."""

import json
from typing import Annotated, Literal

import typer

from zipjobs_cli.client.api import Api, ApiError
from zipjobs_cli.client.stack import StackSelector, find_stack
from zipjobs_cli.commands.options import JsonLinesOption, JsonOption, on_a_stack
from zipjobs_cli.output.render import job_table, tell_job
from zipjobs_cli.output.screen import err, line, out

IS_FINISHED = 1

Status = Literal["PENDING", "RUNNING", "READY", "FAILED", "CANCELLED"]

JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="The job's id.", show_default=False)
]
StatusOption = Annotated[
    Status | None,
    typer.Option("--status", help="Only jobs with this status.", show_default=False),
]
LimitOption = Annotated[int, typer.Option(metavar="N", min=1, help="How many, at the most.")]


@on_a_stack
def status_command(where: StackSelector, job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Show a job: how far it is, what became of it, and links to its archives.

    Exit codes:

    - 0: it is shown, whatever its status is; `watch JOB` has exit codes that tell that
    - 2: wrong usage, or there is no such job, no stack, or no answer
    - 130: interrupted
    """
    job = Api(find_stack(where)).get(job_id)
    if as_json:
        typer.echo(json.dumps(job))
    else:
        tell_job(out(), job, has_links=True)


@on_a_stack
def list_command(
    where: StackSelector,
    status: StatusOption = None,
    limit: LimitOption = 20,
    as_json: JsonLinesOption = False,
) -> None:
    """List jobs, the newest first: your own, and those that came by manifest.

    Exit codes:

    - 0: they are listed, even if there are none
    - 2: wrong usage, or there is no stack, or no answer
    - 130: interrupted
    """
    jobs = Api(find_stack(where)).newest(limit, status)
    if as_json:
        for job in jobs:
            typer.echo(json.dumps(job))
        return
    if found := list(jobs):
        out().print(job_table(found))
    else:
        err().print(f"There are no jobs{f' that are {status}' if status else ''}.")


@on_a_stack
def cancel_command(where: StackSelector, job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Cancel a job that has not ended. Its workers stop within seconds; nothing of it is left.

    Exit codes:

    - 0: it is cancelled, now or before
    - 1: it is not, for it has ended: READY, or FAILED
    - 2: wrong usage, or there is no such job, no stack, or no answer
    - 130: interrupted
    """
    try:
        job = Api(find_stack(where)).cancel(job_id)
    except ApiError as error:
        if error.code != "JOB_FINISHED":
            raise
        if as_json:
            typer.echo(json.dumps({"code": error.code, "detail": error.detail}))
        else:
            err().print(line(error.detail, "bold red"), soft_wrap=True)
        raise typer.Exit(IS_FINISHED) from error
    if as_json:
        typer.echo(json.dumps(job))
    else:
        out().print(line(f"Job {job['jobId']} is {job['status']}."), soft_wrap=True)
