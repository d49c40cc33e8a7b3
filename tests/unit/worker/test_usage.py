"""The usage and costs of a job."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from infra.monitoring import prices
from zipjobs.worker.usage import Meter, Usage


def test_usage_adds_up() -> None:
    both = Usage({"s3:GetObject": 2}, 1.5) + Usage({"s3:GetObject": 1, "s3:PutObject": 1}, 0.5)
    assert both == Usage({"s3:GetObject": 3, "s3:PutObject": 1}, 2.0)


def test_taking_the_usage_resets_the_meter() -> None:
    now = [10.0]
    meter = Meter(lambda: now[0])
    meter.count("s3:GetObject")
    now[0] = 12.0
    assert meter.take() == Usage({"s3:GetObject": 1}, 2.0)
    now[0] = 13.0
    assert meter.take() == Usage({}, 1.0)


def test_each_attempt_is_counted() -> None:
    """Attempts without a response count too. The port refuses connections."""
    s3 = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:9",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "total_max_attempts": 2}),
    )
    meter = Meter()
    meter.watch(s3)
    with pytest.raises(EndpointConnectionError):
        s3.head_object(Bucket="b", Key="k")
    assert meter.take().requests == {"s3:HeadObject": 2}


@pytest.mark.parametrize(
    ("operation", "dollars"),
    [
        ("s3:GetObject", prices.PER_GET),
        ("s3:HeadObject", prices.PER_GET),
        ("s3:UploadPart", prices.PER_PUT),
        ("s3:UploadPartCopy", prices.PER_PUT),
        ("s3:ListObjectsV2", prices.PER_PUT),
        ("s3:AbortMultipartUpload", 0.0),
        ("s3:DeleteObjects", 0.0),
        ("dynamodb:GetItem", prices.PER_READ_UNIT),
        ("dynamodb:UpdateItem", 2 * prices.PER_WRITE_UNIT),
        ("sqs:SendMessage", prices.PER_SQS_REQUEST),
        ("events:PutEvents", prices.PER_EVENT),
    ],
)
def test_requests_have_the_price_of_their_kind(operation: str, dollars: float) -> None:
    assert Usage({operation: 1000}).dollars(512) == pytest.approx(1000 * dollars)


def test_a_function_is_priced_by_memory_and_time() -> None:
    usage = Usage({}, 8.0)
    assert usage.gb_seconds(512) == 4.0
    assert usage.dollars(512) == pytest.approx(4 * prices.PER_GB_SECOND)
