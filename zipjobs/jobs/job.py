"""The job: its record in DynamoDB, and the values in it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import zip_longest
from typing import Annotated

from pydantic import Field, StringConstraints

from zipjobs.errors import (
    FieldProblem,
    PermanentError,
    SchemaError,
    SourceNotFound,
    UnreadableObjects,
)
from zipjobs.model import Model, Timestamp, iso_utc
from zipjobs.requests.storage import ObjectRef
from zipjobs.unreadable import MAX_NAMED_OBJECTS, fair_shares

SCHEMA_VERSION = 1

MAX_MESSAGE_CHARS = 2000
"""DynamoDB limits an item to 400 KB, and EventBridge an event to 256 KB. This is for readers."""

MAX_RECORDED_NAME_CHARS = 20_000
"""Characters of all objects in a record's list."""

UNFINISHED_SECONDS = 15 * 86_400
"""Retention of the record of an unfinished job. SQS keeps messages for 14 days, and the
reconciler finishes a stuck job earlier.
"""


def truncate_message(text: str) -> str:
    """Return ``text``, truncated to ``MAX_MESSAGE_CHARS``."""
    return text if len(text) <= MAX_MESSAGE_CHARS else f"{text[:MAX_MESSAGE_CHARS]} …"


def truncate_names(
    names: Sequence[str], max_chars: int = MAX_RECORDED_NAME_CHARS
) -> tuple[str, ...]:
    """Return the first of ``names``, up to the limits of a record."""
    fitting: list[str] = []
    chars = 0
    for name in names[:MAX_NAMED_OBJECTS]:
        chars += len(name)
        if chars > max_chars:
            break
        fitting.append(name)
    return tuple(fitting)


def truncate_groups(groups: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the first names of each group, up to half of the characters of a record."""
    shares = fair_shares(
        groups, MAX_RECORDED_NAME_CHARS // 2, truncate_names, lambda names: sum(map(len, names))
    )
    return {group: tuple(names) for group, names in shares.items()}


class Status(StrEnum):
    """The status of a job: PENDING → RUNNING → READY, FAILED or CANCELLED.

    A PENDING job can also become FAILED or CANCELLED directly.
    """

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    READY = "READY"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


FINAL_STATUSES = frozenset({Status.READY, Status.FAILED, Status.CANCELLED})


class Trigger(StrEnum):
    """The way in which a job was submitted."""

    API = "api"
    MANIFEST = "manifest"


class JobError(Model):
    """Why a job failed: a stable code and a message that says what to do. `objects` are the first
    source objects that caused the error, `problems` the invalid fields of a manifest. If objects
    have different error codes, `objectsByCode` groups them; otherwise it is empty.
    """

    code: str
    message: str
    objects: tuple[str, ...] = ()
    objects_by_code: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    problems: tuple[FieldProblem, ...] = ()

    @classmethod
    def of(cls, error: PermanentError) -> "JobError":
        """Return the record of an error, truncated to the limits of a record."""
        problems = error.problems if isinstance(error, SchemaError) else ()
        groups: dict[str, tuple[str, ...]] = {}
        objects = truncate_names(error.objects)
        if isinstance(error, UnreadableObjects) and len(error.by_code) > 1:
            groups = truncate_groups(error.by_code)
            objects = tuple(name for names in groups.values() for name in names)
        return cls(
            code=error.code,
            message=truncate_message(str(error)),
            objects=objects,
            objects_by_code=groups,
            problems=tuple(
                problem.model_copy(update={"detail": truncate_message(problem.detail)})
                for problem in problems
            ),
        )


class SkippedObject(Model):
    """An object that was left out of the archive. `reason` is its error code: `SOURCE_ARCHIVED`."""

    object: str
    reason: str


EVERYONE = "*"
"""The owner of a job without an owner, which every caller of the API can see."""


class UploadRef(Model):
    """A multipart upload to ``key`` in the job's target bucket."""

    key: str
    upload_id: str


class FinishedArchive(Model):
    """A finished archive. `size` is in bytes. `crc32` has eight hexadecimal digits. The object at
    ``receipt_key`` lists the entries. S3 copied ``copied_bytes`` of the members' bytes; the others
    passed through the function. The version IDs are null unless the target bucket keeps versions.
    """

    key: str
    receipt_key: str
    entries: int
    size: int
    crc32: str
    etag: str
    copied_bytes: int = 0
    version_id: str | None = None
    receipt_version_id: str | None = None

    @property
    def parts(self) -> int:
        """The number of uploaded parts, which the archive's ETag contains after its hyphen."""
        return int(self.etag.strip('"').partition("-")[2] or 1)


JobId = Annotated[str, StringConstraints(pattern="^[0-9A-Za-z-]{1,64}$")]
"""A job ID: a UUID in practice. It is part of keys in S3."""


class Submission(Model):
    """A message on the job queue: a job's ID and the reference of its request.

    With ``segment``, the message is for one segment of a large job. ``request_digest`` is set for a
    request with an idempotency key. ``sequencer`` is S3's for the upload of a manifest: a later
    upload to the same key has a greater one.
    """

    job_id: JobId
    owner: str = EVERYONE
    trigger: Trigger
    request: ObjectRef
    submitted_at: Timestamp
    request_digest: str | None = None
    sequencer: str | None = None
    segment: int | None = None


def list_key(submitted_at: datetime, job_id: str) -> str:
    """Return the sort key of a job in the job list: ``20261123T164423.120Z_<job ID>``.

    It is also the cursor of a page, so it needs no escapes in a URL.
    """
    return f"{iso_utc(submitted_at).replace('-', '').replace(':', '')}_{job_id}"


class Job(Model):
    """A job's record: one item of the table, with the partition key ``jobId``.

    ``owner`` and ``list_key`` are the keys of the index that lists jobs. ``sweep`` and ``sweep_at``
    (seconds since 1970) are the keys of the index of jobs that the reconciler must check, and
    ``sweeps`` counts its checks. ``attempts`` counts the workers that claimed the job. ``skipped``
    counts skipped objects; ``skipped_objects`` are the first of them, and ``skipped_reasons`` their
    error codes. ``metadata`` is the caller's. S3 deletes the archives after ``archive_days``.
    """

    schema_version: int = SCHEMA_VERSION
    job_id: str
    owner: str = EVERYONE
    list_key: str | None = None
    status: Status
    trigger: Trigger
    request: ObjectRef
    request_digest: str | None = None
    sequencer: str | None = None
    source_bucket: str | None = None
    target_bucket: str | None = None
    target_key: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    archive_days: int | None = None
    entries_total: int | None = None
    entries_done: int = 0
    bytes_total: int | None = None
    bytes_done: int = 0
    segments: int | None = None
    archives: tuple[FinishedArchive, ...] = ()
    skipped: int = 0
    skipped_objects: tuple[str, ...] = ()
    skipped_reasons: tuple[str, ...] = ()
    error: JobError | None = None
    created_at: Timestamp
    started_at: Timestamp | None = None
    updated_at: Timestamp
    finished_at: Timestamp | None = None
    attempts: int = 0
    lease_owner: str | None = None
    lease_until: int | None = None
    uploads: tuple[UploadRef, ...] = ()
    last_problem: str | None = None
    event_sent: bool = False
    sweep: str | None = None
    sweep_at: int | None = None
    sweeps: int = 0
    expires_at: int

    @property
    def is_final(self) -> bool:
        """True if the job has reached a final status."""
        return self.status in FINAL_STATUSES

    @property
    def owner_tag(self) -> str:
        """The tag of objects that were created for this job.

        It contains the creation time because job IDs repeat: an idempotency key can be used again
        when the record of its job has expired.
        """
        return f"{self.job_id}/{iso_utc(self.created_at)}"

    @property
    def archive_expires_at(self) -> datetime | None:
        """When S3 may delete the archives of a READY job, or None if it does not.

        S3 counts the days from the start of an upload, and deletes at midnight UTC ("Lifecycle
        rules: based on an object's age" in the S3 User Guide). The upload started after the job.
        """
        if self.status is not Status.READY or self.archive_days is None or not self.started_at:
            return None
        midnight = self.started_at.astimezone(UTC).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        return midnight + timedelta(days=self.archive_days + 1)

    @property
    def skips(self) -> tuple[SkippedObject, ...]:
        """The first skipped objects. A record without reasons is older: its objects are missing."""
        pairs = zip_longest(
            self.skipped_objects, self.skipped_reasons, fillvalue=SourceNotFound.code
        )
        return tuple(SkippedObject(object=name, reason=reason) for name, reason in pairs)

    def is_visible_to(self, caller: str) -> bool:
        """Return whether ``caller`` can see and cancel the job."""
        return self.owner in (EVERYONE, caller)

    @property
    def submission(self) -> Submission:
        """The job's message, to send it again."""
        return Submission(
            job_id=self.job_id,
            owner=self.owner,
            trigger=self.trigger,
            request=self.request,
            submitted_at=self.created_at,
            request_digest=self.request_digest,
            sequencer=self.sequencer,
        )

    @classmethod
    def pending(cls, submission: Submission, now: datetime) -> "Job":
        """Return the record of a new job."""
        return cls(
            job_id=submission.job_id,
            owner=submission.owner,
            list_key=list_key(submission.submitted_at, submission.job_id),
            status=Status.PENDING,
            trigger=submission.trigger,
            request=submission.request,
            request_digest=submission.request_digest,
            sequencer=submission.sequencer,
            created_at=submission.submitted_at,
            updated_at=now,
            expires_at=int(now.timestamp()) + UNFINISHED_SECONDS,
        )
