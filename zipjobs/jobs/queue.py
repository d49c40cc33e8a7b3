"""The job queue, which the zipper consumes."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.job import Submission

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_VISIBILITY_SECONDS = 43_200
"""12 hours ("Amazon SQS visibility timeout" in the SQS Developer Guide)."""

MAX_BATCH_MESSAGES = 10
"""Messages in one request ("SendMessageBatch" in the Amazon SQS API Reference)."""

FIRST_RETRY_SECONDS = 5
LAST_RETRY_SECONDS = 300


class JobQueue:
    """Sends messages, and sets when a failed message is received again."""

    def __init__(self, sqs: "SQSClient", url: str) -> None:
        self._sqs = sqs
        self._url = url

    def send_segments(self, submission: Submission, segments: Sequence[int]) -> None:
        """Send the messages of segments of a large job. Raises ServiceUnavailable."""
        try:
            for batch in _batches(segments):
                response = self._sqs.send_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {
                            "Id": str(segment),
                            "MessageBody": submission.model_copy(
                                update={"segment": segment}
                            ).model_dump_json(by_alias=True),
                        }
                        for segment in batch
                    ],
                )
                if failed := response.get("Failed"):
                    raise ServiceUnavailable(f"Sending a segment failed: {failed[0]['Code']}")
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"Sending the segments failed: {error}") from error

    def send(self, submission: Submission) -> None:
        """Send the message of a job. Raises ServiceUnavailable."""
        try:
            self._sqs.send_message(
                QueueUrl=self._url, MessageBody=submission.model_dump_json(by_alias=True)
            )
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"Sending the job failed: {error}") from error

    def retry_in(self, receipt_handle: str, seconds: int) -> None:
        """Make a message visible after ``seconds``. Raises ServiceUnavailable.

        Otherwise it is received again when its visibility timeout ends.
        """
        try:
            self._sqs.change_message_visibility(
                QueueUrl=self._url,
                ReceiptHandle=receipt_handle,
                VisibilityTimeout=min(seconds, MAX_VISIBILITY_SECONDS),
            )
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"Changing the visibility timeout failed: {error}") from error


def retry_delay_seconds(receive_count: int) -> int:
    """Return the delay after failed attempt 1, 2, 3 …: 5, 10, 20 … 300 seconds."""
    doublings = min(receive_count - 1, 16)
    return int(min(FIRST_RETRY_SECONDS << doublings, LAST_RETRY_SECONDS))


def _batches(segments: Sequence[int]) -> Iterator[Sequence[int]]:
    return (
        segments[i : i + MAX_BATCH_MESSAGES] for i in range(0, len(segments), MAX_BATCH_MESSAGES)
    )
