"""What AWS's own client makes of requests that the plan spoils."""

import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from local.aws_requests import OWN_ACCESS_KEY
from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from local.server import serving_aws

BODY = bytes(range(250)) * 20
BUCKET = "bucket"
OBJECT = {"Bucket": BUCKET, "Key": "key"}
BIG = b"x" * 3_000_000


class Aws(NamedTuple):
    url: str
    faults: FaultInjector

    def client(self, service: str, access_key_id: str = "any", patience_seconds: float = 30) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=access_key_id,
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=patience_seconds),
        )

    def spoil(self, rule: str) -> None:
        self.faults.install(FaultPlan.parse(f"faults: [{rule}]"))


@pytest.fixture(scope="module")
def served() -> Iterator[Aws]:
    faults = FaultInjector()
    with serving_aws(faults, services=("s3", "dynamodb", "sqs", "events", "sts")) as url:
        aws = Aws(url, faults)
        aws.client("s3").create_bucket(Bucket=BUCKET)
        yield aws


@pytest.fixture
def aws(served: Aws) -> Iterator[Aws]:
    served.client("s3").put_object(**OBJECT, Body=BODY)
    yield served
    served.faults.clear()


@pytest.fixture
def s3(aws: Aws) -> Any:
    return aws.client("s3")


@pytest.mark.parametrize(
    ("service", "call", "code", "status"),
    [
        ("s3", lambda s3: s3.get_object(**OBJECT), "SlowDown", 503),
        ("s3", lambda s3: s3.put_object(**OBJECT, Body=BIG), "AccessDenied", 403),
        (
            "dynamodb",
            lambda db: db.get_item(TableName="t", Key={"jobId": {"S": "a"}}),
            "ProvisionedThroughputExceededException",
            400,
        ),
        ("sqs", lambda sqs: sqs.list_queues(), "RequestThrottled", 400),
        (
            "events",
            lambda events: events.put_events(Entries=[{"Source": "a"}]),
            "InternalException",
            500,
        ),
        ("sts", lambda sts: sts.get_caller_identity(), "Throttling", 400),
        ("lambda", lambda it: it.list_functions(), "TooManyRequestsException", 429),
    ],
)
def test_an_error_is_what_the_services_client_understands(
    aws: Aws, service: str, call: Callable[[Any], object], code: str, status: int
) -> None:
    client = aws.client(service)
    aws.spoil(f"{{service: {service}, error: {{code: {code}, status: {status}}}}}")
    with pytest.raises(ClientError) as raised:
        call(client)
    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_head_gets_the_status_and_no_body(aws: Aws, s3: Any) -> None:
    aws.spoil("{operation: HeadObject, error: {code: SlowDown, status: 503}}")
    with pytest.raises(ClientError) as raised:
        s3.head_object(**OBJECT)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_an_error_before_has_no_effect_and_one_after_it_has(aws: Aws, s3: Any) -> None:
    for when, expected in (("before", BODY), ("after", BIG)):
        aws.spoil(f"{{operation: Put*, when: {when}, error: {{code: InternalError, status: 500}}}}")
        with pytest.raises(ClientError):
            s3.put_object(**OBJECT, Body=BIG)
        assert s3.get_object(**OBJECT)["Body"].read() == expected


def test_s3_may_say_in_a_body_with_status_200_that_it_failed(aws: Aws, s3: Any) -> None:
    upload = {**OBJECT, "UploadId": s3.create_multipart_upload(**OBJECT)["UploadId"]}
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"part")["ETag"]
    aws.spoil("{operation: Complete*, error: {code: InternalError, status: 200}}")
    with pytest.raises(ClientError, match="InternalError"):
        s3.complete_multipart_upload(
            **upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}
        )


def test_a_reset_breaks_the_connection_off(aws: Aws, s3: Any) -> None:
    aws.spoil("{operation: GetObject, reset: true}")
    with pytest.raises(ConnectionClosedError) as raised:
        s3.get_object(**OBJECT)
    assert "reset" in repr(raised.value.kwargs["error"])


def test_a_reset_before_has_no_effect_and_one_after_it_has(aws: Aws, s3: Any) -> None:
    for when, expected in (("before", BODY), ("after", BIG)):
        aws.spoil(f"{{operation: PutObject, when: {when}, reset: true}}")
        with pytest.raises(ConnectionClosedError):
            s3.put_object(**OBJECT, Body=BIG)
        assert s3.get_object(**OBJECT)["Body"].read() == expected


@pytest.mark.parametrize(("cut", "received"), [(0, 0), (1000, 1000), (10_000, len(BODY) - 1)])
def test_a_body_is_cut_below_its_length(aws: Aws, s3: Any, cut: int, received: int) -> None:
    aws.spoil(f"{{operation: GetObject, cut: {cut}}}")
    answer = s3.get_object(**OBJECT)
    assert answer["ContentLength"] == len(BODY)
    with pytest.raises(ResponseStreamingError, match=rf"IncompleteRead\({received} bytes"):
        answer["Body"].read()


def test_an_answer_without_a_body_is_cut_before_its_head(aws: Aws, s3: Any) -> None:
    aws.spoil("{operation: HeadObject, cut: 10}")
    with pytest.raises(ConnectionClosedError):
        s3.head_object(**OBJECT)


def test_a_body_stalls_after_so_many_bytes_and_goes_on(aws: Aws, s3: Any) -> None:
    aws.spoil("{operation: GetObject, nth: 1, stall: {after: 1000, seconds: 60}}")
    body = aws.client("s3", patience_seconds=1).get_object(**OBJECT)["Body"]
    assert body.read(1000) == BODY[:1000]
    with pytest.raises(ReadTimeoutError):
        body.read()
    aws.spoil("{operation: GetObject, stall: {after: 1000, seconds: 0.1}}")
    assert s3.get_object(**OBJECT)["Body"].read() == BODY


def test_a_slow_answer_is_a_whole_one(aws: Aws, s3: Any) -> None:
    aws.spoil("{operation: GetObject, nth: 1, latency: 60}")
    with pytest.raises(ReadTimeoutError):
        aws.client("s3", patience_seconds=1).get_object(**OBJECT)
    aws.spoil("{operation: GetObject, latency: 0.1}")
    assert s3.get_object(**OBJECT)["Body"].read() == BODY


def test_a_presigned_link_is_struck_as_its_bearers_request(aws: Aws, s3: Any) -> None:
    link = s3.generate_presigned_url("get_object", Params=OBJECT)
    aws.spoil("{caller: client, operation: GetObject, key: bucket/key, reset: true}")
    with pytest.raises(ConnectionClosedError):
        s3.get_object(**OBJECT)
    with pytest.raises(OSError, match="reset"):
        urllib.request.urlopen(link)


def test_what_the_embedded_aws_asks_of_itself_never_fails(aws: Aws) -> None:
    aws.spoil("{reset: true}")
    answer = aws.client("s3", OWN_ACCESS_KEY).get_object(**OBJECT)
    assert answer["Body"].read() == BODY
    assert aws.faults.injected == []
