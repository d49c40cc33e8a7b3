"""How far the segments of a planned job are.

Each segment's count stands in one of a few items beside the job's record, so that many workers who
report at a time do not write to the same one.
"""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.batch_get import batch_get_items
from zipjobs.jobs.job import Job
from zipjobs.jobs.summary import ProgressCounts

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_ITEMS = 50
"""BatchGetItem takes 100, and 16 MB; an item takes 400 KB."""


class SegmentProgress:
    """Reads and writes the counts of segments."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def record(self, job: Job, segment: int, done: ProgressCounts) -> None:
        """Record how far a segment is. Raises ServiceUnavailable."""
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"jobId": {"S": _item(job.job_id, segment % MOST_ITEMS)}},
                UpdateExpression="SET #entries = :entries, #bytes = :bytes, expiresAt = :expires",
                ExpressionAttributeNames={
                    "#entries": f"entries{segment}",
                    "#bytes": f"bytes{segment}",
                },
                ExpressionAttributeValues={
                    ":entries": {"N": str(done.entries)},
                    ":bytes": {"N": str(done.source_bytes)},
                    ":expires": {"N": str(job.expires_at)},
                },
            )
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"The job table did not answer: {error}") from error

    def total(self, job: Job) -> ProgressCounts:
        """How far the segments of ``job`` are, together. Raises ServiceUnavailable."""
        items = min(job.segments or 0, MOST_ITEMS)
        if not items:
            return ProgressCounts(job.entries_done, job.bytes_done)
        keys = [{"jobId": {"S": _item(job.job_id, number)}} for number in range(items)]
        entries = source_bytes = 0
        for item in batch_get_items(self._dynamodb, self._table, keys):
            for name, value in item.items():
                if name.startswith("entries"):
                    entries += int(value["N"])
                elif name.startswith("bytes"):
                    source_bytes += int(value["N"])
        return ProgressCounts(entries, source_bytes)


def _item(job_id: str, number: int) -> str:
    return f"{job_id}#{number}"
