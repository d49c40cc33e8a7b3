"""The target of an archive, and the errors of requests to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from zipjobs.errors import (
    ServiceUnavailable,
    TargetForbidden,
    UploadGone,
    ZipJobsError,
    aws_error_code,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ABSENT = ("404", "NoSuchKey", "403", "AccessDenied")
"""Error codes for a missing object; 403 if the caller has no permission to list the bucket."""

RETRYABLE = ("RequestTimeout", "ExpiredToken", "RequestTimeTooSkewed")
"""Errors with a 4xx status that may succeed on a retry."""

OWNER_TAG = "made-for"
"""The metadata key that marks the objects that this service created."""


@dataclass(frozen=True, slots=True)
class Target:
    """The target of an archive. Objects with another ``owner_tag`` are never removed."""

    bucket: str
    key: str
    owner_tag: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def remove(s3: "S3Client", target: Target) -> bool:
    """Delete the object if it has the target's owner tag. Return whether it was deleted."""
    address = {"Bucket": target.bucket, "Key": target.key}
    try:
        found = s3.head_object(**address)  # type: ignore[arg-type]
    except ClientError as error:
        if aws_error_code(error) in ABSENT:
            return False
        raise
    if found["Metadata"].get(OWNER_TAG) != target.owner_tag:
        return False
    if version_id := found.get("VersionId"):
        address["VersionId"] = version_id
    s3.delete_object(**address)  # type: ignore[arg-type]
    return True


def target_error(target: Target, code: str) -> ZipJobsError:
    """Return the error for S3's error ``code``."""
    match code:
        case "AccessDenied" | "403" | "NoSuchBucket":
            return TargetForbidden(
                f"The zipper's role has no permission to write {target}, or the bucket does not "
                "exist or belongs to another account. Check targetBucket, targetPrefix and "
                "bucketOwners."
            )
        case "NoSuchUpload":
            return UploadGone(f"The upload to {target} does not exist any more.")
        case _:
            return ServiceUnavailable(f"S3 returned {code} for {target}.")


def is_refused(error: ClientError | BotoCoreError) -> bool:
    """Return whether a retry would fail too: S3 refuses the request, its key or its caller.

    botocore refuses some keys itself. It cannot parse responses that contain keys with control
    characters, which XML does not allow.
    """
    if not isinstance(error, ClientError):
        return isinstance(error, ParamValidationError | ResponseParserError)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return (
        400 <= status < 500
        and status not in (408, 409, 429)
        and aws_error_code(error) not in RETRYABLE
    )


@contextmanager
def target_errors(target: Target) -> Iterator[None]:
    """Convert botocore's errors to ZipJobsErrors."""
    try:
        yield
    except ClientError as error:
        raise target_error(target, aws_error_code(error)) from error
    except BotoCoreError as error:
        raise ServiceUnavailable(f"Writing {target} failed: {error}") from error
