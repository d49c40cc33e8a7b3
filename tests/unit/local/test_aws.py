"""AWS as the embedded one serves it."""

import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.aws import aws_client, serving_aws
from local.faults.runtime import Faults

WRITERS = 8
ROUNDS = 20


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns so often that whatever can come between two steps does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_of_conditional_writes_that_exclude_each_other_one_passes() -> None:
    """Moto alone lets several pass."""
    table = str(uuid.uuid4())  # all of a process's motos have the same tables
    with serving_aws(Faults(), services=("dynamodb",)) as url:
        dynamodb = aws_client("dynamodb", url, "us-east-1")
        dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "jobId", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "jobId", "AttributeType": "S"}],
        )

        def claim(job_id: str) -> bool:
            try:
                dynamodb.update_item(
                    TableName=table,
                    Key={"jobId": {"S": job_id}},
                    UpdateExpression="SET claimed = :yes",
                    ConditionExpression="attribute_not_exists(claimed)",
                    ExpressionAttributeValues={":yes": {"BOOL": True}},
                )
            except dynamodb.exceptions.ConditionalCheckFailedException:
                return False
            return True

        with ThreadPoolExecutor(WRITERS) as pool:
            for number in range(ROUNDS):
                assert sum(pool.map(claim, [str(number)] * WRITERS)) == 1
