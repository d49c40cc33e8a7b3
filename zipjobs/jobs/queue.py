"""The queue that carries jobs to the zipper."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.job import Submission

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_VISIBILITY_SECONDS = 43_200
"""12 hours: "Amazon SQS visibility timeout" in the SQS Developer Guide."""

MAX_BATCH = 10
"""Messages: "SendMessageBatch" in the Amazon SQS API Reference."""

FIRST_RETRY_SECONDS = 5
LAST_RETRY_SECONDS = 300


class JobQueue:
    """Sends jobs, and says when a message that could not be handled comes back."""

    def __init__(self, sqs: "SQSClient", url: str) -> None:
        self._sqs = sqs
        self._url = url

    def send_segments(self, submission: Submission, segments: Sequence[int]) -> None:
        """Put segments of a planned job on the queue. Raises ServiceUnavailable."""
        try:
            for batch in _batches(segments):
                answer = self._sqs.send_message_batch(
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
                if failed := answer.get("Failed"):
                    raise ServiceUnavailable(f"A segment was not queued: {failed[0]['Code']}")
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"The segments could not be queued: {error}") from error

    def send(self, submission: Submission) -> None:
        """Put a job on the queue. Raises ServiceUnavailable."""
        try:
            self._sqs.send_message(
                QueueUrl=self._url, MessageBody=submission.model_dump_json(by_alias=True)
            )
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"The job could not be queued: {error}") from error

    def retry_in(self, receipt_handle: str, seconds: int) -> None:
        """Let a message come back after ``seconds`` and not only when it times out."""
        try:
            self._sqs.change_message_visibility(
                QueueUrl=self._url,
                ReceiptHandle=receipt_handle,
                VisibilityTimeout=min(seconds, MAX_VISIBILITY_SECONDS),
            )
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"The retry could not be scheduled: {error}") from error


def retry_delay_seconds(receive_count: int) -> int:
    """How long to wait after the ``receive_count``-th failed try (from 1): 5, 10, 20 … 300 s."""
    doublings = min(receive_count - 1, 16)
    return int(min(FIRST_RETRY_SECONDS << doublings, LAST_RETRY_SECONDS))


def _batches(segments: Sequence[int]) -> Iterator[Sequence[int]]:
    return (segments[i : i + MAX_BATCH] for i in range(0, len(segments), MAX_BATCH))
