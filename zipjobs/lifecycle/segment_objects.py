"""The objects that the workers of a planned job exchange, below ``work/<job ID>/``.

This module reads, writes, lists and deletes them. ``zipjobs/worker/segment_store.py`` knows their
contents.
"""

import logging
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import ServiceUnavailable, aws_error_code
from zipjobs.s3.errors import is_permanent, own_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger = logging.getLogger(__name__)

WORKING_OBJECTS = "working objects"

MAX_KEYS_PER_DELETE = 1000
""""DeleteObjects" in the Amazon S3 API Reference."""


class SegmentObjects:
    """Objects in ``bucket`` below ``prefix``. Every method raises ServiceUnavailable."""

    def __init__(self, s3: "S3Client", bucket: str, prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix

    def put(self, job_id: str, name: str, body: bytes) -> None:
        """Write an object."""
        self._call("put_object", Key=self._key(job_id, name), Body=body)

    def get(self, job_id: str, name: str) -> bytes | None:
        """Return an object's content, or None if it does not exist."""
        with own_errors(WORKING_OBJECTS):
            try:
                response = self._s3.get_object(Bucket=self._bucket, Key=self._key(job_id, name))
            except ClientError as error:
                if aws_error_code(error) == "NoSuchKey":
                    return None
                raise
            return response["Body"].read()

    def built_segments(self, job_id: str) -> set[int]:
        """Return the numbers of the segments that are built."""
        return {int(PurePosixPath(key).stem) for key in self._keys(job_id, "built/")}

    def clean(self, job_id: str) -> None:
        """Delete all objects of a job.

        Objects that S3 refuses to delete are logged and left to the bucket's lifecycle rule.
        """
        try:
            self._delete_all(job_id)
        except ServiceUnavailable as error:
            cause = error.__cause__
            if not (isinstance(cause, ClientError | BotoCoreError) and is_permanent(cause)):
                raise
            logger.warning("Job %s: S3 refuses to delete working objects", job_id, exc_info=True)

    def _delete_all(self, job_id: str) -> None:
        keys = list(self._keys(job_id, ""))
        for start in range(0, len(keys), MAX_KEYS_PER_DELETE):
            batch = keys[start : start + MAX_KEYS_PER_DELETE]
            objects: Any = {"Objects": [{"Key": key} for key in batch], "Quiet": True}
            response = self._call("delete_objects", Delete=objects)
            if errors := response.get("Errors"):
                code = errors[0].get("Code")
                if code != "AccessDenied":
                    raise ServiceUnavailable(f"Working objects could not be deleted: {code}")
                logger.warning("Job %s: no permission to delete working objects", job_id)

    def _key(self, job_id: str, name: str) -> str:
        return f"{self._prefix}{job_id}/{name}"

    def _keys(self, job_id: str, folder: str) -> Iterator[str]:
        token: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", Prefix=self._key(job_id, folder), **token)
            for item in page.get("Contents", []):
                yield item["Key"]
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        with own_errors(WORKING_OBJECTS):
            call = getattr(self._s3, operation)
            response: dict[str, Any] = call(Bucket=self._bucket, **arguments)
        return response
