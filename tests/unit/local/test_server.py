"""The served moto behaves as AWS."""

import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from local.faults.injector import FaultInjector
from local.server import aws_client, serving_aws
from zipjobs.errors import aws_error_code

WRITERS = 8
ROUNDS = 20


@pytest.fixture
def frequent_thread_switches() -> Iterator[None]:
    """Switch threads so often that races happen."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("frequent_thread_switches")
def test_one_of_several_exclusive_conditional_writes_succeeds() -> None:
    """Moto alone lets several succeed."""
    table = str(uuid.uuid4())  # all moto servers of a process share their tables
    with serving_aws(FaultInjector(), services=("dynamodb",)) as url:
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
            except ClientError as error:
                if aws_error_code(error) != "ConditionalCheckFailedException":
                    raise
                return False
            return True

        with ThreadPoolExecutor(WRITERS) as pool:
            for number in range(ROUNDS):
                assert sum(pool.map(claim, [str(number)] * WRITERS)) == 1


def test_aborted_upload_cannot_be_completed() -> None:
    """Moto alone raises KeyError."""
    place = {"Bucket": f"b-{uuid.uuid4()}", "Key": "a"}
    with serving_aws(FaultInjector(), services=("s3",)) as url:
        s3 = aws_client("s3", url, "us-east-1")
        s3.create_bucket(Bucket=place["Bucket"])
        upload_id = s3.create_multipart_upload(**place)["UploadId"]
        part = s3.upload_part(**place, UploadId=upload_id, PartNumber=1, Body=b"a")
        s3.abort_multipart_upload(**place, UploadId=upload_id)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        with pytest.raises(ClientError, match="NoSuchUpload"):
            s3.complete_multipart_upload(**place, UploadId=upload_id, MultipartUpload=parts)
        s3.delete_bucket(Bucket=place["Bucket"])
