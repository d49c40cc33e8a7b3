"""Puts dead letters back on the job queue.

Received, sent and deleted, rather than by SQS's StartMessageMoveTask: that sends messages back to
the queue that they came from, and those of the EventBridge rule came from none. What is done twice,
because it broke off in between, does no harm: a message is for one job, however often it comes.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zipjobs_cli.errors import CliError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

BATCH = 10
"""As many as SQS takes at once."""

LISTEN_SECONDS = 1
"""Long enough that SQS asks all of its servers ("Short and long polling" in the SQS Guide)."""


@dataclass(frozen=True)
class Moved:
    """A message that is on the job queue again, and the job that it is for, if it names one."""

    message_id: str
    job_id: str | None


def redrive(sqs: "SQSClient", dead_letters: str, jobs: str) -> Iterator[Moved]:
    """Move messages from one queue, by its URL, to the other. Yield each that is moved.

    It ends when no more come, or as many as there were have been moved: those that come back
    meanwhile stay. Raises CliError if SQS does not take one, and what boto3 raises.
    """
    left = waiting(sqs, dead_letters)[0]
    while messages := _received(sqs, dead_letters):
        yield from _move(sqs, dead_letters, jobs, messages)
        left -= len(messages)
        if left <= 0:
            return


def waiting(sqs: "SQSClient", url: str) -> tuple[int, int]:
    """About how many messages of a queue can be received, and how many somebody works on."""
    told = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    ready, held = told["ApproximateNumberOfMessages"], told["ApproximateNumberOfMessagesNotVisible"]
    return int(ready), int(held)


def _received(sqs: "SQSClient", url: str) -> "Sequence[MessageTypeDef]":
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=LISTEN_SECONDS
    )
    return answer.get("Messages", [])


def _move(
    sqs: "SQSClient", dead_letters: str, jobs: str, messages: "Sequence[MessageTypeDef]"
) -> Iterator[Moved]:
    answer = sqs.send_message_batch(
        QueueUrl=jobs,
        Entries=[{"Id": str(i), "MessageBody": one["Body"]} for i, one in enumerate(messages)],
    )
    sent = [messages[int(entry["Id"])] for entry in answer.get("Successful", [])]
    if sent:
        sqs.delete_message_batch(
            QueueUrl=dead_letters,
            Entries=[
                {"Id": str(i), "ReceiptHandle": one["ReceiptHandle"]} for i, one in enumerate(sent)
            ],
        )
    yield from (Moved(one["MessageId"], _job_id(one["Body"])) for one in sent)
    for refused in answer.get("Failed", []):
        raise CliError(f"The job queue did not take a message: {refused.get('Message', 'no why')}.")


def _job_id(body: str) -> str | None:
    from zipjobs.jobs.messages import UnknownMessage, parse_message

    with suppress(UnknownMessage):
        return parse_message(body).job_id
    return None
