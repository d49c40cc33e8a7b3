"""``redrive``: move dead-letter messages back to the job queue."""

from typing import Annotated

import typer

from zipjobs_cli.client.dead_letters import count_messages, redrive
from zipjobs_cli.client.stack import StackSelector, find_stack
from zipjobs_cli.commands.options import JsonOption, with_stack_options
from zipjobs_cli.output.screen import counted, print_json, print_note, print_result


@with_stack_options
def redrive_command(
    selector: StackSelector,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the messages.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Move dead-letter messages back to the job queue after fixing the cause.

    The dead-letter function consumes the messages of its queue and sets their jobs to FAILED. Only
    messages that it could not process stay there. Jobs that are finished do not change.

    Exit codes:

    - 0: all available messages were moved, even if there were none
    - 2: wrong usage, no stack, no permission, or a queue does not exist
    - 130: interrupted; moved messages stay on the job queue
    """
    stack = find_stack(selector)
    sqs = stack.client("sqs")
    dead_letters, jobs = stack.require("dead_letter_queue_url"), stack.require("queue_url")
    moved = [] if dry_run else list(redrive(sqs, dead_letters, jobs))
    available, in_flight = count_messages(sqs, dead_letters)
    if as_json:
        job_ids = [one.job_id for one in moved if one.job_id]
        print_json({"moved": len(moved), "jobs": job_ids, "waiting": available, "held": in_flight})
        return
    for one in moved:
        print_note(f"{one.job_id or 'no job'}  (message {one.message_id})")
    if not dry_run:
        print_result(f"{counted(len(moved), 'message', 'messages')} moved to the job queue.")
    if available or dry_run:
        messages = counted(available, "message", "messages")
        print_result(f"{messages} in the dead-letter queue.")
    if in_flight:
        messages = counted(in_flight, "more message is", "more messages are")
        print_result(f"{messages} being processed. Try again in a minute.")
