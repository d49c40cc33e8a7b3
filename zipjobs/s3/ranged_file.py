"""An object in S3 as a file that is read forwards."""

import io
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import (
    ServiceUnavailable,
    SourceArchived,
    SourceChanged,
    SourceForbidden,
    SourceNotFound,
    ZipJobsError,
    aws_error_code,
)
from zipjobs.s3.bucket_owners import OWNER_HINT
from zipjobs.s3.retry import LIST_READ_ATTEMPTS

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

RANGE_BYTES = 1024 * 1024
"""Bytes per GET, held in memory. A list of a million rows takes 10 to 100 requests."""


class ObjectFile(io.RawIOBase):
    """One version of an object, read in ranges, so that no connection stays open between reads.

    Reading raises SourceNotFound, SourceForbidden, SourceArchived, SourceChanged or
    ServiceUnavailable.
    """

    def __init__(self, s3: "S3Client", bucket: str, key: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._key = key
        self._where = f"s3://{bucket}/{key}"
        self._etag: str | None = None
        self._size: int | None = None
        self._offset = 0
        self._unread = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if not self._unread and self._offset != self._size:
            self._unread = memoryview(self._next_range())
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._unread))
        target[:count] = self._unread[:count]
        self._unread = self._unread[count:]
        return count

    def _next_range(self) -> bytes:
        problem: BotoCoreError | None = None
        for _ in range(LIST_READ_ATTEMPTS):
            try:
                answer = self._get()
                data = answer["Body"].read()
            except ClientError as error:
                if aws_error_code(error) == "InvalidRange" and self._offset == 0:
                    self._size = 0  # an empty object has no first byte
                    return b""
                raise source_error(error, self._where, "s3:GetObject on it") from error
            except BotoCoreError as error:
                problem = error
            else:
                if self._etag not in (None, answer["ETag"]):
                    raise SourceChanged(
                        f"{self._where} changed while it was read. Submit the job again."
                    )
                self._etag = answer["ETag"]
                self._size = int(answer["ContentRange"].rpartition("/")[2])
                self._offset += len(data)
                return data
        raise ServiceUnavailable(f"Reading {self._where} failed: {problem}") from problem

    def _get(self) -> "GetObjectOutputTypeDef":
        wanted = f"bytes={self._offset}-{self._offset + RANGE_BYTES - 1}"
        if self._etag is None:
            return self._s3.get_object(Bucket=self._bucket, Key=self._key, Range=wanted)
        return self._s3.get_object(
            Bucket=self._bucket, Key=self._key, Range=wanted, IfMatch=self._etag
        )


def source_error(error: ClientError, where: str, permission: str) -> ZipJobsError:
    """Return the error for a read or list request that S3 refused."""
    match aws_error_code(error):
        case "NoSuchKey" | "NoSuchBucket":
            return SourceNotFound(f"{where} does not exist. Correct the request.")
        case "AccessDenied" | "AllAccessDisabled":
            return SourceForbidden(
                f"The zipper's role has no permission to read {where}. Grant {permission}. "
                f"{OWNER_HINT}"
            )
        case "InvalidObjectState":
            return SourceArchived(
                f"{where} is in an archive storage class. Restore it, then submit the job again."
            )
        case "PreconditionFailed":
            return SourceChanged(f"{where} changed while it was read. Submit the job again.")
        case code:
            return ServiceUnavailable(f"S3 returned {code} for {where}.")
