"""Move dead-letter messages back to the job queue.

Messages are received, sent and deleted. SQS's StartMessageMoveTask is no alternative: it returns
messages to the queue that they came from, and the messages of the EventBridge rule have none.
If a move is interrupted, a message may be on both queues. Duplicates are safe.
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
"""The largest batch that SQS accepts."""

WAIT_SECONDS = 1
"""Any wait makes SQS query all of its servers ("Short and long polling", SQS Developer Guide)."""


@dataclass(frozen=True)
class MovedMessage:
    """A message that is on the job queue again. ``job_id`` is None if it names no job."""

    message_id: str
    job_id: str | None


def redrive(sqs: "SQSClient", dead_letters_url: str, jobs_url: str) -> Iterator[MovedMessage]:
    """Move messages from one queue to the other, and yield each moved message.

    It stops when it has moved as many messages as were available at the start, so that messages
    that fail again are not moved twice. Raises CliError if SQS rejects a message, and the
    exceptions of boto3.
    """
    left = count_messages(sqs, dead_letters_url)[0]
    while messages := _receive(sqs, dead_letters_url):
        yield from _move(sqs, dead_letters_url, jobs_url, messages)
        left -= len(messages)
        if left <= 0:
            return


def count_messages(sqs: "SQSClient", url: str) -> tuple[int, int]:
    """Return approximately how many messages of a queue are available, and how many in flight."""
    attributes = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    available = attributes["ApproximateNumberOfMessages"]
    return int(available), int(attributes["ApproximateNumberOfMessagesNotVisible"])


def _receive(sqs: "SQSClient", url: str) -> "Sequence[MessageTypeDef]":
    response = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=WAIT_SECONDS
    )
    return response.get("Messages", [])


def _move(
    sqs: "SQSClient", dead_letters_url: str, jobs_url: str, messages: "Sequence[MessageTypeDef]"
) -> Iterator[MovedMessage]:
    response = sqs.send_message_batch(
        QueueUrl=jobs_url,
        Entries=[{"Id": str(i), "MessageBody": one["Body"]} for i, one in enumerate(messages)],
    )
    sent = [messages[int(entry["Id"])] for entry in response.get("Successful", [])]
    if sent:
        sqs.delete_message_batch(
            QueueUrl=dead_letters_url,
            Entries=[
                {"Id": str(i), "ReceiptHandle": one["ReceiptHandle"]} for i, one in enumerate(sent)
            ],
        )
    yield from (MovedMessage(one["MessageId"], _job_id(one["Body"])) for one in sent)
    for rejected in response.get("Failed", []):
        reason = rejected.get("Message", "no reason given")
        raise CliError(f"The job queue rejected a message: {reason}.")


def _job_id(body: str) -> str | None:
    from zipjobs.jobs.messages import UnknownMessage, parse_message

    with suppress(UnknownMessage):
        return parse_message(body).job_id
    return None
