"""Items of the job table by their keys, many at a time."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import ServiceUnavailable
from zipjobs.s3.retry import pause_seconds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TRIES = 5
"""With a second and a half of pauses between them, of the API's half a minute."""


def batch_get_items(
    dynamodb: "DynamoDBClient", table: str, keys: Sequence[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """The items that there are of up to 100 ``keys``, in any order.

    DynamoDB answers for as many as it likes, and has to be asked again for the others
    ("BatchGetItem" in its API Reference). Raises ServiceUnavailable.
    """
    wanted: Any = {table: {"Keys": keys}} if keys else {}
    for attempt in range(TRIES):
        if not wanted:
            return
        if attempt:
            time.sleep(pause_seconds(attempt))
        try:
            answer = dynamodb.batch_get_item(RequestItems=wanted)
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"The job table did not answer: {error}") from error
        yield from answer["Responses"].get(table, [])
        wanted = answer.get("UnprocessedKeys")
    if wanted:
        raise ServiceUnavailable("The job table did not answer for all that it was asked for.")
