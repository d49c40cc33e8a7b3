"""Types for jobs as the API returns them: docs/api.md."""

from typing import Any, NotRequired, TypedDict

FINAL = ("READY", "FAILED", "CANCELLED")


class Count(TypedDict):
    """Progress. ``total`` is None until it is known."""

    done: int
    total: int | None


class Archive(TypedDict):
    """An archive of a READY job. ``size`` is in bytes, ``crc32`` has eight hexadecimal digits.

    An archive that has expired has no links.
    """

    key: str
    receiptKey: str
    entries: int
    size: int
    crc32: str
    etag: str
    copiedBytes: int
    downloadUrl: NotRequired[str]
    receiptUrl: NotRequired[str]
    downloadUrlExpiresAt: NotRequired[str]


class JobError(TypedDict):
    """The reason why a job FAILED, with the objects or manifest problems that caused it.

    ``objectsByCode`` groups the objects if they have different error codes.
    """

    code: str
    message: str
    objects: list[str]
    objectsByCode: dict[str, list[str]]
    problems: list[dict[str, Any]]


class SkippedObject(TypedDict):
    """An object that is not in the archive. ``reason`` is its error code."""

    object: str
    reason: str


class _Job(TypedDict):
    jobId: str
    status: str
    trigger: str
    manifest: dict[str, Any] | None
    sourceBucket: str | None
    targetBucket: str | None
    targetKey: str | None
    entries: Count
    bytes: Count
    archives: list[Archive]
    archiveExpiresAt: str | None
    metadata: dict[str, str]
    skipped: int
    skippedObjects: list[SkippedObject]
    createdAt: str
    updatedAt: str


class Job(_Job, total=False):
    """A job. In the job list, ``archives`` have no links."""

    downloadUrl: str
    downloadUrlExpiresAt: str
    error: JobError | None


class Accepted(TypedDict):
    """A job that was accepted."""

    jobId: str
    status: str
