"""The errors of this package. Their types decide whether a job is retried.

::

    ZipJobsError
    ├── PermanentError       the job is FAILED with this code and message; no retry
    │   ├── SchemaError                lists the invalid fields
    │   │   ├── InvalidRequest           INVALID_REQUEST
    │   │   └── InvalidManifest          INVALID_MANIFEST
    │   ├── NotAllowed               NOT_ALLOWED
    │   ├── UnreadableObject         an object cannot be read; other objects can
    │   │   ├── SourceNotFound           SOURCE_NOT_FOUND
    │   │   ├── SourceForbidden          SOURCE_FORBIDDEN
    │   │   ├── SourceArchived           SOURCE_ARCHIVED
    │   │   └── SourceEncrypted          SOURCE_ENCRYPTED
    │   ├── UnreadableObjects        several of them, with the code of the most frequent one
    │   ├── SourceChanged            SOURCE_CHANGED
    │   ├── DuplicateName            DUPLICATE_NAME
    │   ├── TargetForbidden          TARGET_FORBIDDEN
    │   ├── TargetExists             TARGET_EXISTS
    │   ├── ArchiveTooLarge          ARCHIVE_TOO_LARGE
    │   ├── ListTooLarge             LIST_TOO_LARGE
    │   └── IdempotencyKeyReused     IDEMPOTENCY_KEY_REUSED
    └── TransientError       the message returns to the queue and is retried
        ├── JobBusy                  another worker has the job's lease
        ├── LeaseLost                this worker lost the job's lease: stop, change nothing
        ├── UploadGone               the multipart upload was aborted or completed
        ├── UploadConflict           the multipart upload cannot be completed any more
        └── ServiceUnavailable       an AWS service is temporarily unavailable

Any other exception is a defect. It is retried like a ``TransientError``. After the last attempt the
dead-letter function sets the job to FAILED.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from zipjobs.model import Model


class ZipJobsError(Exception):
    """The base class of all errors that this package raises intentionally."""


class PermanentError(ZipJobsError):
    """An error that a retry cannot fix.

    ``code`` is stable, and the message says what to do. ``objects`` are the source objects that
    caused the error, if any.
    """

    code: str

    def __init__(self, message: str, objects: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.objects = tuple(objects)


class FieldProblem(Model):
    """A problem of one field in a request or manifest, with the field's JSON pointer (`#/keys/0`)
    and line, counted from 1. Either is null if it is not known.
    """

    detail: str
    pointer: str | None = None
    line: int | None = None


class SchemaError(PermanentError):
    """A request or manifest that does not match its schema. ``problems`` are its invalid fields."""

    def __init__(self, message: str, problems: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class InvalidRequest(SchemaError):
    """The request does not match the schema."""

    code = "INVALID_REQUEST"


class InvalidManifest(SchemaError):
    """The manifest or list was deleted, is not JSON, or does not match its schema."""

    code = "INVALID_MANIFEST"


class NotAllowed(PermanentError):
    """A bucket or prefix is not in the configured allow-list."""

    code = "NOT_ALLOWED"


class UnreadableObject(PermanentError):
    """A source object that cannot be read. ``objects`` is this one.

    ``kind`` describes such objects, and ``option`` is the field of a request that skips them.
    """

    kind: str
    option = "onUnreadable"


class SourceNotFound(UnreadableObject):
    """A source object does not exist."""

    code = "SOURCE_NOT_FOUND"
    kind = "missing"
    option = "onMissing"


class SourceForbidden(UnreadableObject):
    """The function's role is not allowed to read a source object."""

    code = "SOURCE_FORBIDDEN"
    kind = "forbidden"


class SourceArchived(UnreadableObject):
    """A source object is in an archive storage class and must be restored first."""

    code = "SOURCE_ARCHIVED"
    kind = "archived"


class SourceEncrypted(UnreadableObject):
    """A source object is encrypted with a key that the service cannot use."""

    code = "SOURCE_ENCRYPTED"
    kind = "encrypted"


class UnreadableObjects(PermanentError):
    """All source objects of a job that cannot be read.

    ``by_code`` groups their names by error code, the most frequent first, whose code is that of
    this error. ``objects`` are these names. ``zipjobs/unreadable.py`` limits them.
    """

    def __init__(self, message: str, by_code: Mapping[str, Sequence[str]]) -> None:
        super().__init__(message, [name for names in by_code.values() for name in names])
        self.by_code = by_code
        self.code = next(iter(by_code))


class SourceChanged(PermanentError):
    """A source object was replaced while the job was reading it."""

    code = "SOURCE_CHANGED"


class DuplicateName(PermanentError):
    """Two members would have the same name, and the request sets ``onDuplicate`` to ``fail``."""

    code = "DUPLICATE_NAME"


class TargetForbidden(PermanentError):
    """The function's role is not allowed to write the archive."""

    code = "TARGET_FORBIDDEN"


class TargetExists(PermanentError):
    """Another object exists at the key of the archive."""

    code = "TARGET_EXISTS"


class ArchiveTooLarge(PermanentError):
    """The archive would exceed the limits of an S3 multipart upload."""

    code = "ARCHIVE_TOO_LARGE"


class ListTooLarge(PermanentError):
    """The job has too many or too long entries, or reading them takes too long."""

    code = "LIST_TOO_LARGE"


class IdempotencyKeyReused(PermanentError):
    """The idempotency key was used with a different request."""

    code = "IDEMPOTENCY_KEY_REUSED"


class TransientError(ZipJobsError):
    """An error that a retry may fix. ``retry_after_seconds`` is a hint for the queue, or None."""

    def __init__(self, message: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class JobBusy(TransientError):
    """Another worker has the job's lease."""


class LeaseLost(TransientError):
    """Another worker took over the job, or the job has reached a final status."""


class UploadGone(TransientError):
    """The multipart upload was aborted or completed by another process."""


class UploadConflict(TransientError):
    """S3 will never complete the multipart upload. The archive needs a new upload."""


class ServiceUnavailable(TransientError):
    """An AWS service is temporarily unavailable."""


def aws_error_code(error: Exception) -> str:
    """Return the error code of an AWS response, or an empty string if ``error`` has none."""
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
