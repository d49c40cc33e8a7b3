"""The progress of the segments of a large job.

The counts of all segments are spread over a few items next to the job's record, so concurrent
workers rarely write to the same item.
"""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.batch_get import batch_get_items
from zipjobs.jobs.job import Job
from zipjobs.jobs.summary import ProgressCounts

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_ITEMS = 50
"""Items per job. BatchGetItem reads up to 100 items and 16 MB, and an item has up to 400 KB."""


class SegmentProgress:
    """Reads and writes the progress of segments."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def record(self, job: Job, segment: int, counts: ProgressCounts) -> None:
        """Record the progress of a segment. Raises ServiceUnavailable."""
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"jobId": {"S": _item(job.job_id, segment % MAX_ITEMS)}},
                UpdateExpression="SET #entries = :entries, #bytes = :bytes, expiresAt = :expires",
                ExpressionAttributeNames={
                    "#entries": f"entries{segment}",
                    "#bytes": f"bytes{segment}",
                },
                ExpressionAttributeValues={
                    ":entries": {"N": str(counts.entries)},
                    ":bytes": {"N": str(counts.source_bytes)},
                    ":expires": {"N": str(job.expires_at)},
                },
            )
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"The request to the job table failed: {error}") from error

    def total(self, job: Job) -> ProgressCounts:
        """Return the total progress of all segments of ``job``. Raises ServiceUnavailable."""
        items = min(job.segments or 0, MAX_ITEMS)
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
