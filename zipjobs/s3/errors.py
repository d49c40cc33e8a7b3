"""What S3's error responses mean, for every request to S3.

The meaning depends on the role of the object: a source, the target of an archive, or an object of
the service itself (requests, status objects, receipts, the working objects of large jobs).

A 4xx status is permanent, with the exceptions in ``TRANSIENT_STATUSES`` and ``TRANSIENT_CODES``.
"Error responses" in the Amazon S3 API Reference lists the codes.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from zipjobs.errors import (
    ServiceUnavailable,
    SourceArchived,
    SourceChanged,
    SourceEncrypted,
    SourceForbidden,
    SourceNotFound,
    TargetForbidden,
    UploadConflict,
    UploadGone,
    ZipJobsError,
)
from zipjobs.s3.bucket_owners import OWNER_HINT
from zipjobs.s3.source import Source
from zipjobs.s3.target import Target

TRANSIENT_STATUSES = frozenset({408, 409, 429})

TRANSIENT_CODES = frozenset(
    {
        "RequestTimeout",
        "ExpiredToken",
        "RequestTimeTooSkewed",
        "RequestExpired",
        # Bytes that changed on their way, and parts that another attempt has replaced.
        "BadDigest",
        "XAmzContentChecksumMismatch",
        "IncompleteBody",
        "InvalidPart",
        "InvalidPartOrder",
    }
)

FORBIDDEN = frozenset({"AccessDenied", "AllAccessDisabled"})

PAYER_HINT = "If its bucket is a Requester Pays bucket, set requestPayer."

MAX_BODY_BYTES = 16 * 1024
"""The limit for the body of an error response. S3's are shorter."""

_PARSER_ERROR = "ResponseParserError"  # importing its module would make cold starts slower
_CODE = re.compile(r"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")
_REGION = "x-amz-bucket-region"
_MOVED = frozenset({301, 307, 400})
"""The statuses of responses that name the Region of a bucket in another one."""


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error response of S3. ``code`` is empty if it has no body, as for HEAD.

    ``region`` is that of the bucket, if S3 says that it is in another one.
    """

    status: int
    code: str = ""
    message: str = ""
    region: str | None = None

    @classmethod
    def parse(cls, status: int, headers: Mapping[str, str], body: bytes) -> "ErrorResponse":
        """Read a response that boto3 did not receive. Header names are in lower case."""
        text = body.decode(errors="replace")
        code, message = _CODE.search(text), _MESSAGE.search(text)
        return cls(
            status,
            code[1] if code else "",
            message[1] if message else "",
            headers.get(_REGION) if status in _MOVED else None,
        )

    @classmethod
    def of(cls, error: ClientError) -> "ErrorResponse":
        """Read the response of an error that boto3 raised."""
        details = error.response.get("Error", {})
        metadata = error.response.get("ResponseMetadata", {})
        code = str(details.get("Code", ""))
        status = metadata.get("HTTPStatusCode") or (int(code) if code.isdecimal() else 0)
        return cls(
            status,
            "" if code.isdecimal() else code,
            str(details.get("Message", "")),
            metadata.get("HTTPHeaders", {}).get(_REGION) if status in _MOVED else None,
        )

    @property
    def is_permanent(self) -> bool:
        """Return whether a retry would fail too."""
        return (
            300 <= self.status < 500
            and self.status not in TRANSIENT_STATUSES
            and self.code not in TRANSIENT_CODES
            and not (self.status == 307 or "Throttl" in self.code)
        )

    @property
    def is_absent(self) -> bool:
        """Return whether the object does not exist: 404, or a version that cannot.

        S3 answers 405 for the version of a delete marker, and 400 for a version ID that is
        malformed or that a bucket without versioning cannot have.
        """
        return self.status in (404, 405) or (
            self.code == "InvalidArgument" and "version" in self.message.lower()
        )

    @property
    def may_be_absent(self) -> bool:
        """Return whether the object may not exist.

        S3 answers 403 for a missing object if the caller has no permission to list the bucket.
        """
        return self.is_absent or self.status == 403

    def __str__(self) -> str:
        name = self.code or f"status {self.status}"
        return f"{name}: {self.message.rstrip('.')}" if self.message else name


def is_permanent(error: ClientError | BotoCoreError) -> bool:
    """Return whether a retry would fail too.

    botocore refuses some keys itself. It cannot parse responses that contain keys with control
    characters, which XML does not allow.
    """
    if isinstance(error, ClientError):
        return ErrorResponse.of(error).is_permanent
    return isinstance(error, ParamValidationError) or type(error).__name__ == _PARSER_ERROR


def source_error(response: ErrorResponse, source: Source, permission: str = "") -> ZipJobsError:
    """Return the error for a refused read of ``source``.

    ``permission`` is what the role needs, if it is not that of a single object.
    """
    named = (str(source),)
    if response.is_absent and source.version_id is not None and response.code != "NoSuchBucket":
        return SourceNotFound(
            f"{source} has no version {source.version_id}, or it is a delete marker. Check the "
            "version ID, or remove the object from the list.",
            named,
        )
    if response.is_absent:
        return SourceNotFound(
            f"{source} does not exist. Check the key, or remove it from the list.", named
        )
    match response.status, response.code:
        case (403, "InvalidObjectState"):
            return SourceArchived(
                f"{source} is in an archive storage class. Restore it, then submit the job again.",
                named,
            )
        case (400, "InvalidRequest") if "ncryption" in response.message:
            return SourceEncrypted(
                f"{source} is encrypted with a key that only its owner has (SSE-C). Copy it to an "
                "object that S3 or AWS KMS encrypts, or remove it from the list.",
                named,
            )
        case (_, code) if code.startswith("KMS.") and response.is_permanent:
            return SourceEncrypted(
                f"{source} is encrypted with a KMS key that cannot be used ({code}). Enable the "
                "key, or remove the object from the list.",
                named,
            )
        case (412 | 416 | 200, _):
            return SourceChanged(
                f"{source} changed while it was read. Submit the job again.", named
            )
    if response.status == 403 and (not response.code or response.code in FORBIDDEN):
        needed = permission or "s3:GetObject, and kms:Decrypt if a KMS key encrypts it"
        hint = "" if source.requester_pays else f" {PAYER_HINT}"
        return SourceForbidden(
            f"The zipper's role has no permission to read {source}. Grant {needed}. {OWNER_HINT}"
            f"{hint}",
            named,
        )
    if response.is_permanent:
        return SourceForbidden(f"S3 refuses to read {source}: {response}.", named)
    return ServiceUnavailable(f"S3 returned {response} for {source}.")


def target_error(response: ErrorResponse, target: Target) -> ZipJobsError:
    """Return the error for a refused request to the target of an archive."""
    if response.code == "NoSuchUpload":
        return UploadGone(f"The upload to {target} does not exist any more.")
    if response.code == "ConditionalRequestConflict":
        return UploadConflict(f"{target} was deleted during its upload. It needs a new upload.")
    if response.region is not None and response.is_permanent:
        return TargetForbidden(
            f"The bucket of {target} is in Region {response.region}. Archives can only be written "
            "to buckets in the Region of the stack. Use another targetBucket."
        )
    if response.status == 403 or response.is_absent:
        return TargetForbidden(
            f"The zipper's role has no permission to write {target}, or the bucket does not "
            "exist or belongs to another account. Check targetBucket, targetPrefix and "
            f"bucketOwners. S3 returned {response}."
        )
    if response.is_permanent:
        return TargetForbidden(f"S3 refuses to write {target}: {response}.")
    return ServiceUnavailable(f"S3 returned {response} for {target}.")


@contextmanager
def target_errors(target: Target) -> Iterator[None]:
    """Convert botocore's errors of requests to ``target``."""
    try:
        yield
    except ClientError as error:
        raise target_error(ErrorResponse.of(error), target) from error
    except BotoCoreError as error:
        if is_permanent(error):
            raise TargetForbidden(f"S3 refuses to write {target}: {error}") from error
        raise ServiceUnavailable(f"Writing {target} failed: {error}") from error


@contextmanager
def source_errors(source: Source, permission: str = "") -> Iterator[None]:
    """Convert botocore's errors of reads of ``source``."""
    try:
        yield
    except ClientError as error:
        raise source_error(ErrorResponse.of(error), source, permission) from error
    except BotoCoreError as error:
        raise ServiceUnavailable(f"Reading {source} failed: {error}") from error


@contextmanager
def own_errors(what: str) -> Iterator[None]:
    """Convert botocore's errors of requests for objects of the service itself.

    They are its own fault, or that of its configuration: the job is retried until somebody repairs
    it. ``what`` names the object.
    """
    try:
        yield
    except ClientError as error:
        raise ServiceUnavailable(f"S3 returned {ErrorResponse.of(error)} for {what}.") from error
    except BotoCoreError as error:
        raise ServiceUnavailable(f"The request for {what} failed: {error}") from error
