"""The actions that requests require, as boto3 sends them."""

from collections.abc import Callable
from typing import Any

import pytest

from local.aws_requests import identify_request
from local.iam.required_actions import Location, RequiredActions, required_actions
from tests.unit.local.captured import Capture, NotSent

REGION, ACCOUNT = "eu-central-1", "123456789012"
LOCATION = Location(REGION, ACCOUNT)
BUCKET = "arn:aws:s3:::bucket"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/jobs"
QUEUE_URL = f"http://127.0.0.1/{ACCOUNT}/jobs"
KEY = {"jobId": {"S": "1"}}
OF_OBJECT = {"Bucket": "bucket", "Key": "a b/ü?.zip"}
OBJECT = f"{BUCKET}/a b/ü?.zip"

Send = Callable[[str, str, dict[str, Any]], RequiredActions]


@pytest.fixture(scope="module")
def capture() -> Capture:
    return Capture()


@pytest.fixture
def send(capture: Capture) -> Send:
    """Return what a request requires."""

    def required(service: str, operation: str, parameters: dict[str, Any]) -> RequiredActions:
        with pytest.raises(NotSent):
            getattr(capture.client(service), operation)(**parameters)
        body = capture.environ["wsgi.input"].getvalue()
        request = identify_request(capture.environ)
        assert request is not None
        actions = required_actions(request, capture.environ, LOCATION)
        assert capture.environ["wsgi.input"].read() == body
        return actions

    return required


def needed(required: RequiredActions) -> set[tuple[str, str]]:
    assert required.is_known
    return {(access.action, access.resource) for access in required.accesses}


@pytest.mark.parametrize(
    ("operation", "parameters", "action"),
    [
        ("get_object", {}, "GetObject"),
        ("head_object", {}, "GetObject"),
        ("get_object", {"VersionId": "1"}, "GetObjectVersion"),
        ("head_object", {"VersionId": "1"}, "GetObjectVersion"),
        ("put_object", {"Body": b"x"}, "PutObject"),
        ("create_multipart_upload", {}, "PutObject"),
        ("upload_part", {"UploadId": "u", "PartNumber": 1, "Body": b"x"}, "PutObject"),
        ("complete_multipart_upload", {"UploadId": "u"}, "PutObject"),
        ("abort_multipart_upload", {"UploadId": "u"}, "AbortMultipartUpload"),
        ("list_parts", {"UploadId": "u"}, "ListMultipartUploadParts"),
        ("delete_object", {}, "DeleteObject"),
        ("delete_object", {"VersionId": "1"}, "DeleteObjectVersion"),
        ("get_object_tagging", {}, "GetObjectTagging"),
        ("get_object_acl", {"VersionId": "1"}, "GetObjectVersionAcl"),
    ],
)
def test_object_requests(
    send: Send, operation: str, parameters: dict[str, Any], action: str
) -> None:
    required = send("s3", operation, {**OF_OBJECT, **parameters})
    assert needed(required) == {(f"s3:{action}", OBJECT)}


def test_conditional_write_needs_read_permission(send: Send) -> None:
    put = send("s3", "put_object", {**OF_OBJECT, "Body": b"", "IfMatch": '"etag"'})
    assert needed(put) == {("s3:PutObject", OBJECT), ("s3:GetObject", OBJECT)}
    put = send("s3", "put_object", {**OF_OBJECT, "Body": b"", "IfNoneMatch": "*"})
    assert needed(put) == {("s3:PutObject", OBJECT)}


def test_write_with_tags_needs_tagging_permission(send: Send) -> None:
    required = send("s3", "put_object", {**OF_OBJECT, "Body": b"", "Tagging": "a=b"})
    assert needed(required) == {("s3:PutObject", OBJECT), ("s3:PutObjectTagging", OBJECT)}


@pytest.mark.parametrize(
    ("version", "action"), [({}, "GetObject"), ({"VersionId": "1"}, "GetObjectVersion")]
)
def test_copy_needs_source_and_target_permissions(
    send: Send, version: dict[str, str], action: str
) -> None:
    source = {"Bucket": "source", "Key": "ü/1.pdf", **version}
    part = {"UploadId": "u", "PartNumber": 1, "CopySource": source}
    required = send("s3", "upload_part_copy", {**OF_OBJECT, **part})
    assert needed(required) == {
        ("s3:PutObject", OBJECT),
        (f"s3:{action}", "arn:aws:s3:::source/ü/1.pdf"),
    }
    assert {access.resource for access in required.if_missing} == {"arn:aws:s3:::source"}


def test_missing_object_needs_list_permission(send: Send) -> None:
    (access,) = send("s3", "get_object", OF_OBJECT).if_missing
    assert (access.action, access.resource) == ("s3:ListBucket", BUCKET)


def test_bucket_requests(send: Send) -> None:
    listing = send("s3", "list_objects_v2", {"Bucket": "bucket", "Prefix": "work/"})
    assert needed(listing) == {("s3:ListBucket", BUCKET)}
    assert ("s3:prefix", "work/") in listing.accesses[0].keys
    uploads = send("s3", "list_multipart_uploads", {"Bucket": "bucket", "Prefix": "zips/"})
    assert needed(uploads) == {("s3:ListBucketMultipartUploads", BUCKET)}
    versions = send("s3", "list_object_versions", {"Bucket": "bucket"})
    assert needed(versions) == {("s3:ListBucketVersions", BUCKET)}
    assert needed(send("s3", "head_bucket", {"Bucket": "bucket"})) == {("s3:ListBucket", BUCKET)}


def test_delete_objects_needs_permission_for_each_key(send: Send) -> None:
    objects = [{"Key": "a&b"}, {"Key": "c", "VersionId": "1"}]
    required = send("s3", "delete_objects", {"Bucket": "bucket", "Delete": {"Objects": objects}})
    assert needed(required) == {
        ("s3:DeleteObject", f"{BUCKET}/a&b"),
        ("s3:DeleteObjectVersion", f"{BUCKET}/c"),
    }


@pytest.mark.parametrize("operation", ["get_bucket_policy", "delete_bucket", "get_bucket_acl"])
def test_unlisted_bucket_operations_are_unknown(send: Send, operation: str) -> None:
    assert not send("s3", operation, {"Bucket": "bucket"}).is_known


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("get_item", {"TableName": "jobs", "Key": KEY}, {("GetItem", TABLE)}),
        ("update_item", {"TableName": "jobs", "Key": KEY}, {("UpdateItem", TABLE)}),
        ("delete_item", {"TableName": "jobs", "Key": KEY}, {("DeleteItem", TABLE)}),
        ("query", {"TableName": "jobs"}, {("Query", TABLE)}),
        (
            "query",
            {"TableName": TABLE, "IndexName": "sweep"},
            {("Query", f"{TABLE}/index/sweep")},
        ),
        (
            "batch_get_item",
            {"RequestItems": {"jobs": {"Keys": [KEY]}, "more": {"Keys": [KEY]}}},
            {("BatchGetItem", TABLE), ("BatchGetItem", TABLE.replace("jobs", "more"))},
        ),
        (
            "transact_write_items",
            {
                "TransactItems": [
                    {"Put": {"TableName": "jobs", "Item": KEY}},
                    {"Delete": {"TableName": "jobs", "Key": KEY}},
                ]
            },
            {("PutItem", TABLE), ("DeleteItem", TABLE)},
        ),
    ],
)
def test_table_requests(
    send: Send, operation: str, parameters: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    required = send("dynamodb", operation, parameters)
    assert needed(required) == {(f"dynamodb:{action}", resource) for action, resource in expected}


def test_message_batch_needs_the_action_of_one_message(send: Send) -> None:
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs"
    one = send("sqs", "send_message", {"QueueUrl": QUEUE_URL, "MessageBody": "x"})
    entries = [{"Id": "1", "MessageBody": "x"}]
    batch = send("sqs", "send_message_batch", {"QueueUrl": QUEUE_URL, "Entries": entries})
    assert needed(one) == needed(batch) == {("sqs:SendMessage", arn)}


def test_put_events_needs_permission_for_each_bus(send: Send) -> None:
    other = "arn:aws:events:us-west-2:210987654321:event-bus/other"
    entry = {"Source": "s", "DetailType": "d", "Detail": "{}"}
    entries = [{**entry, "EventBusName": "mine"}, {**entry, "EventBusName": other}, entry]
    assert needed(send("events", "put_events", {"Entries": entries})) == {
        ("events:PutEvents", LOCATION.arn("events", "event-bus/mine")),
        ("events:PutEvents", LOCATION.arn("events", "event-bus/default")),
        ("events:PutEvents", other),
    }


def test_log_stream_requests(send: Send) -> None:
    stream = {"logGroupName": "group", "logStreamName": "stream"}
    required = send("logs", "create_log_stream", stream)
    assert needed(required) == {
        ("logs:CreateLogStream", LOCATION.arn("logs", "log-group:group:log-stream:stream"))
    }


def test_sts_requests(send: Send) -> None:
    assert needed(send("sts", "get_caller_identity", {})) == set()
    role = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/zipper", "RoleSessionName": "one"}
    assert not send("sts", "assume_role", role).is_known
