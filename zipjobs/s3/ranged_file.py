"""An object in S3 as a file that is read forwards."""

import io
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import ServiceUnavailable, SourceChanged
from zipjobs.s3.errors import ErrorResponse, source_error
from zipjobs.s3.retry import LIST_READ_ATTEMPTS
from zipjobs.s3.source import Source

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

RANGE_BYTES = 1024 * 1024
"""Bytes per GET, held in memory. A list of a million rows takes 10 to 100 requests."""


class ObjectFile(io.RawIOBase):
    """One version of an object, read in ranges, so that no connection stays open between reads.

    Reading raises an UnreadableObject, SourceChanged or ServiceUnavailable.
    """

    def __init__(self, s3: "S3Client", source: Source) -> None:
        self._s3 = s3
        self._source = source
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
                response = ErrorResponse.of(error)
                if response.status == 416 and self._offset == 0:
                    self._size = 0  # an empty object has no first byte
                    return b""
                raise source_error(response, self._source) from error
            except BotoCoreError as error:
                problem = error
            else:
                if self._etag not in (None, answer["ETag"]):
                    raise SourceChanged(
                        f"{self._source} changed while it was read. Submit the job again."
                    )
                self._etag = answer["ETag"]
                self._size = int(answer["ContentRange"].rpartition("/")[2])
                self._offset += len(data)
                return data
        raise ServiceUnavailable(f"Reading {self._source} failed: {problem}") from problem

    def _get(self) -> "GetObjectOutputTypeDef":
        source = self._source
        pinned = {} if self._etag is None else {"IfMatch": self._etag}
        return self._s3.get_object(
            Bucket=source.bucket,
            Key=source.key,
            Range=f"bytes={self._offset}-{self._offset + RANGE_BYTES - 1}",
            **pinned,  # type: ignore[arg-type]
            **source.payer,
        )
