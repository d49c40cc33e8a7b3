"""An S3 other than the embedded AWS, for the integration tests: see ``tests/localstack``."""

import os
from typing import Any

import pytest
from botocore.exceptions import ClientError

URL_VARIABLE = "ZIPJOBS_TEST_S3"

OTHER_S3 = os.environ.get(URL_VARIABLE) or None
"""The URL of the S3 that the tests use instead of the embedded AWS's, or None."""


def delete_buckets(s3: Any) -> None:
    """Delete all buckets with all their objects and multipart uploads."""
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                _delete(s3, {"Bucket": name, "Key": one["Key"], "VersionId": one["VersionId"]})
        s3.delete_bucket(Bucket=name)


def _delete(s3: Any, version: dict[str, str]) -> None:
    """Delete a version, also if it is locked. S3 accepts the bypass only for such buckets."""
    try:
        s3.delete_object(**version)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        s3.delete_object(**version, BypassGovernanceRetention=True)


def differs(reason: str) -> pytest.MarkDecorator:
    """Mark a test that must fail on LocalStack. ``reason`` says how LocalStack differs from S3."""
    return pytest.mark.xfail(OTHER_S3 is not None, reason=reason, strict=True)


def only_other_s3(reason: str) -> pytest.MarkDecorator:
    """Mark a test that must fail on moto. ``reason`` says how moto differs from S3."""
    return pytest.mark.xfail(OTHER_S3 is None, reason=reason, strict=True)
