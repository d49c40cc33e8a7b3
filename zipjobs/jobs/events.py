"""Completion events: what a finished job says on the event bus."""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.job import ArchiveFacts, Job, JobError, ObjectRef, Status, Trigger
from zipjobs.jobs.model import Model, Timestamp

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "s3-zip-jobs"
DETAIL_TYPES = {
    Status.READY: "Zip Job Ready",
    Status.FAILED: "Zip Job Failed",
    Status.CANCELLED: "Zip Job Cancelled",
}


class Count(Model):
    """How much of something is done, of how much; the total is null while it is not known."""

    done: int
    total: int | None


class Durations(Model):
    """Where the time went, in seconds: waiting in the queue, and being worked on."""

    queued_seconds: float
    running_seconds: float


class CompletionDetail(Model):
    """The ``detail`` of a completion event. ``event_id`` is the same for every repetition."""

    version: Literal["1"] = "1"
    event_id: str
    job_id: str
    status: Status
    trigger: Trigger
    manifest: ObjectRef | None
    source_bucket: str | None
    target_bucket: str | None
    target_key: str | None
    entries: Count
    bytes: Count
    archives: tuple[ArchiveFacts, ...]
    skipped: int
    skipped_objects: tuple[str, ...]
    durations: Durations
    created_at: Timestamp
    finished_at: Timestamp
    error: JobError | None

    @classmethod
    def of(cls, job: Job) -> "CompletionDetail":
        """Describe a job that is final."""
        assert job.finished_at is not None
        started_at = job.started_at or job.finished_at
        return cls(
            event_id=f"{job.job_id}/{job.status}",
            job_id=job.job_id,
            status=job.status,
            trigger=job.trigger,
            manifest=manifest_of(job),
            source_bucket=job.source_bucket,
            target_bucket=job.target_bucket,
            target_key=job.target_key,
            entries=Count(done=job.entries_done, total=job.entries_total),
            bytes=Count(done=job.bytes_done, total=job.bytes_total),
            archives=job.archives,
            skipped=job.skipped,
            skipped_objects=job.skipped_objects,
            durations=Durations(
                queued_seconds=_seconds(job.created_at, started_at),
                running_seconds=_seconds(started_at, job.finished_at),
            ),
            created_at=job.created_at,
            finished_at=job.finished_at,
            error=job.error,
        )


def manifest_of(job: Job) -> ObjectRef | None:
    """Where the job's manifest stands, if it came from one."""
    return job.request if job.trigger is Trigger.MANIFEST else None


class CompletionEvents:
    """Publishes completion events on one bus, at least once each."""

    def __init__(self, events: "EventBridgeClient", bus: str) -> None:
        self._events = events
        self._bus = bus

    def publish(self, job: Job) -> None:
        """Say that ``job`` is final. Raises ServiceUnavailable if the bus did not take it."""
        try:
            answer = self._events.put_events(
                Entries=[
                    {
                        "EventBusName": self._bus,
                        "Source": SOURCE,
                        "DetailType": DETAIL_TYPES[job.status],
                        "Detail": CompletionDetail.of(job).model_dump_json(by_alias=True),
                    }
                ]
            )
        except (ClientError, BotoCoreError) as error:
            raise ServiceUnavailable(f"The event bus did not answer: {error}") from error
        if answer["FailedEntryCount"]:
            code = answer["Entries"][0].get("ErrorCode")
            raise ServiceUnavailable(f"The event bus refused the completion event: {code}")


def _seconds(start: datetime, end: datetime) -> float:
    return round(max(0.0, (end - start).total_seconds()), 3)
