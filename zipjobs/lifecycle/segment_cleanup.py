"""The working objects of planned jobs, as far as one need not know what is in them.

Workers read and write them: see ``zipjobs/worker/segment_store.py``. Whatever ends a job deletes
them.
"""

import logging
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import ServiceUnavailable
from zipjobs.s3.target import is_refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger = logging.getLogger(__name__)

MAX_DELETED = 1000
"""Keys: "DeleteObjects" in the Amazon S3 API Reference."""


class SegmentCleanup:
    """Finds and deletes working objects. Every method raises ServiceUnavailable."""

    def __init__(self, s3: "S3Client", bucket: str, prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix

    def built_segments(self, job_id: str) -> set[int]:
        """The numbers of the segments that have been made."""
        return {int(PurePosixPath(key).stem) for key in self._keys(job_id, "built/")}

    def clean(self, job_id: str) -> None:
        """Delete all that there is of a job. What S3 refuses to delete is left to the bucket's
        lifecycle rule, and logged.
        """
        try:
            self._clean(job_id)
        except ServiceUnavailable as error:
            cause = error.__cause__
            if not (isinstance(cause, ClientError | BotoCoreError) and is_refused(cause)):
                raise
            logger.warning("Job %s: S3 refuses to delete working objects", job_id, exc_info=True)

    def _clean(self, job_id: str) -> None:
        keys = list(self._keys(job_id, ""))
        for start in range(0, len(keys), MAX_DELETED):
            batch = keys[start : start + MAX_DELETED]
            objects: Any = {"Objects": [{"Key": key} for key in batch], "Quiet": True}
            answer = self._call("delete_objects", Delete=objects)
            if errors := answer.get("Errors"):
                code = errors[0].get("Code")
                if code != "AccessDenied":
                    raise ServiceUnavailable(f"Working objects remain: {code}")
                logger.warning("Job %s: working objects may not be deleted", job_id)

    def _key(self, job_id: str, name: str) -> str:
        return f"{self._prefix}{job_id}/{name}"

    def _keys(self, job_id: str, below: str) -> Iterator[str]:
        token: dict[str, str] = {}
        while True:
            answer = self._call("list_objects_v2", Prefix=self._key(job_id, below), **token)
            for found in answer.get("Contents", []):
                yield found["Key"]
            if not answer.get("IsTruncated"):
                return
            token = {"ContinuationToken": answer["NextContinuationToken"]}

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._s3, operation)(Bucket=self._bucket, **arguments)
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error) from error
        return answer


def unavailable(error: Exception) -> ServiceUnavailable:
    """What it means that S3 did not do what was asked with a working object."""
    return ServiceUnavailable(f"The working objects could not be reached: {error}")
