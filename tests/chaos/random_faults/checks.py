"""Checks what must hold after a run, whatever failed in it."""

import io
import json
import tempfile
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from local.faults.injector import InjectedFault
from tests.chaos.random_faults.client import RetryingClient
from tests.chaos.random_faults.deliveries import Deliveries
from tests.chaos.random_faults.requested_jobs import RequestedJob
from zipjobs_cli.archives.verify import verify

WORK_PREFIX = "work/"
EXHAUSTED = "RETRIES_EXHAUSTED"
DEFECT = "failed with an internal error"
TRACEBACK_LINES = 60
FINAL = ("READY", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class Submitted:
    """An order, and the job that came of it. ``was_cancelled``: DELETE was answered with 200."""

    order: RequestedJob
    job_id: str
    at: datetime
    was_cancelled: bool = False


@dataclass(frozen=True)
class RunResult:
    """All that there is to look at when the fault_run is over. ``log`` is of this fault_run only.

    ``records`` are those that were not there before it. All jobs had their ends after
    ``all_ended_seconds``, and it was quiet after ``seconds``.
    """

    client: RetryingClient
    deliveries: Deliveries
    submitted: Collection[Submitted]
    records: Mapping[str, dict[str, Any]]
    events: Collection[Mapping[str, Any]]
    log: Sequence[str]
    injected: Sequence[InjectedFault]
    all_ended_seconds: float
    seconds: float

    def problems(self) -> Iterator[str]:
        """Everything that is not as it must be."""
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
        """The jobs that the queue gave up on, and that could have had another end."""
        return [
            job_id
            for job_id, record in self.records.items()
            if record.get("error", {}).get("M", {}).get("code", {}).get("S") == EXHAUSTED
        ]

    def story(self, problems: Collection[str]) -> Iterator[str]:
        """What the log and the fault plan have to say of the jobs that have problems."""
        jobs = [job_id for job_id in self.records if any(job_id in problem for problem in problems)]
        said = [*self.log, *map(str, self.injected)]
        yield from (line for line in said if any(job_id in line for job_id in jobs))

    def _jobs(self) -> Iterator[str]:
        wanted = {submitted.job_id for submitted in self.submitted}
        if len(wanted) < len(self.submitted):
            yield "two orders have become one job"
        yield from (f"job {job_id} is nobody's" for job_id in self.records.keys() - wanted)
        for submitted in self.submitted:
            name = f"{submitted.order.name} ({submitted.job_id})"
            if submitted.job_id not in self.records:
                yield f"{name} is lost"
                continue
            yield from (f"{name}: {problem}" for problem in self._job(submitted))

    def _job(self, submitted: Submitted) -> Iterator[str]:
        record, job = self.records[submitted.job_id], self.client.job(submitted.job_id)
        status, code = job["status"], (job.get("error") or {}).get("code")
        if status != record["status"]["S"]:
            yield f"the API says {status}, the table {record['status']['S']}"
        if status not in FINAL:
            yield f"is {status}: it has no end"
        if "sweep" in record or not record.get("eventSent", {}).get("BOOL"):
            yield "the reconciler would still have to look after it"
        if code == EXHAUSTED:
            if not self._was_given_up(submitted.job_id):
                yield f"is {EXHAUSTED}, and the queue has not given up on it"
        elif (status, code) not in _expected_statuses(submitted):
            yield f"ended as {status} {job.get('error')}"
        if status == "READY":
            yield from self._archive(submitted.order, job)

    def _was_given_up(self, job_id: str) -> bool:
        return job_id in self.deliveries.dead_letters

    def _archive(self, order: RequestedJob, job: Mapping[str, Any]) -> Iterator[str]:
        (archive,) = job["archives"]
        data = self.client.body(job["targetBucket"], archive["key"])
        receipt = self.client.body(job["targetBucket"], archive["receiptKey"])
        yield from archive_problems(data, receipt, order.members)
        if job["entries"] != {"done": len(order.members), "total": len(order.members)}:
            yield f"says that it has {job['entries']}"
        if len(data) != archive["size"] or f"{zlib.crc32(data):08x}" != archive["crc32"]:
            yield "is not the archive that its job says"
        missing = [entry["key"] for entry in json.loads(receipt)["skipped"]]
        if not (len(missing) == job["skipped"] == len(order.skipped)):
            yield f"says that it skipped {job['skipped']}, its receipt {missing}"
        if not all(key.endswith(name) for key, name in zip(missing, order.skipped, strict=False)):
            yield f"skipped {missing}"

    def _events(self) -> Iterator[str]:
        ends: dict[str, Counter[str]] = defaultdict(Counter)
        for event in self.events:
            detail = event["detail"]
            ends[detail["jobId"]][detail["status"]] += 1
            kind = f"Zip Job {detail['status'].title()}"
            event_id = f"{detail['jobId']}/{detail['status']}"
            if (event["detail-type"], detail["eventId"]) != (kind, event_id):
                yield f"the event {detail['eventId']} is called {event['detail-type']}"
        yield from (f"an event of nobody's job {job_id}" for job_id in ends.keys() - self.records)
        for job_id, record in self.records.items():
            status = record["status"]["S"]
            if set(ends[job_id]) != {status}:
                yield f"job {job_id} is {status}; its events say {dict(ends[job_id])}"

    def _status_objects(self) -> Iterator[str]:
        """Of each manifest there is one, and it says what the job's events say."""
        details = {event["detail"]["jobId"]: event["detail"] for event in self.events}
        target = self.client.outputs["targetBucket"]
        for job_id, key in self._status_keys.items():
            said = json.loads(self.client.body(target, key))
            if said != details.get(job_id):
                yield f"job {job_id}: its status object says {said}"

    @property
    def _status_keys(self) -> dict[str, str]:
        """Where the status objects of jobs that came by manifest stand."""
        return {
            job_id: f"zips/{PurePosixPath(record['request']['M']['key']['S']).stem}.status.json"
            for job_id, record in self.records.items()
            if record["trigger"]["S"] == "manifest"
        }

    def _remaining_objects(self) -> Iterator[str]:
        outputs, s3 = self.client.outputs, self.client.s3
        target = outputs["targetBucket"]
        left = set(self._status_keys.values()) | {
            archive["M"][key]["S"]
            for record in self.records.values()
            if record["status"]["S"] == "READY"
            for archive in record["archives"]["L"]
            for key in ("key", "receiptKey")
        }
        found = set(self.client.keys(target))
        yield from (f"{key} is in the target bucket" for key in found - left)
        yield from (f"{key} is not in the target bucket" for key in left - found)
        for upload in s3.list_multipart_uploads(Bucket=target).get("Uploads", []):
            yield f"the upload to {upload['Key']} is left"
        for key in self.client.keys(outputs["manifestBucket"], WORK_PREFIX):
            yield f"{key} is left"


def _expected_statuses(submitted: Submitted) -> set[tuple[str, str | None]]:
    """How the job may end, but for the queue's giving up on it."""
    order = submitted.order
    if submitted.was_cancelled:
        return {("CANCELLED", None)}
    if order.cancelled:
        return {("READY", None)}  # it was faster
    return {(order.status, order.code)}


def archive_problems(data: bytes, receipt: bytes, members: Mapping[str, bytes]) -> Iterator[str]:
    """What is wrong with an archive: held against its sources, and against its receipt."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if sorted(names) != sorted(members):
            yield f"holds {names}, not {list(members)}"
            return
        for name in names:
            if archive.read(name) != members[name]:
                yield f"{name} is not what it was made of"
    crcs = {name: f"{zlib.crc32(body):08x}" for name, body in members.items()}
    if {entry["name"]: entry["crc32"] for entry in json.loads(receipt)["entries"]} != crcs:
        yield "the receipt has other CRC-32s than the sources"
    with tempfile.TemporaryDirectory() as folder:
        path, beside = Path(folder, "archive.zip"), Path(folder, "archive.receipt.json")
        path.write_bytes(data)
        beside.write_bytes(receipt)
        verdict = verify(path, beside, lambda done: None)
    yield from map(str, verdict.differences)
