"""Completion events, which are sent to the event bus when a job is finished."""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.job import Job, Status
from zipjobs.jobs.summary import JobSummary, summary_of
from zipjobs.model import Model, Timestamp

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "s3-zip-jobs"
DETAIL_TYPES = {
    Status.READY: "Zip Job Ready",
    Status.FAILED: "Zip Job Failed",
    Status.CANCELLED: "Zip Job Cancelled",
}


class Durations(Model):
    """The time in seconds that the job waited in the queue, and that workers took."""

    queued_seconds: float
    running_seconds: float

    @classmethod
    def of(cls, job: Job) -> "Durations":
        """Return the durations of a finished job."""
        assert job.finished_at is not None
        started_at = job.started_at or job.finished_at
        return cls(
            queued_seconds=_seconds(job.created_at, started_at),
            running_seconds=_seconds(started_at, job.finished_at),
        )


class CompletionDetail(JobSummary):
    """The ``detail`` of a completion event. A repeated event has the same ``event_id``."""

    version: Literal["1"] = "1"
    event_id: str
    durations: Durations
    finished_at: Timestamp

    @classmethod
    def of(cls, job: Job) -> "CompletionDetail":
        """Return the detail for a finished job."""
        assert job.finished_at is not None
        return cls(
            **summary_of(job),
            event_id=f"{job.job_id}/{job.status}",
            durations=Durations.of(job),
            finished_at=job.finished_at,
        )


class CompletionEvents:
    """Sends completion events to one bus, each at least once."""

    def __init__(self, events: "EventBridgeClient", bus: str) -> None:
        self._events = events
        self._bus = bus

    def publish(self, job: Job) -> None:
        """Send the event of a finished job. Raises ServiceUnavailable."""
        try:
            response = self._events.put_events(
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
            raise ServiceUnavailable(f"Sending the completion event failed: {error}") from error
        if response["FailedEntryCount"]:
            code = response["Entries"][0].get("ErrorCode")
            raise ServiceUnavailable(f"The event bus rejected the completion event: {code}")


def _seconds(start: datetime, end: datetime) -> float:
    return round(max(0.0, (end - start).total_seconds()), 3)
