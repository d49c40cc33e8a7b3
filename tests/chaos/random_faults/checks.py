"""Checks the result of a run, which must be the same with and without faults."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from local.faults.injector import InjectedFault
from tests.chaos.archives import check_archive
from tests.chaos.random_faults.client import RetryingClient
from tests.chaos.random_faults.deliveries import Deliveries
from tests.chaos.random_faults.requested_jobs import RequestedJob
from zipjobs.jobs.job import FinishedArchive, Job, Status, Trigger

WORK_PREFIX = "work/"
EXHAUSTED = "RETRIES_EXHAUSTED"
DEFECT = "failed with an internal error"
TRACEBACK_LINES = 60
FINAL = ("READY", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class Submitted:
    """A submitted job. ``was_cancelled``: DELETE returned 200."""

    requested: RequestedJob
    job_id: str
    at: datetime
    was_cancelled: bool = False


@dataclass(frozen=True)
class RunResult:
    """The result of a fault run.

    ``records`` and ``log`` are those of this run only. All jobs had a final status after
    ``all_final_seconds``, and the queues were empty after ``seconds``.
    """

    client: RetryingClient
    deliveries: Deliveries
    submitted: Collection[Submitted]
    records: Mapping[str, Job]
    events: Collection[Mapping[str, Any]]
    log: Sequence[str]
    injected: Sequence[InjectedFault]
    all_final_seconds: float
    seconds: float

    def problems(self) -> Iterator[str]:
        """Yield everything that is wrong."""
        yield from self._jobs()
        yield from self._events()
        yield from self._remaining_objects()
        yield from self._status_objects()
        for number, line in enumerate(self.log):
            if DEFECT in line:
                yield "\n".join(self.log[number : number + TRACEBACK_LINES])
        yield from self.deliveries.defects

    @property
    def exhausted(self) -> list[str]:
        """Return the jobs that failed because their retries were exhausted."""
        return [
            job_id
            for job_id, record in self.records.items()
            if record.error is not None and record.error.code == EXHAUSTED
        ]

    def log_of(self, problems: Collection[str]) -> Iterator[str]:
        """Yield the log lines and faults of the jobs that have problems."""
        jobs = [job_id for job_id in self.records if any(job_id in problem for problem in problems)]
        lines = [*self.log, *map(str, self.injected)]
        yield from (line for line in lines if any(job_id in line for job_id in jobs))

    def _jobs(self) -> Iterator[str]:
        expected = {submitted.job_id for submitted in self.submitted}
        if len(expected) < len(self.submitted):
            yield "two requests have the same job ID"
        yield from (f"job {job_id} was not submitted" for job_id in self.records.keys() - expected)
        for submitted in self.submitted:
            name = f"{submitted.requested.name} ({submitted.job_id})"
            if submitted.job_id not in self.records:
                yield f"{name} has no record"
                continue
            yield from (f"{name}: {problem}" for problem in self._job(submitted))

    def _job(self, submitted: Submitted) -> Iterator[str]:
        record, job = self.records[submitted.job_id], self.client.job(submitted.job_id)
        status, code = job["status"], (job.get("error") or {}).get("code")
        if status != record.status:
            yield f"the API returns {status}, the record has {record.status}"
        if status not in FINAL:
            yield f"is {status}, which is not final"
        if record.sweep or not record.event_sent:
            yield "is still in the reconciler's index, or its event was not sent"
        if code == EXHAUSTED:
            if submitted.job_id not in self.deliveries.dead_letters:
                yield f"is {EXHAUSTED}, but had no dead-letter message"
        elif (status, code) not in _expected_statuses(submitted):
            yield f"is {status}, which is not expected: {job.get('error')}"
        if status == "READY":
            try:
                self._check_archive(submitted.requested, job)
            except AssertionError as error:
                yield f"has a wrong archive: {error}"

    def _check_archive(self, requested: RequestedJob, job: Mapping[str, Any]) -> None:
        bucket, count = job["targetBucket"], len(requested.members)
        (archive,) = (FinishedArchive.model_validate(found) for found in job["archives"])
        receipt = json.loads(self.client.body(bucket, archive.receipt_key))
        body = self.client.body(bucket, archive.key)
        contents = check_archive(job["jobId"], bucket, archive, body, receipt)
        names = [entry["name"] for entry in receipt["entries"]]
        assert dict(zip(names, contents, strict=True)) == requested.members, names
        assert archive.entries == count, names
        assert job["entries"] == {"done": count, "total": count}, job["entries"]
        skipped = [entry["key"] for entry in receipt["skipped"]]
        assert job["skipped"] == len(requested.skipped), job["skipped"]
        for key, name in zip(skipped, requested.skipped, strict=True):
            assert key.endswith(name), skipped

    def _events(self) -> Iterator[str]:
        statuses: dict[str, Counter[str]] = defaultdict(Counter)
        for event in self.events:
            detail = event["detail"]
            statuses[detail["jobId"]][detail["status"]] += 1
            kind = f"Zip Job {detail['status'].title()}"
            event_id = f"{detail['jobId']}/{detail['status']}"
            if (event["detail-type"], detail["eventId"]) != (kind, event_id):
                yield f"event {detail['eventId']} has type {event['detail-type']}, expected {kind}"
        yield from (
            f"an event of the unknown job {job_id}" for job_id in statuses.keys() - self.records
        )
        for job_id, record in self.records.items():
            if set(statuses[job_id]) != {record.status}:
                yield f"job {job_id} is {record.status}, its events: {dict(statuses[job_id])}"

    def _status_objects(self) -> Iterator[str]:
        """Check that each manifest has a status object that equals the job's event."""
        details = {event["detail"]["jobId"]: event["detail"] for event in self.events}
        target = self.client.outputs["targetBucket"]
        for job_id, key in self._status_keys.items():
            status_object = json.loads(self.client.body(target, key))
            if status_object != details.get(job_id):
                yield f"job {job_id}: the status object is {status_object}"

    @property
    def _status_keys(self) -> dict[str, str]:
        """Return the key of the status object of each manifest job."""
        return {
            job_id: f"zips/{PurePosixPath(record.request.key).stem}.status.json"
            for job_id, record in self.records.items()
            if record.trigger is Trigger.MANIFEST
        }

    def _remaining_objects(self) -> Iterator[str]:
        outputs, s3 = self.client.outputs, self.client.s3
        target = outputs["targetBucket"]
        expected = set(self._status_keys.values()) | {
            key
            for record in self.records.values()
            if record.status is Status.READY
            for archive in record.archives
            for key in (archive.key, archive.receipt_key)
        }
        found = set(self.client.keys(target))
        yield from (f"{key} is left in the target bucket" for key in found - expected)
        yield from (f"{key} is missing in the target bucket" for key in expected - found)
        for upload in s3.list_multipart_uploads(Bucket=target).get("Uploads", []):
            yield f"the upload to {upload['Key']} is left"
        for key in self.client.keys(outputs["manifestBucket"], WORK_PREFIX):
            yield f"{key} is left"


def _expected_statuses(submitted: Submitted) -> set[tuple[str, str | None]]:
    """Return the expected status and error code, unless retries are exhausted."""
    requested = submitted.requested
    if submitted.was_cancelled:
        return {("CANCELLED", None)}
    if requested.is_cancelled:
        return {("READY", None)}  # it was READY before DELETE
    return {(requested.status, requested.code)}
