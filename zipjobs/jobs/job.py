"""The job: what the table holds and what the API shows of it."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

from zipjobs.errors import PermanentError, SchemaError
from zipjobs.model import Model, Timestamp, iso_utc
from zipjobs.requests.storage import ObjectRef

SCHEMA_VERSION = 1


MAX_MESSAGE_CHARS = 2000
"""A record has room for 400 KB and an event for 256 KB; a person has less patience."""


MAX_RECORDED_NAMES = 200
MAX_RECORDED_NAME_CHARS = 20_000
"""How many objects a record names, and in how many characters. The receipt names all."""

UNFINISHED_SECONDS = 15 * 86_400
"""How long the record of a job without an end is kept: longer than the queue keeps its messages,
which is 14 days, and than the reconciler leaves it without an end."""


def shorten(text: str) -> str:
    """``text``, cut to ``MAX_MESSAGE_CHARS``."""
    return text if len(text) <= MAX_MESSAGE_CHARS else f"{text[:MAX_MESSAGE_CHARS]} …"


def truncate_names(names: Sequence[str]) -> tuple[str, ...]:
    """The first of ``names``, as far as a record has room for them."""
    fitting: list[str] = []
    chars = 0
    for name in names[:MAX_RECORDED_NAMES]:
        chars += len(name)
        if chars > MAX_RECORDED_NAME_CHARS:
            break
        fitting.append(name)
    return tuple(fitting)


class Status(StrEnum):
    """States move one way: PENDING → RUNNING → READY, FAILED or CANCELLED.

    A job that nobody has started can be FAILED or CANCELLED too.
    """

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    READY = "READY"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


FINAL_STATUSES = frozenset({Status.READY, Status.FAILED, Status.CANCELLED})


class Trigger(StrEnum):
    """How a job came in."""

    API = "api"
    MANIFEST = "manifest"


class Problem(Model):
    """What is wrong in one place of a manifest, with its JSON pointer and its line, if known."""

    detail: str
    pointer: str | None = None
    line: int | None = None


class JobError(Model):
    """Why a job failed: a stable code, a sentence that says what to do, and the objects that it is
    about, if it is about any: as many as a record has room for. Of a manifest that is wrong,
    ``problems`` are the places.
    """

    code: str
    message: str
    objects: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, error: PermanentError) -> "JobError":
        problems = error.problems if isinstance(error, SchemaError) else ()
        return cls(
            code=error.code,
            message=shorten(str(error)),
            objects=truncate_names(error.objects),
            problems=tuple(
                Problem(detail=shorten(one.detail), pointer=one.pointer, line=one.line)
                for one in problems
            ),
        )


EVERYONE = "*"
"""The owner of a job that is nobody's own: all who may call the API see it."""


class UploadRef(Model):
    """A multipart upload to ``key`` of the job's target bucket."""

    key: str
    upload_id: str


class FinishedArchive(Model):
    """What is known of a finished archive. ``crc32`` is eight hexadecimal digits. The version IDs
    are those of the archive and its receipt, if the target bucket keeps versions.

    Of its members' bytes, S3 copied ``copied_bytes``; the rest passed through the function. The
    object at ``receipt_key`` lists its entries.
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
        """Of how many parts the archive was made; S3 says so behind the dash of its ETag."""
        return int(self.etag.strip('"').partition("-")[2] or 1)


JobId = Annotated[str, StringConstraints(pattern="^[0-9A-Za-z-]{1,64}$")]
"""The service makes UUIDs. It becomes part of keys in S3."""


class Submission(Model):
    """A job as it arrives on the queue: its id, how it came in, and where its request stands.

    With ``segment``, that segment of a job that has been planned. ``request_digest`` is that of a
    request that came with an idempotency key, ``sequencer`` S3's of the drop of a manifest: of two
    drops of the same key, the later one's is greater.
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
    """The place of a job among all jobs, in order of time: ``20261123T164423.120Z_<job id>``.

    It is a cursor too, of characters that need no escape in a query.
    """
    return f"{iso_utc(submitted_at).replace('-', '').replace(':', '')}_{job_id}"


class Job(Model):
    """One item of the table, keyed by ``jobId``, and listed by ``owner`` and ``list_key``.

    ``attempts`` counts the workers that took the job on. ``skipped`` objects did not exist, of
    which ``skipped_objects`` are as many as the record has room for. While the reconciler has to
    check the job, it is in the index by ``sweep`` and ``sweep_at``, seconds since 1970.
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
    entries_total: int | None = None
    entries_done: int = 0
    bytes_total: int | None = None
    bytes_done: int = 0
    segments: int | None = None
    archives: tuple[FinishedArchive, ...] = ()
    skipped: int = 0
    skipped_objects: tuple[str, ...] = ()
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
        return self.status in FINAL_STATUSES

    @property
    def owner_tag(self) -> str:
        """What objects bear that were made for this job, and for none that had its id before: an
        idempotency key may be used again when its job is forgotten.
        """
        return f"{self.job_id}/{iso_utc(self.created_at)}"

    def is_visible_to(self, caller: str) -> bool:
        """Whether ``caller`` may know of the job."""
        return self.owner in (EVERYONE, caller)

    @property
    def submission(self) -> Submission:
        """The message that the job came in by."""
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
        """The record of a job that nobody has started."""
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
