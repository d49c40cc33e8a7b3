"""Aborts incomplete uploads and deletes the output of unsuccessful jobs.

This module does not import the archive engine, so that the functions that use it start fast.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import TargetForbidden, aws_error_code
from zipjobs.s3.errors import ErrorResponse, is_permanent, target_errors
from zipjobs.s3.target import OWNER_TAG, Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class UploadCleaner:
    """Cleans up with one S3 client. Thread-safe.

    Every method raises TargetForbidden if S3 refuses the request permanently, and
    ServiceUnavailable if it must be retried.
    """

    def __init__(self, s3: "S3Client") -> None:
        self._s3 = s3

    def abort(self, target: Target, upload_id: str) -> None:
        """Abort an upload, if it still exists."""
        with _cleanup_errors(target):
            try:
                self._s3.abort_multipart_upload(
                    Bucket=target.bucket, Key=target.key, UploadId=upload_id
                )
            except ClientError as error:
                if aws_error_code(error) != "NoSuchUpload":
                    raise

    def abort_all(self, bucket: str, prefix: str, but: str | None = None) -> None:
        """Abort all uploads to keys that start with ``prefix``, except the upload ``but``."""
        location = Target(bucket, prefix)
        with _cleanup_errors(location):
            pages = self._s3.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=bucket, Prefix=prefix):
                for upload in page.get("Uploads", []):
                    if upload["UploadId"] != but:
                        self.abort(Target(bucket, upload["Key"]), upload["UploadId"])

    def remove(self, target: Target) -> None:
        """Delete the object at ``target`` if it has the target's owner tag."""
        with _cleanup_errors(target):
            remove_if_owned(self._s3, target)


def remove_if_owned(s3: "S3Client", target: Target) -> bool:
    """Delete the object if it has the target's owner tag. Return whether it was deleted."""
    address = {"Bucket": target.bucket, "Key": target.key}
    try:
        found = s3.head_object(**address)  # type: ignore[arg-type]
    except ClientError as error:
        if ErrorResponse.of(error).may_be_absent:
            return False
        raise
    if found["Metadata"].get(OWNER_TAG) != target.owner_tag:
        return False
    try:
        version: Any = {"VersionId": found["VersionId"]} if "VersionId" in found else {}
        s3.delete_object(**address, **version)  # type: ignore[arg-type]
    except ClientError as error:
        if not version or ErrorResponse.of(error).status != 403:
            raise
        # Object Lock retains the version. A delete marker hides it.
        s3.delete_object(**address)  # type: ignore[arg-type]
    return True


@contextmanager
def _cleanup_errors(target: Target) -> Iterator[None]:
    """Raise TargetForbidden if a retry would fail too."""
    with target_errors(target):
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            if not is_permanent(error):
                raise
            raise TargetForbidden(f"S3 refuses to clean up {target}: {error}") from error
