"""Requests to S3 name the expected bucket owner. Presigned links do not."""

from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from botocore.config import Config

from local.aws_requests import S3_OPERATIONS
from tests.support.environment import FUNCTIONS_ENVIRONMENT
from zipjobs.s3.bucket_owners import BucketOwners
from zipjobs.settings import (
    EnqueueSettings,
    FinalizerSettings,
    OwnerSettings,
    ReconcilerSettings,
    StatusSettings,
    ZipperSettings,
)

US, THEM = "123456789012", "011122223333"
OWNERS = BucketOwners(US, {"theirs": THEM})
BUCKET = "x-amz-expected-bucket-owner"
SOURCE = "x-amz-source-expected-bucket-owner"

OBJECT = {"Bucket": "ours", "Key": "a"}
UPLOAD = {**OBJECT, "UploadId": "u"}
COPY = {"CopySource": {"Bucket": "theirs", "Key": "b"}}
PARAMETERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "AbortMultipartUpload": ("abort_multipart_upload", UPLOAD),
    "CompleteMultipartUpload": ("complete_multipart_upload", UPLOAD),
    "CopyObject": ("copy_object", OBJECT | COPY),
    "CreateMultipartUpload": ("create_multipart_upload", OBJECT),
    "DeleteObject": ("delete_object", OBJECT),
    "DeleteObjects": ("delete_objects", {"Bucket": "ours", "Delete": {"Objects": [{"Key": "a"}]}}),
    "GetObject": ("get_object", OBJECT),
    "HeadObject": ("head_object", OBJECT),
    "ListMultipartUploads": ("list_multipart_uploads", {"Bucket": "ours"}),
    "ListObjectsV2": ("list_objects_v2", {"Bucket": "ours"}),
    "ListParts": ("list_parts", UPLOAD),
    "PutObject": ("put_object", OBJECT),
    "UploadPart": ("upload_part", {**UPLOAD, "PartNumber": 1}),
    "UploadPartCopy": ("upload_part_copy", {**UPLOAD, **COPY, "PartNumber": 1}),
}


class Sent(Exception):
    """A request would be sent now."""

    def __init__(self, headers: HTTPHeaders) -> None:
        super().__init__()
        self.headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else value
            for name, value in headers.items()
        }


@pytest.fixture(scope="module")
def s3() -> Any:
    """A client that raises ``Sent`` instead of sending a request."""
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="id",
        aws_secret_access_key="key",
        config=Config(signature_version="s3v4"),
    )
    OWNERS.watch(client)

    def stop(request: AWSPreparedRequest, **_: object) -> None:
        raise Sent(request.headers)

    client.meta.events.register("before-send.s3", stop)
    return client


def test_the_default_owner_is_the_account() -> None:
    assert OWNERS.of("ours") == US
    assert OWNERS.of("theirs") == THEM
    assert OWNERS.headers("theirs") == {BUCKET: THEM}


@pytest.mark.parametrize("operation", S3_OPERATIONS)
def test_every_request_names_the_expected_owner(s3: Any, operation: str) -> None:
    method, parameters = PARAMETERS[operation]
    with pytest.raises(Sent) as sent:
        getattr(s3, method)(**parameters)
    headers = sent.value.headers
    assert headers[BUCKET] == US
    assert headers.get(SOURCE) == (THEM if "CopySource" in parameters else None)
    assert BUCKET in headers["authorization"]


def test_every_page_of_a_list_names_the_expected_owner(s3: Any) -> None:
    with pytest.raises(Sent) as sent:
        list(s3.get_paginator("list_objects_v2").paginate(Bucket="theirs"))
    assert sent.value.headers[BUCKET] == THEM


def test_requests_without_a_bucket_name_no_owner(s3: Any) -> None:
    with pytest.raises(Sent) as sent:
        s3.list_buckets()
    assert BUCKET not in sent.value.headers


def test_presigned_links_name_no_owner(s3: Any) -> None:
    """The browser would have to send a signed header."""
    link = s3.generate_presigned_url("get_object", Params=OBJECT)
    assert "X-Amz-SignedHeaders=host&" in link
    assert "expected-bucket-owner" not in link.lower()


@pytest.mark.parametrize(
    "kind", [EnqueueSettings, StatusSettings, ZipperSettings, FinalizerSettings, ReconcilerSettings]
)
def test_functions_that_use_s3_read_owners_from_the_environment(kind: type[OwnerSettings]) -> None:
    environment = {**FUNCTIONS_ENVIRONMENT, "BUCKET_OWNERS": f'{{"theirs": "{THEM}"}}'}
    assert kind.from_environment(environment).owners == OWNERS
