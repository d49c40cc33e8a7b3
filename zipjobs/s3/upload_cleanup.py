"""Takes away what is left of archives: uploads that nobody completes, and objects nobody wants.

Whoever only does that loads nothing of what makes archives.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import TargetForbidden, aws_error_code
from zipjobs.s3.target import Target, is_refused, remove, target_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class UploadCleaner:
    """Works with one S3 client, and is safe to share between threads.

    Every method raises TargetForbidden if S3 refuses the request for good, and ServiceUnavailable.
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
        """Abort every upload to a key that begins with ``prefix``, known to anybody or not.

        All, that is, ``but`` that one.
        """
        place = Target(bucket, prefix)
        with _cleanup_errors(place):
            pages = self._s3.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=bucket, Prefix=prefix):
                for found in page.get("Uploads", []):
                    if found["UploadId"] != but:
                        self.abort(Target(bucket, found["Key"]), found["UploadId"])

    def remove(self, target: Target) -> None:
        """Delete the object at ``target``, if there is one that bears its mark."""
        with _cleanup_errors(target):
            remove(self._s3, target)


@contextmanager
def _cleanup_errors(target: Target) -> Iterator[None]:
    """Raise TargetForbidden for what S3 would refuse again: nothing is left to do about it."""
    with target_errors(target):
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            if not is_refused(error):
                raise
            raise TargetForbidden(f"S3 refuses to clean up {target}: {error}") from error
