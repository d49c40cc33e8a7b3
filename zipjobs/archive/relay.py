"""A range of an object as a file that can be uploaded, for ranges that S3 will not copy."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from isal.isal_zlib import crc32

from zipjobs.archive.source import Pinned
from zipjobs.errors import ServiceUnavailable, SourceChanged, aws_error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class RangeStream:
    """Reads ``length`` bytes of ``pinned`` from ``first`` on, as botocore reads an upload's body.

    Holds no more than what is asked for. Seeking back to the start, as botocore does before a
    retry, starts to read anew. ``crc32`` is that of what was read since.
    """

    def __init__(self, s3: "S3Client", pinned: Pinned, first: int, length: int) -> None:
        self.crc32 = 0
        self._s3 = s3
        self._pinned = pinned
        self._first = first
        self._length = length
        self._position = 0
        self._body: Any = None

    def __len__(self) -> int:
        return self._length

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        position = offset + (0, self._position, self._length)[whence]
        if position != self._position:
            self._close()
            self._position = position
            self.crc32 = 0
        return position

    def read(self, size: int = -1) -> bytes:
        left = self._length - self._position
        wanted = left if size is None or size < 0 else min(size, left)
        if not wanted:
            return b""
        if self._body is None:
            self._body = self._open()
        try:
            data: bytes = self._body.read(wanted)
        except BotoCoreError as error:
            raise ServiceUnavailable(f"Reading {self._pinned.source} broke off: {error}") from error
        if not data:
            raise ServiceUnavailable(f"Reading {self._pinned.source} broke off.")
        self._position += len(data)
        self.crc32 = crc32(data, self.crc32)
        if self._position == self._length:
            self._close()
        return data

    def _open(self) -> Any:
        source = self._pinned.source
        version = {"VersionId": source.version_id} if source.version_id is not None else {}
        try:
            return self._s3.get_object(
                Bucket=source.bucket,
                Key=source.key,
                IfMatch=self._pinned.etag,
                Range=f"bytes={self._first + self._position}-{self._first + self._length - 1}",
                **version,  # type: ignore[arg-type]
            )["Body"]
        except ClientError as error:
            code = aws_error_code(error)
            if code == "PreconditionFailed":
                raise SourceChanged(
                    f"{source} changed while it was read. Submit the job again."
                ) from error
            raise ServiceUnavailable(f"S3 answered {code} for {source}.") from error

    def _close(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None
