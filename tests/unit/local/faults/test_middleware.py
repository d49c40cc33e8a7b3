"""How boto3 reports injected faults."""

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

    def client(self, service: str, access_key_id: str = "any", read_timeout: float = 30) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=access_key_id,
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout),
        )

    def inject(self, rule: str) -> None:
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
        ("s3", lambda s3: s3.get_object(**OBJECT), "ExpiredToken", 400),
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
def test_client_reports_injected_error(
    aws: Aws, service: str, call: Callable[[Any], object], code: str, status: int
) -> None:
    client = aws.client(service)
    aws.inject(f"{{service: {service}, error: {{code: {code}, status: {status}}}}}")
    with pytest.raises(ClientError) as raised:
        call(client)
    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_head_request_gets_status_without_body(aws: Aws, s3: Any) -> None:
    aws.inject("{operation: HeadObject, error: {code: SlowDown, status: 503}}")
    with pytest.raises(ClientError) as raised:
        s3.head_object(**OBJECT)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_error_after_has_effect_and_error_before_has_none(aws: Aws, s3: Any) -> None:
    for when, expected in (("before", BODY), ("after", BIG)):
        aws.inject(
            f"{{operation: Put*, when: {when}, error: {{code: InternalError, status: 500}}}}"
        )
        with pytest.raises(ClientError):
            s3.put_object(**OBJECT, Body=BIG)
        assert s3.get_object(**OBJECT)["Body"].read() == expected


def test_s3_error_can_have_status_200(aws: Aws, s3: Any) -> None:
    upload = {**OBJECT, "UploadId": s3.create_multipart_upload(**OBJECT)["UploadId"]}
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"part")["ETag"]
    aws.inject("{operation: Complete*, error: {code: InternalError, status: 200}}")
    with pytest.raises(ClientError, match="InternalError"):
        s3.complete_multipart_upload(
            **upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}
        )


def test_reset_closes_the_connection(aws: Aws, s3: Any) -> None:
    aws.inject("{operation: GetObject, reset: true}")
    with pytest.raises(ConnectionClosedError) as raised:
        s3.get_object(**OBJECT)
    assert "reset" in repr(raised.value.kwargs["error"])


def test_reset_after_has_effect_and_reset_before_has_none(aws: Aws, s3: Any) -> None:
    for when, expected in (("before", BODY), ("after", BIG)):
        aws.inject(f"{{operation: PutObject, when: {when}, reset: true}}")
        with pytest.raises(ConnectionClosedError):
            s3.put_object(**OBJECT, Body=BIG)
        assert s3.get_object(**OBJECT)["Body"].read() == expected


@pytest.mark.parametrize(("cut", "received"), [(0, 0), (1000, 1000), (10_000, len(BODY) - 1)])
def test_cut_truncates_the_body(aws: Aws, s3: Any, cut: int, received: int) -> None:
    aws.inject(f"{{operation: GetObject, cut: {cut}}}")
    answer = s3.get_object(**OBJECT)
    assert answer["ContentLength"] == len(BODY)
    with pytest.raises(ResponseStreamingError, match=rf"IncompleteRead\({received} bytes"):
        answer["Body"].read()


def test_cut_of_response_without_body_resets_the_connection(aws: Aws, s3: Any) -> None:
    aws.inject("{operation: HeadObject, cut: 10}")
    with pytest.raises(ConnectionClosedError):
        s3.head_object(**OBJECT)


def test_stall_pauses_the_body(aws: Aws, s3: Any) -> None:
    aws.inject("{operation: GetObject, nth: 1, stall: {after: 1000, seconds: 60}}")
    body = aws.client("s3", read_timeout=1).get_object(**OBJECT)["Body"]
    assert body.read(1000) == BODY[:1000]
    with pytest.raises(ReadTimeoutError):
        body.read()
    aws.inject("{operation: GetObject, stall: {after: 1000, seconds: 0.1}}")
    assert s3.get_object(**OBJECT)["Body"].read() == BODY


def test_latency_delays_the_complete_response(aws: Aws, s3: Any) -> None:
    aws.inject("{operation: GetObject, nth: 1, latency: 60}")
    with pytest.raises(ReadTimeoutError):
        aws.client("s3", read_timeout=1).get_object(**OBJECT)
    aws.inject("{operation: GetObject, latency: 0.1}")
    assert s3.get_object(**OBJECT)["Body"].read() == BODY


def test_presigned_request_counts_as_client_request(aws: Aws, s3: Any) -> None:
    link = s3.generate_presigned_url("get_object", Params=OBJECT)
    aws.inject("{caller: client, operation: GetObject, key: bucket/key, reset: true}")
    with pytest.raises(ConnectionClosedError):
        s3.get_object(**OBJECT)
    with pytest.raises(OSError, match="reset"):
        urllib.request.urlopen(link)


def test_requests_of_the_embedded_aws_itself_never_fail(aws: Aws) -> None:
    aws.inject("{reset: true}")
    answer = aws.client("s3", OWN_ACCESS_KEY).get_object(**OBJECT)
    assert answer["Body"].read() == BODY
    assert aws.faults.injected == []
