"""Errors, typed by what happens next.

::

    ZipJobsError
    ├── PermanentError       the job is FAILED with this code and sentence; the message is done
    │   ├── SchemaError                    with the places that are wrong
    │   │   ├── InvalidRequest           INVALID_REQUEST
    │   │   └── InvalidManifest          INVALID_MANIFEST
    │   ├── NotAllowed               NOT_ALLOWED
    │   ├── SourceNotFound           SOURCE_NOT_FOUND
    │   ├── SourceForbidden          SOURCE_FORBIDDEN
    │   ├── SourceArchived           SOURCE_ARCHIVED
    │   ├── SourceChanged            SOURCE_CHANGED
    │   ├── DuplicateName            DUPLICATE_NAME
    │   ├── TargetForbidden          TARGET_FORBIDDEN
    │   ├── TargetExists             TARGET_EXISTS
    │   ├── ArchiveTooLarge          ARCHIVE_TOO_LARGE
    │   ├── ListTooLarge             LIST_TOO_LARGE
    │   └── IdempotencyKeyReused     IDEMPOTENCY_KEY_REUSED
    └── TransientError       the message goes back to the queue and is tried again
        ├── JobBusy                  another worker holds the job's lease
        ├── LeaseLost                the job was taken over or ended: stop, change nothing
        ├── UploadGone               somebody else aborted or completed the upload
        └── ServiceUnavailable       AWS did not do what was asked, and may later

An error that is none of these is a defect; it is handled like a ``TransientError``, so that the
queue's redrive, and at last the dead-letter function, still give the job an end.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple


class ZipJobsError(Exception):
    """Root of the errors that this package raises on purpose."""


class PermanentError(ZipJobsError):
    """Trying again cannot help. ``code`` is stable; the message says what to do.

    ``objects`` are the sources that it is about, if it is about any.
    """

    code: ClassVar[str]

    def __init__(self, message: str, objects: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.objects = tuple(objects)


class FieldProblem(NamedTuple):
    """What is wrong in one place of a request: its JSON pointer (``#/keys/0``), line, if known."""

    detail: str
    pointer: str | None = None
    line: int | None = None


class SchemaError(PermanentError):
    """Something does not fit its schema. ``problems`` are the places that do not."""

    def __init__(self, message: str, problems: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class InvalidRequest(SchemaError):
    """The request does not fit the schema."""

    code = "INVALID_REQUEST"


class InvalidManifest(SchemaError):
    """The manifest is gone, is not JSON, or does not fit the schema."""

    code = "INVALID_MANIFEST"


class NotAllowed(PermanentError):
    """A bucket or prefix is outside the configured allow-list."""

    code = "NOT_ALLOWED"


class SourceNotFound(PermanentError):
    """A source object does not exist."""

    code = "SOURCE_NOT_FOUND"


class SourceForbidden(PermanentError):
    """The function's role may not read a source object."""

    code = "SOURCE_FORBIDDEN"


class SourceArchived(PermanentError):
    """A source object is in an archive storage class and must be restored first."""

    code = "SOURCE_ARCHIVED"


class SourceChanged(PermanentError):
    """A source object was replaced while the job was reading it."""

    code = "SOURCE_CHANGED"


class DuplicateName(PermanentError):
    """Two members would have the same name, and the request wants that to be an error."""

    code = "DUPLICATE_NAME"


class TargetForbidden(PermanentError):
    """The function's role may not write the archive where it was asked to."""

    code = "TARGET_FORBIDDEN"


class TargetExists(PermanentError):
    """There is another object where the archive was to go."""

    code = "TARGET_EXISTS"


class ArchiveTooLarge(PermanentError):
    """The archive would exceed what one S3 multipart upload can hold."""

    code = "ARCHIVE_TOO_LARGE"


class ListTooLarge(PermanentError):
    """The list of objects takes more memory, bytes or time than one job may use."""

    code = "LIST_TOO_LARGE"


class IdempotencyKeyReused(PermanentError):
    """The idempotency key came with another request before."""

    code = "IDEMPOTENCY_KEY_REUSED"


class TransientError(ZipJobsError):
    """Trying again may help. ``retry_after_seconds`` is a hint for the queue, if there is one."""

    def __init__(self, message: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class JobBusy(TransientError):
    """Another worker holds the job's lease."""


class LeaseLost(TransientError):
    """The job is no longer this worker's: another took it over, or it has its end already."""


class UploadGone(TransientError):
    """The multipart upload is over: somebody else aborted or completed it."""


class ServiceUnavailable(TransientError):
    """AWS did not do what was asked, and may later."""


def aws_error_code(error: Exception) -> str:
    """The code by which AWS tells its errors apart; empty for one that did not come from it."""
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
