"""Where an archive goes, what stands there, and what S3 says of it."""

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
"""How S3 says that there is no object; 403 to those who may not list the bucket."""

PASSING = ("RequestTimeout", "ExpiredToken", "RequestTimeTooSkewed")
"""What S3 answers with a status of 4xx and may not answer again."""

OWNER_TAG = "made-for"
"""The metadata that tells the objects that we made from others."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the archive goes. Objects with another ``owner_tag`` are never removed."""

    bucket: str
    key: str
    owner_tag: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def remove(s3: "S3Client", target: Target) -> bool:
    """Delete the object that bears the target's mark; whether there was one."""
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
    """What it means that S3 answered ``code`` for ``target``: decided in this one place."""
    match code:
        case "AccessDenied" | "403" | "NoSuchBucket":
            return TargetForbidden(
                f"{target} may not be written by the zipper's role, or its bucket does not "
                "exist or is not of the account that is expected. Check targetBucket, "
                "targetPrefix and bucketOwners."
            )
        case "NoSuchUpload":
            return UploadGone(f"The upload to {target} is gone.")
        case _:
            return ServiceUnavailable(f"S3 answered {code} for {target}.")


def is_refused(error: ClientError | BotoCoreError) -> bool:
    """Whether S3 would give the same answer again: it refuses the request, its key or its caller.

    Botocore refuses some keys itself, and cannot read the answers about others, for XML has no
    control characters.
    """
    if not isinstance(error, ClientError):
        return isinstance(error, ParamValidationError | ResponseParserError)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return (
        400 <= status < 500
        and status not in (408, 409, 429)
        and aws_error_code(error) not in PASSING
    )


@contextmanager
def target_errors(target: Target) -> Iterator[None]:
    """Turn botocore's errors about ``target`` into ours."""
    try:
        yield
    except ClientError as error:
        raise target_error(target, aws_error_code(error)) from error
    except BotoCoreError as error:
        raise ServiceUnavailable(f"Writing {target} broke off: {error}") from error
