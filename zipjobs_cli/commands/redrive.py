"""``redrive``: dead letters back to the job queue."""

import json
from typing import Annotated

import typer

from zipjobs_cli.client.dead_letters import redrive, waiting
from zipjobs_cli.client.stack import StackSelector, find_stack
from zipjobs_cli.commands.options import JsonOption, on_a_stack
from zipjobs_cli.output.screen import counted, err, line, out


@on_a_stack
def redrive_command(
    where: StackSelector,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many there are.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Put dead letters back on the job queue, once what made them fail is mended.

    The dead-letter function takes messages off their queue, and its jobs are FAILED then; what
    stays is what it could not deal with. A job that has its end keeps it, message or not.

    Exit codes:

    - 0: all that could be received are on the job queue again, even if that is none
    - 2: wrong usage, or it cannot be done: no stack, no permission, a queue that is not there
    - 130: interrupted; what was moved stays moved
    """
    stack = find_stack(where)
    sqs = stack.client("sqs")
    dead_letters, jobs = stack.need("dead_letter_queue_url"), stack.need("queue_url")
    moved = [] if dry_run else list(redrive(sqs, dead_letters, jobs))
    ready, held = waiting(sqs, dead_letters)
    if as_json:
        told = {
            "moved": len(moved),
            "jobs": [one.job_id for one in moved if one.job_id],
            "waiting": ready,
            "held": held,
        }
        typer.echo(json.dumps(told))
        return
    for one in moved:
        err().print(line(f"{one.job_id or 'no job'}  (message {one.message_id})"), soft_wrap=True)
    if not dry_run:
        out().print(f"{counted(len(moved), 'message', 'messages')} moved to the job queue.")
    if ready or dry_run:
        out().print(f"{counted(ready, 'dead letter waits', 'dead letters wait')}.")
    if held:
        out().print(f"{held:,} more are held by whoever received them last: try again in a minute.")
