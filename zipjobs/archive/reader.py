"""Reads source objects, pinned: every byte of an entry comes from one state of its object."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, NotRequired, TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.archive.source import Pinned, Source
from zipjobs.errors import (
    ServiceUnavailable,
    SourceArchived,
    SourceChanged,
    SourceForbidden,
    SourceNotFound,
    aws_error_code,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Head(NamedTuple):
    """The first bytes of an object (all of it, if it is small) and the state they belong to."""

    pinned: Pinned
    data: bytes


class ObjectReader:
    """Reads objects with one S3 client, which is safe to share between threads."""

    def __init__(self, s3: "S3Client") -> None:
        self._s3 = s3

    def head(self, source: Source, limit: int, admit: Callable[[int], None]) -> Head:
        """Return the first ``limit`` bytes of ``source`` and pin its state, in one GET.

        ``admit`` is called once, with the number of bytes that are about to be read into memory;
        it may block. Raises SourceNotFound, SourceForbidden, SourceArchived, or ServiceUnavailable.
        """
        with _source_errors(source):
            try:
                answer = self._s3.get_object(**_address(source), Range=f"bytes=0-{limit - 1}")
            except ClientError as error:
                if aws_error_code(error) != "InvalidRange":
                    raise
                admit(0)
                return Head(self._pin_empty(source), b"")
            size = int(answer["ContentRange"].rpartition("/")[2])
            pinned = Pinned(source, answer["ETag"], size, answer["LastModified"])
            admit(min(size, limit))
            data = answer["Body"].read()
        _expect(source, data, min(size, limit))
        return Head(pinned, data)

    def range(self, pinned: Pinned, first: int, length: int) -> bytes:
        """Return ``length`` bytes of ``pinned`` from its byte ``first`` on.

        Raises SourceChanged if the object is no longer what it was, else as ``head``.
        """
        with _source_errors(pinned.source):
            answer = self._s3.get_object(
                **_address(pinned.source),
                Range=f"bytes={first}-{first + length - 1}",
                IfMatch=pinned.etag,
            )
            data = answer["Body"].read()
        _expect(pinned.source, data, length)
        return data

    def _pin_empty(self, source: Source) -> Pinned:
        """An empty object has no range to ask for (416), and that answer names no state."""
        answer = self._s3.head_object(**_address(source))
        if answer["ContentLength"] != 0:
            raise SourceChanged(f"{source} changed while it was read. Submit the job again.")
        return Pinned(source, answer["ETag"], 0, answer["LastModified"])


class _Address(TypedDict):
    Bucket: str
    Key: str
    VersionId: NotRequired[str]


def _address(source: Source) -> _Address:
    if source.version_id is None:
        return {"Bucket": source.bucket, "Key": source.key}
    return {"Bucket": source.bucket, "Key": source.key, "VersionId": source.version_id}


def _expect(source: Source, data: bytes, length: int) -> None:
    if len(data) != length:
        raise ServiceUnavailable(f"{source} ended after {len(data):,} of {length:,} bytes.")


@contextmanager
def _source_errors(source: Source) -> Iterator[None]:
    """Turn botocore's errors about ``source`` into ours, by code, in this one place."""
    try:
        yield
    except ClientError as error:
        match aws_error_code(error):
            case "NoSuchKey" | "NoSuchVersion" | "NoSuchBucket" | "404":
                raise SourceNotFound(
                    f"{source} does not exist. Check the key, or remove it from the list."
                ) from error
            case "AccessDenied" | "403":
                raise SourceForbidden(
                    f"{source} may not be read by the zipper's role. "
                    "Grant s3:GetObject on it, and kms:Decrypt if it is encrypted with a KMS key."
                ) from error
            case "InvalidObjectState":
                raise SourceArchived(
                    f"{source} is in an archive storage class. Restore it, then submit again."
                ) from error
            case "PreconditionFailed" | "412":
                raise SourceChanged(
                    f"{source} changed while it was read. Submit the job again."
                ) from error
            case code:
                raise ServiceUnavailable(f"S3 answered {code} for {source}.") from error
    except BotoCoreError as error:
        raise ServiceUnavailable(f"Reading {source} broke off: {error}") from error
