"""Build jobs, submissions and archives with all fields set."""

from datetime import UTC, datetime
from typing import Any

from zipjobs.jobs.job import FinishedArchive, Job, Status, Submission, Trigger
from zipjobs.requests.storage import ObjectRef

CREATED = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STARTED = datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC)
FINISHED = datetime(2026, 11, 23, 12, 0, 3, 500_000, tzinfo=UTC)


def submission(**changes: Any) -> Submission:
    values: dict[str, Any] = {
        "job_id": "job-1",
        "trigger": Trigger.API,
        "request": ObjectRef(bucket="manifests", key="requests/job-1.json", version_id="v1"),
        "submitted_at": CREATED,
    }
    return Submission(**values | changes)


def finished_archive(stem: str = "zips/job-1", **changes: Any) -> FinishedArchive:
    values: dict[str, Any] = {
        "key": f"{stem}.zip",
        "receipt_key": f"{stem}.receipt.json",
        "entries": 2,
        "size": 200,
        "crc32": "0badcafe",
        "etag": '"e"',
    }
    return FinishedArchive(**values | changes)


def ready_job(**changes: Any) -> Job:
    values: dict[str, Any] = {
        "job_id": "job-1",
        "status": Status.READY,
        "trigger": Trigger.API,
        "request": ObjectRef(bucket="manifests", key="requests/job-1.json"),
        "source_bucket": "src",
        "target_bucket": "dst",
        "target_key": "zips/job-1.zip",
        "entries_total": 2,
        "entries_done": 2,
        "bytes_total": 10,
        "bytes_done": 10,
        "archives": (finished_archive(),),
        "created_at": CREATED,
        "started_at": STARTED,
        "updated_at": FINISHED,
        "finished_at": FINISHED,
        "expires_at": 2_000_000_000,
    }
    return Job(**values | changes)
