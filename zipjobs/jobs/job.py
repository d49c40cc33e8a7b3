"""The job: what the table holds and what the API shows of it."""

from datetime import datetime
from enum import StrEnum

from zipjobs.errors import PermanentError
from zipjobs.jobs.model import Model, Timestamp

SCHEMA_VERSION = 1


MAX_MESSAGE_CHARS = 2000
"""A record has room for 400 KB and an event for 256 KB; a person has less patience."""


def shorten(text: str) -> str:
    """``text``, cut to ``MAX_MESSAGE_CHARS``."""
    return text if len(text) <= MAX_MESSAGE_CHARS else f"{text[:MAX_MESSAGE_CHARS]} …"


class Status(StrEnum):
    """States move one way: PENDING → RUNNING → READY or FAILED."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    READY = "READY"
    FAILED = "FAILED"


FINAL_STATUSES = frozenset({Status.READY, Status.FAILED})


class Trigger(StrEnum):
    """How a job came in."""

    API = "api"
    MANIFEST = "manifest"


class ObjectRef(Model):
    """One state of an object in S3: by version, or by ETag where the bucket keeps no versions."""

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None


class JobError(Model):
    """Why a job failed: a stable code, and a sentence that says what to do."""

    code: str
    message: str

    @classmethod
    def of(cls, error: PermanentError) -> "JobError":
        return cls(code=error.code, message=shorten(str(error)))


class UploadRef(Model):
    """A multipart upload to ``key`` of the job's target bucket."""

    key: str
    upload_id: str


class ArchiveFacts(Model):
    """What is known of a finished archive. ``crc32`` is eight hexadecimal digits.

    Of its members' bytes, S3 copied ``copied_bytes``; the rest passed through the function.
    """

    key: str
    entries: int
    size: int
    crc32: str
    etag: str
    copied_bytes: int = 0


class Submission(Model):
    """A job as it arrives on the queue: its id, how it came in, and where its request stands.

    With ``segment``, that segment of a job that has been planned.
    """

    job_id: str
    trigger: Trigger
    request: ObjectRef
    submitted_at: Timestamp
    segment: int | None = None


class Job(Model):
    """One item of the table, keyed by ``jobId``."""

    schema_version: int = SCHEMA_VERSION
    job_id: str
    status: Status
    trigger: Trigger
    request: ObjectRef
    source_bucket: str | None = None
    target_bucket: str | None = None
    target_key: str | None = None
    entries_total: int | None = None
    entries_done: int = 0
    bytes_total: int | None = None
    bytes_done: int = 0
    segments: int | None = None
    archives: tuple[ArchiveFacts, ...] = ()
    error: JobError | None = None
    created_at: Timestamp
    started_at: Timestamp | None = None
    updated_at: Timestamp
    finished_at: Timestamp | None = None
    lease_owner: str | None = None
    lease_until: int | None = None
    uploads: tuple[UploadRef, ...] = ()
    last_problem: str | None = None
    event_sent: bool = False
    expires_at: int

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_STATUSES

    @classmethod
    def pending(cls, submission: Submission, keep_seconds: int, now: datetime) -> "Job":
        """The record of a job that nobody has started. DynamoDB drops it ``keep_seconds`` on."""
        return cls(
            job_id=submission.job_id,
            status=Status.PENDING,
            trigger=submission.trigger,
            request=submission.request,
            created_at=submission.submitted_at,
            updated_at=now,
            expires_at=int(now.timestamp()) + keep_seconds,
        )
