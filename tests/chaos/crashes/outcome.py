"""Checks what must be true of a job after its final status, whichever process died."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

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
    assert record is not None, "there is no record"
    assert record.is_final, f"it is {record.status}"
    assert job.ends == {record.status}, f"it was {job.ends}"
    if record.status is Status.FAILED:
        assert record.error is not None
        assert record.error.code == scenario.error, record.error
    assert record.event_sent, "the record does not know that the event was sent"
    job.repeat()
    assert stack.job(job.job_id) == record, "it has changed"
    assert (len(stack.queue), len(stack.dead_letters)) == (0, 0), "messages are left"
    assert not stack.is_in_reconciler_index(job.job_id), "the record is left to the reconciler"
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
    (facts,) = record.archives
    assert keys == {facts.key, facts.receipt_key}
    archive = stack.get("target", facts.key)
    receipt = json.loads(stack.get("target", facts.receipt_key))
    _check_receipt(record, facts, archive, receipt)
    _check_archive(archive, scenario.bodies)
    digest = hashlib.sha256(archive).hexdigest()
    return Outcome(record.status, digest, json.dumps([receipt["entries"], receipt["skipped"]]))


def _check_events(record: Job, events: Sequence[Mapping[str, Any]]) -> Any:
    """Return the detail of the events, which must all be equal."""
    assert events, "there is no event"
    for event in events:
        assert event["detail-type"] == DETAIL_TYPES[record.status]
        assert event["detail"] == events[0]["detail"], "there are events that contradict"
    detail = events[0]["detail"]
    assert (detail["jobId"], detail["status"]) == (record.job_id, record.status)
    assert detail["eventId"] == f"{record.job_id}/{record.status}"
    archives = [FinishedArchive.model_validate(facts) for facts in detail["archives"]]
    assert tuple(archives) == record.archives
    return detail


def _check_receipt(record: Job, facts: FinishedArchive, archive: bytes, receipt: Any) -> None:
    assert receipt["jobId"] == record.job_id
    assert receipt["archive"] == {
        "bucket": record.target_bucket,
        "key": facts.key,
        "size": len(archive),
        "crc32": facts.crc32,
        "etag": facts.etag,
        "entries": facts.entries,
    }
    assert len(receipt["entries"]) == facts.entries == record.entries_done == record.entries_total
    assert len(receipt["skipped"]) == record.skipped


def _check_archive(archive: bytes, bodies: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        found = {name: opened.read(name) for name in opened.namelist()}
    assert found == {PurePosixPath(key).name: body for key, body in bodies.items()}
