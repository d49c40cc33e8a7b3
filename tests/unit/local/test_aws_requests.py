"""Identifies requests as boto3 sends them."""

import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.aws_requests import S3_OPERATIONS, AwsRequest, drain, identify_request, signer
from tests.unit.local.captured import Capture, NotSent

PLACE = "bucket/a/b c/ü.pdf"
OBJECT = {"Bucket": "bucket", "Key": "a/b c/ü.pdf"}
UPLOAD = {**OBJECT, "UploadId": "id"}
QUEUE = "http://127.0.0.1:1/123456789012/jobs-1"
ITEM = {"jobId": {"S": "job"}}


@pytest.fixture(scope="module")
def capture() -> Capture:
    return Capture()


def identified(capture: Capture, service: str, call: Callable[[Any], object]) -> AwsRequest | None:
    with pytest.raises(NotSent):
        call(capture.client(service))
    return identify_request(capture.environ)


S3_CALLS: list[tuple[str, Callable[[Any], object], str]] = [
    ("GetObject", lambda s3: s3.get_object(**OBJECT), PLACE),
    ("HeadObject", lambda s3: s3.head_object(**OBJECT), PLACE),
    ("PutObject", lambda s3: s3.put_object(**OBJECT, Body=b"x"), PLACE),
    ("CopyObject", lambda s3: s3.copy_object(**OBJECT, CopySource="b/k"), PLACE),
    ("DeleteObject", lambda s3: s3.delete_object(**OBJECT), PLACE),
    (
        "DeleteObjects",
        lambda s3: s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "k"}]}),
        "bucket",
    ),
    ("ListObjectsV2", lambda s3: s3.list_objects_v2(Bucket="bucket", Prefix="a/"), "bucket"),
    (
        "CreateMultipartUpload",
        lambda s3: s3.create_multipart_upload(**OBJECT),
        PLACE,
    ),
    (
        "UploadPart",
        lambda s3: s3.upload_part(**UPLOAD, PartNumber=1, Body=b"x"),
        PLACE,
    ),
    (
        "UploadPartCopy",
        lambda s3: s3.upload_part_copy(**UPLOAD, PartNumber=1, CopySource="b/k"),
        PLACE,
    ),
    (
        "CompleteMultipartUpload",
        lambda s3: s3.complete_multipart_upload(**UPLOAD, MultipartUpload={"Parts": []}),
        PLACE,
    ),
    ("AbortMultipartUpload", lambda s3: s3.abort_multipart_upload(**UPLOAD), PLACE),
    ("ListParts", lambda s3: s3.list_parts(**UPLOAD), PLACE),
    ("ListMultipartUploads", lambda s3: s3.list_multipart_uploads(Bucket="bucket"), "bucket"),
]


@pytest.mark.parametrize(("operation", "call", "key"), S3_CALLS, ids=[row[0] for row in S3_CALLS])
def test_s3_requests_are_identified(
    capture: Capture, operation: str, call: Callable[[Any], object], key: str
) -> None:
    assert identified(capture, "s3", call) == AwsRequest("s3", operation, key, "s3")


def test_every_s3_operation_has_a_test() -> None:
    assert {row[0] for row in S3_CALLS} == set(S3_OPERATIONS)


@pytest.mark.parametrize(
    "call",
    [
        lambda s3: s3.get_object_tagging(**OBJECT),
        lambda s3: s3.put_object_acl(**OBJECT, ACL="private"),
        lambda s3: s3.create_bucket(Bucket="bucket"),
        lambda s3: s3.list_buckets(),
    ],
)
def test_unlisted_s3_operation_has_an_empty_name(
    capture: Capture, call: Callable[[Any], object]
) -> None:
    request = identified(capture, "s3", call)
    assert request is not None
    assert request.operation == ""


@pytest.mark.parametrize(
    ("service", "call", "expected"),
    [
        (
            "dynamodb",
            lambda db: db.get_item(TableName="t", Key=ITEM),
            AwsRequest("dynamodb", "GetItem", "t/job", "json"),
        ),
        (
            "dynamodb",
            lambda db: db.put_item(TableName="t", Item={**ITEM, "x": {"N": "1"}}),
            AwsRequest("dynamodb", "PutItem", "t/job", "json"),
        ),
        (
            "dynamodb",
            lambda db: db.batch_get_item(RequestItems={"t": {"Keys": [ITEM]}}),
            AwsRequest("dynamodb", "BatchGetItem", "t", "json"),
        ),
        (
            "sqs",
            lambda sqs: sqs.send_message(QueueUrl=QUEUE, MessageBody="x"),
            AwsRequest("sqs", "SendMessage", "jobs-1", "json"),
        ),
        (
            "events",
            lambda events: events.put_events(Entries=[{"EventBusName": "bus-1"}]),
            AwsRequest("events", "PutEvents", "bus-1", "json"),
        ),
        (
            "events",
            lambda events: events.put_events(Entries=[{"EventBusName": "arn:x:event-bus/bus-2"}]),
            AwsRequest("events", "PutEvents", "bus-2", "json"),
        ),
        (
            "sts",
            lambda sts: sts.get_caller_identity(),
            AwsRequest("sts", "GetCallerIdentity", "", "query"),
        ),
        ("lambda", lambda it: it.list_functions(), AwsRequest("lambda", "", "", "json")),
    ],
)
def test_requests_to_other_services_are_identified(
    capture: Capture, service: str, call: Callable[[Any], object], expected: AwsRequest
) -> None:
    assert identified(capture, service, call) == expected
    body = capture.environ["wsgi.input"]
    assert body.read() == body.getvalue()


def test_presigned_request_has_no_signer(capture: Capture) -> None:
    identified(capture, "s3", lambda s3: s3.get_object(**OBJECT))
    assert signer(capture.environ) == "KEY"
    url = urlsplit(capture.client("s3").generate_presigned_url("get_object", Params=OBJECT))
    presigned = {"REQUEST_METHOD": "GET", "PATH_INFO": "/bucket/k", "QUERY_STRING": url.query}
    assert signer(presigned) == ""
    assert identify_request(presigned) == AwsRequest("s3", "GetObject", "bucket/k", "s3")


def test_requests_to_the_moto_api_are_not_aws_requests() -> None:
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/moto-api/reset"}
    assert identify_request(environ) is None


def test_drain_reads_only_the_body() -> None:
    body = io.BytesIO(json.dumps({}).encode() + b"the next request")
    drain({"wsgi.input": body, "CONTENT_LENGTH": "2", "REQUEST_METHOD": "PUT"})
    assert body.read() == b"the next request"
