"""Checks what must be true of a job after its final status, whichever process was killed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tests.chaos.archives import check_archive
from tests.chaos.crashes.job_run import JobRun
from tests.chaos.crashes.scenarios import Scenario
from zipjobs.jobs.events import DETAIL_TYPES
from zipjobs.jobs.job import FinishedArchive, Job, Status, Trigger


@dataclass(frozen=True)
class Outcome:
    """A final status, the archive's SHA-256, and the lists in the receipt as JSON."""

    status: Status
    digest: str | None = None
    lists: str | None = None


def check(job: JobRun, scenario: Scenario) -> Outcome:
    """Return the job's outcome. Raises AssertionError if anything is wrong.

    There is one final status and its event. A READY job has an archive and a receipt; other jobs
    have no objects. A manifest job has a status object. A duplicate message changes nothing.
    """
    stack = job.stack
    record = stack.job(job.job_id)
    assert record is not None, "the job has no record"
    assert record.is_final, f"the job is {record.status}"
    assert job.final_statuses == {record.status}, f"the final status was {job.final_statuses}"
    if record.status is Status.FAILED:
        assert record.error is not None
        assert record.error.code == scenario.error, record.error
    assert record.event_sent, "the record does not say that the event was sent"
    job.redeliver_first_message()
    assert stack.job(job.job_id) == record, "a duplicate message changed the record"
    assert (len(stack.queue), len(stack.dead_letters)) == (0, 0), "messages are left"
    assert not stack.is_in_reconciler_index(job.job_id), "the reconciler's index has the job"
    assert stack.uploads() == {}, "an upload is left"
    assert stack.keys("manifests", "work/") == set(), "working objects are left"
    detail = _check_events(record, stack.events.take())
    keys = stack.keys("target")
    if record.trigger is Trigger.MANIFEST:
        status_key = f"zips/{PurePosixPath(record.request.key).stem}.status.json"
        assert json.loads(stack.get("target", status_key)) == detail, "the status object differs"
        keys.remove(status_key)
    if record.status is not Status.READY:
        assert record.archives == ()
        assert keys == set(), "objects are left"
        return Outcome(record.status)
    (archive,) = record.archives
    assert keys == {archive.key, archive.receipt_key}
    body = stack.get("target", archive.key)
    receipt = json.loads(stack.get("target", archive.receipt_key))
    assert record.target_bucket is not None
    contents = check_archive(record.job_id, record.target_bucket, archive, body, receipt)
    names = [entry["name"] for entry in receipt["entries"]]
    assert names == [PurePosixPath(key).name for key in scenario.bodies]
    assert contents == list(scenario.bodies.values())
    assert archive.entries == record.entries_done == record.entries_total
    assert len(receipt["skipped"]) == record.skipped
    digest = hashlib.sha256(body).hexdigest()
    return Outcome(record.status, digest, json.dumps([receipt["entries"], receipt["skipped"]]))


def _check_events(record: Job, events: Sequence[Mapping[str, Any]]) -> Any:
    """Return the detail of the events, which must all be equal."""
    assert events, "no event was sent"
    for event in events:
        assert event["detail-type"] == DETAIL_TYPES[record.status]
        assert event["detail"] == events[0]["detail"], "two events contradict each other"
    detail = events[0]["detail"]
    assert (detail["jobId"], detail["status"]) == (record.job_id, record.status)
    assert detail["eventId"] == f"{record.job_id}/{record.status}"
    archives = [FinishedArchive.model_validate(archive) for archive in detail["archives"]]
    assert tuple(archives) == record.archives
    return detail
