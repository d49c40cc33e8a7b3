import json
from typing import Any

import pytest

from tests.support.builders import ready_job
from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.events import CompletionDetail, CompletionEvents
from zipjobs.jobs.job import JobError, Status, Trigger
from zipjobs.requests.storage import ObjectRef


class Bus:
    """A fake EventBridge client that records events, or rejects them."""

    def __init__(self, failed: int = 0) -> None:
        self.entries: list[dict[str, Any]] = []
        self._failed = failed

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.entries += Entries
        answer = {"ErrorCode": "ThrottlingException"} if self._failed else {"EventId": "1"}
        return {"FailedEntryCount": self._failed, "Entries": [answer]}


def test_an_event_of_a_ready_job_has_archives_and_durations() -> None:
    bus = Bus()
    CompletionEvents(bus, "bus").publish(ready_job())  # type: ignore[arg-type]
    (entry,) = bus.entries
    assert (entry["Source"], entry["DetailType"]) == ("s3-zip-jobs", "Zip Job Ready")
    assert entry["EventBusName"] == "bus"
    assert json.loads(entry["Detail"]) == {
        "version": "1",
        "eventId": "job-1/READY",
        "jobId": "job-1",
        "status": "READY",
        "trigger": "api",
        "manifest": None,
        "sourceBucket": "src",
        "targetBucket": "dst",
        "targetKey": "zips/job-1.zip",
        "entries": {"done": 2, "total": 2},
        "bytes": {"done": 10, "total": 10},
        "archives": [
            {
                "key": "zips/job-1.zip",
                "receiptKey": "zips/job-1.receipt.json",
                "entries": 2,
                "size": 200,
                "crc32": "0badcafe",
                "etag": '"e"',
                "copiedBytes": 0,
                "versionId": None,
                "receiptVersionId": None,
            }
        ],
        "archiveExpiresAt": None,
        "metadata": {},
        "skipped": 0,
        "skippedObjects": [],
        "durations": {"queuedSeconds": 1.0, "runningSeconds": 2.5},
        "createdAt": "2026-11-23T12:00:00.000Z",
        "finishedAt": "2026-11-23T12:00:03.500Z",
        "error": None,
    }


def test_an_event_of_a_failed_job_has_error_and_manifest() -> None:
    manifest = ObjectRef(bucket="m", key="manifests/a.json", version_id="v")
    job = ready_job(
        status=Status.FAILED,
        trigger=Trigger.MANIFEST,
        request=manifest,
        archives=(),
        error=JobError(code="SOURCE_NOT_FOUND", message="s3://src/a does not exist."),
    )
    bus = Bus()
    CompletionEvents(bus, "bus").publish(job)  # type: ignore[arg-type]
    assert bus.entries[0]["DetailType"] == "Zip Job Failed"
    detail = CompletionDetail.of(job)
    assert detail.manifest == manifest
    assert detail.error == job.error


def test_a_rejected_event_is_an_error() -> None:
    with pytest.raises(ServiceUnavailable, match="ThrottlingException"):
        CompletionEvents(Bus(failed=1), "bus").publish(ready_job())  # type: ignore[arg-type]
