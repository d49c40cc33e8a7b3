"""The names of requests, as boto3 signs them for the embedded AWS."""

import io
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest

from local.aws_requests import S3_OPERATIONS, AwsRequest, drain, identify_request, signer

URL = "http://127.0.0.1:1"
PLACE = "bucket/a/b c/ü.pdf"
OBJECT = {"Bucket": "bucket", "Key": "a/b c/ü.pdf"}
UPLOAD = {**OBJECT, "UploadId": "id"}
QUEUE = "http://127.0.0.1:1/123456789012/jobs-1"
ITEM = {"jobId": {"S": "job"}}


class Captured(Exception):
    """Ends a call before anything is sent."""


class Sent:
    """Keeps the requests that boto3 is about to send, as WSGI environments."""

    def __init__(self) -> None:
        self.environ: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        client = boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=URL,
            region_name="us-east-1",
            aws_access_key_id="KEY",
            aws_secret_access_key="secret",
        )
        client.meta.events.register("before-send", self._keep)
        return client

    def call(self, service: str, call: Callable[[Any], object]) -> AwsRequest | None:
        """What a call asks for, by the name of its request."""
        with pytest.raises(Captured):
            call(self.client(service))
        return identify_request(self.environ)

    def _keep(self, request: AWSPreparedRequest, **_: Any) -> None:
        url = urlsplit(request.url)
        body: Any = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        self.environ = {
            "REQUEST_METHOD": request.method,
            "PATH_INFO": unquote(url.path, "latin-1"),
            "QUERY_STRING": url.query,
            "wsgi.input": io.BytesIO(body if isinstance(body, bytes) else body.read()),
        }
        for name, value in request.headers.items():
            key = name.upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
            self.environ[key] = value.decode() if isinstance(value, bytes) else str(value)
        raise Captured


@pytest.fixture
def sent() -> Sent:
    return Sent()


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
def test_requests_to_s3_are_named(
    sent: Sent, operation: str, call: Callable[[Any], object], key: str
) -> None:
    assert sent.call("s3", call) == AwsRequest("s3", operation, key, "s3")


def test_every_operation_that_has_a_name_is_tested() -> None:
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
def test_what_has_no_name_is_not_taken_for_something_else(
    sent: Sent, call: Callable[[Any], object]
) -> None:
    request = sent.call("s3", call)
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
def test_requests_to_the_other_services_are_named(
    sent: Sent, service: str, call: Callable[[Any], object], expected: AwsRequest
) -> None:
    assert sent.call(service, call) == expected
    body = sent.environ["wsgi.input"]
    assert body.read() == body.getvalue()


def test_a_request_is_its_signers_but_a_presigned_one_is_its_bearers(sent: Sent) -> None:
    sent.call("s3", lambda s3: s3.get_object(**OBJECT))
    assert signer(sent.environ) == "KEY"
    url = urlsplit(sent.client("s3").generate_presigned_url("get_object", Params=OBJECT))
    presigned = {"REQUEST_METHOD": "GET", "PATH_INFO": "/bucket/k", "QUERY_STRING": url.query}
    assert signer(presigned) == ""
    assert identify_request(presigned) == AwsRequest("s3", "GetObject", "bucket/k", "s3")


def test_what_is_asked_of_moto_itself_is_no_request_to_aws() -> None:
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/moto-api/reset"}
    assert identify_request(environ) is None


def test_draining_takes_the_body_and_no_more() -> None:
    body = io.BytesIO(json.dumps({}).encode() + b"the next request")
    drain({"wsgi.input": body, "CONTENT_LENGTH": "2", "REQUEST_METHOD": "PUT"})
    assert body.read() == b"the next request"
