"""Reads many items of the job table at once."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import ServiceUnavailable
from zipjobs.s3.retry import BATCH_GET_ATTEMPTS, pause_seconds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def batch_get_items(
    dynamodb: "DynamoDBClient", table: str, keys: Sequence[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Yield the items of up to 100 ``keys`` that exist, in any order. Raises ServiceUnavailable.

    DynamoDB can return only some of the items. The others are requested again ("BatchGetItem" in
    the Amazon DynamoDB API Reference).
    """
    remaining: Any = {table: {"Keys": keys}} if keys else {}
    for attempt in range(BATCH_GET_ATTEMPTS):
        if not remaining:
            return
        if attempt:
            time.sleep(pause_seconds(attempt))
        try:
            response = dynamodb.batch_get_item(RequestItems=remaining)
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"The request to the job table failed: {error}") from error
        yield from response["Responses"].get(table, [])
        remaining = response.get("UnprocessedKeys")
    if remaining:
        raise ServiceUnavailable(
            f"No complete response from the job table in {BATCH_GET_ATTEMPTS} attempts."
        )
