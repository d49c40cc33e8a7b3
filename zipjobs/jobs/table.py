"""The DynamoDB table of jobs: reads and conditional writes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import ServiceUnavailable, aws_error_code
from zipjobs.jobs.batch_get import batch_get_items
from zipjobs.jobs.job import SCHEMA_VERSION, Job, Status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

UNFINISHED_INDEX = "sweep"
UNFINISHED = "yes"
"""The only value of the index's partition key, ``sweep``. Finished jobs do not have the key."""

OWNER_INDEX = "owner"

_to_dynamodb = TypeSerializer().serialize
_from_dynamodb = TypeDeserializer().deserialize


class ConditionFailed(Exception):
    """A conditional write was rejected. ``job`` is the current record, if any."""

    def __init__(self, job: Job | None) -> None:
        super().__init__()
        self.job = job


class ListKeys(NamedTuple):
    """List keys, newest first. ``read_to`` is the last key that the query read, or None at the
    end.
    """

    keys: list[str]
    read_to: str | None


class JobTable:
    """Reads and writes records. All methods raise ServiceUnavailable."""

    def __init__(self, dynamodb: "DynamoDBClient", name: str) -> None:
        self._dynamodb = dynamodb
        self._name = name

    def get(self, job_id: str) -> Job | None:
        """Return the job with a consistent read, or None."""
        try:
            response = self._dynamodb.get_item(
                TableName=self._name, Key=_key(job_id), ConsistentRead=True
            )
        except (ClientError, BotoCoreError) as error:
            raise _unavailable(error) from error
        item = response.get("Item", {})
        return _job(item) if "status" in item else None  # items of SegmentProgress have no status

    def update(
        self,
        job_id: str,
        changes: Mapping[str, Any],
        condition: str,
        *,
        if_absent: Mapping[str, Any] | None = None,
        increments: str | None = None,
        removes: Sequence[str] = (),
        operands: Mapping[str, Any] | None = None,
    ) -> Job:
        """Update a record if ``condition`` is true, and return the new record.

        Sets ``changes``, sets ``if_absent`` for attributes that do not exist, adds 1 to the
        attribute ``increments``, and removes ``removes``. ``condition`` can use ``#status`` and
        ``operands``. Raises ConditionFailed.
        """
        defaults = if_absent or {}
        sets = [f"#{name} = :set_{name}" for name in changes]
        sets += [f"#{name} = if_not_exists(#{name}, :set_{name})" for name in defaults]
        values = {f":set_{name}": value for name, value in {**changes, **defaults}.items()}
        if increments:
            sets.append(f"#{increments} = if_not_exists(#{increments}, :zero) + :one")
            values |= {":zero": 0, ":one": 1}
        expression = "SET " + ", ".join(sets)
        if removes:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in removes)
        values |= {name: value for name, value in (operands or {}).items() if name in condition}
        names = {*changes, *defaults, *removes, "status"} | ({increments} if increments else set())
        try:
            response = self._dynamodb.update_item(
                TableName=self._name,
                Key=_key(job_id),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeNames={
                    f"#{name}": name for name in names if f"#{name}" in expression + condition
                },
                ExpressionAttributeValues={
                    name: _to_dynamodb(value) for name, value in values.items()
                },
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if aws_error_code(error) == "ConditionalCheckFailedException":
                raise ConditionFailed(_job(error.response.get("Item"))) from error  # type: ignore[arg-type]
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        job = _job(response["Attributes"])
        assert job is not None
        return job

    def delete_expired(self, job_id: str, now: int) -> None:
        """Delete a record that has expired but that DynamoDB has not deleted yet."""
        try:
            self._dynamodb.delete_item(
                TableName=self._name,
                Key=_key(job_id),
                ConditionExpression="expiresAt <= :now",
                ExpressionAttributeValues={":now": _to_dynamodb(now)},
            )
        except ClientError as error:
            if aws_error_code(error) != "ConditionalCheckFailedException":
                raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error

    def list_keys(
        self, owner: str, status: Status | None, before: str | None, limit: int
    ) -> ListKeys:
        """Return the list keys of up to ``limit`` jobs of one owner that are older than ``before``.

        With ``status``, ``limit`` is ignored: one query reads and filters at most 1 MB of the
        index.
        """
        condition, values = "#owner = :owner", {":owner": owner}
        if before is not None:
            condition += " AND listKey < :before"
            values[":before"] = before
        query: dict[str, Any] = {}
        if status is None:
            query["Limit"] = limit
        else:
            query["FilterExpression"] = "#status = :status"
            values[":status"] = status
        names = {"#owner": "owner"} | ({"#status": "status"} if status else {})
        try:
            response = self._dynamodb.query(
                TableName=self._name,
                IndexName=OWNER_INDEX,
                KeyConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={n: _to_dynamodb(str(v)) for n, v in values.items()},
                ScanIndexForward=False,
                **query,
            )
        except (ClientError, BotoCoreError) as error:
            raise _unavailable(error) from error
        keys = [item["listKey"]["S"] for item in response["Items"]]
        last = response.get("LastEvaluatedKey")
        return ListKeys(keys, last["listKey"]["S"] if last else None)

    def get_many(self, job_ids: Sequence[str]) -> list[Job]:
        """Return the jobs that exist of up to 100 IDs, in the same order."""
        keys = [_key(job_id) for job_id in job_ids]
        jobs = (_job(item) for item in batch_get_items(self._dynamodb, self._name, keys))
        found = {job.job_id: job for job in jobs if job is not None}
        return [found[job_id] for job_id in job_ids if job_id in found]

    def overdue(self, now: int) -> Iterator[str]:
        """Yield the IDs of jobs that the reconciler must check, the longest overdue first."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._name,
            IndexName=UNFINISHED_INDEX,
            KeyConditionExpression="sweep = :sweep AND sweepAt <= :now",
            ExpressionAttributeValues={
                ":sweep": _to_dynamodb(UNFINISHED),
                ":now": _to_dynamodb(now),
            },
        )
        try:
            for page in pages:
                for item in page["Items"]:
                    yield item["jobId"]["S"]
        except (ClientError, BotoCoreError) as error:
            raise _unavailable(error) from error


def _key(job_id: str) -> dict[str, Any]:
    return {"jobId": {"S": job_id}}


def _job(item: Mapping[str, Any] | None) -> Job | None:
    if not item:
        return None
    fields = {name: _from_dynamodb(value) for name, value in item.items()}
    version = fields.get("schemaVersion", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise ServiceUnavailable(
            f"The record of job {fields.get('jobId')} has version {version}, but this code reads "
            f"only version {SCHEMA_VERSION}. Deploy the code that wrote it."
        )
    return Job.model_validate(fields)


def _unavailable(error: Exception) -> ServiceUnavailable:
    return ServiceUnavailable(f"The request to the job table failed: {error}")
