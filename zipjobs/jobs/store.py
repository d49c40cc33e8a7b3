"""The records of jobs. Every status change is one conditional write."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from zipjobs.errors import JobBusy, LeaseLost, ServiceUnavailable
from zipjobs.jobs.job import (
    FinishedArchive,
    Job,
    JobError,
    Status,
    Submission,
    UploadRef,
    truncate_message,
    truncate_names,
)
from zipjobs.jobs.table import UNFINISHED, ConditionFailed, JobTable
from zipjobs.model import Model, iso_utc, utc_now
from zipjobs.requests.allow_list import Destination
from zipjobs.s3.source import SkippedEntry
from zipjobs.unreadable import MAX_NAMED_OBJECTS

MAX_JOB_ID_BYTES = 2048
"""Bytes of a partition key ("Service, account, and table quotas", DynamoDB Developer Guide)."""

_NO_LAST_PROBLEM = (
    "No worker reported a problem. Either each worker was stopped, by its timeout or because it "
    "ran out of memory, or the event never reached a worker."
)

_IS_NEW = "attribute_not_exists(jobId)"
_IS_UNFINISHED = "#status = :pending OR #status = :running"
_IS_UNLEASED = f"{_IS_NEW} OR #status = :pending OR (#status = :running AND leaseUntil <= :now)"
# The response to a claim may be lost, so a worker can repeat its own claim.
_IS_CLAIMABLE = f"{_IS_UNLEASED} OR (#status = :running AND leaseOwner = :owner)"
_IS_RUNNING = "#status = :running"
_IS_MINE = "#status = :running AND leaseOwner = :owner"


class JobStore:
    """Reads and writes records. All methods raise ServiceUnavailable.

    The record of a finished job is kept for ``keep_seconds``. The reconciler checks an unfinished
    job ``grace_seconds`` after its lease ends or its last heartbeat.
    """

    def __init__(
        self,
        table: JobTable,
        keep_seconds: int,
        grace_seconds: int,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._table = table
        self._keep_seconds = keep_seconds
        self._grace_seconds = grace_seconds
        self._clock = clock

    def get(self, job_id: str) -> Job | None:
        """Return the job, or None if it does not exist or its record has expired."""
        if len(job_id.encode()) > MAX_JOB_ID_BYTES:
            return None
        job = self._table.get(job_id)
        return job if job and job.expires_at > self._now() else None

    def create(self, submission: Submission, destination: Destination, entries: int | None) -> None:
        """Create the record of a new job, unless a worker has created it already."""
        changes = self._pending(submission) | _destination(destination)
        try:
            self._update(submission.job_id, changes | {"entriesTotal": entries}, _IS_NEW)
        except ConditionFailed:
            return

    def forget_expired(self, job_id: str) -> None:
        """Delete the expired record with this ID, if any, so that a new job can use the ID."""
        self._table.delete_expired(job_id, self._now())

    def claim(self, submission: Submission, owner: str, lease_until: datetime) -> Job:
        """Lease a job to the worker ``owner`` until ``lease_until``. Create its record if needed.

        Return the job, which is RUNNING and leased to ``owner``, or has a final status. Raises
        JobBusy while another worker has the lease.
        """
        now, until = self._clock(), int(lease_until.timestamp())
        changes = {
            "status": Status.RUNNING,
            "leaseOwner": owner,
            "leaseUntil": until,
            "sweepAt": until + self._grace_seconds,
        }
        try:
            return self._update(
                submission.job_id,
                changes,
                _IS_CLAIMABLE,
                if_absent=self._pending(submission) | {"startedAt": iso_utc(now)},
                increments="attempts",
                owner=owner,
            )
        except ConditionFailed as refused:
            job = refused.job
        if job is None:
            raise ServiceUnavailable("The job table rejected a claim without a reason.")
        if job.is_final:
            return job
        wait = (job.lease_until or 0) - int(now.timestamp()) + 1
        raise JobBusy(
            f"Another worker has the lease of job {job.job_id}.", retry_after_seconds=max(1, wait)
        )

    def record_destination(self, job: Job, destination: Destination, entries: int | None) -> Job:
        """Record the destination and the number of entries, if known. Raises LeaseLost."""
        changes = {"entriesTotal": entries, "bytesTotal": None, "entriesDone": 0, "bytesDone": 0}
        return self._update_mine(job, _destination(destination) | changes)

    def record_uploads(self, job: Job, uploads: Sequence[UploadRef]) -> Job:
        """Record multipart uploads, so that they can be aborted if the worker dies.

        Raises LeaseLost.
        """
        return self._update_mine(job, {"uploads": [_dump(upload) for upload in uploads]})

    def record_plan(
        self,
        job: Job,
        segments: int,
        entries: int,
        source_bytes: int,
        skipped: Sequence[SkippedEntry],
    ) -> Job:
        """Record the number of segments and the totals of a large job. Raises LeaseLost."""
        changes = {"segments": segments, "entriesTotal": entries, "bytesTotal": source_bytes}
        return self._update_mine(job, changes | _skipped(skipped))

    def forget_plan(self, job: Job) -> None:
        """Have a large job planned again, with new uploads, by the next worker that claims it."""
        with suppress(ConditionFailed):
            self._update(job.job_id, self._grace(), _IS_RUNNING, removes=("segments",))

    def record_progress(
        self,
        job: Job,
        entries: int,
        source_bytes: int,
        entries_total: int | None = None,
        bytes_total: int | None = None,
    ) -> None:
        """Record the progress, and the totals if they are known. Raises LeaseLost."""
        totals = {"entriesTotal": entries_total, "bytesTotal": bytes_total}
        known = {name: total for name, total in totals.items() if total is not None}
        self._update_mine(job, {"entriesDone": entries, "bytesDone": source_bytes, **known})

    def send_heartbeat(self, job: Job) -> None:
        """Postpone the reconciler's next check of a large job that is making progress."""
        try:
            self._update(job.job_id, self._grace(), _IS_UNFINISHED)
        except ConditionFailed:
            return

    def ready(
        self,
        job: Job,
        archives: Sequence[FinishedArchive],
        entries: int,
        source_bytes: int,
        skipped: Sequence[SkippedEntry] | None = None,
    ) -> Job:
        """Change RUNNING to READY. Raises LeaseLost.

        ``skipped`` is None if ``record_plan`` has recorded the skipped entries.
        """
        changes = {
            "status": Status.READY,
            "archives": [_dump(archive) for archive in archives],
            "entriesTotal": entries,
            "entriesDone": entries,
            "bytesTotal": source_bytes,
            "bytesDone": source_bytes,
        }
        return self._finish(job, changes if skipped is None else changes | _skipped(skipped))

    def fail(self, job: Job, error: JobError) -> Job:
        """Change RUNNING to FAILED. Raises LeaseLost."""
        return self._finish(job, {"status": Status.FAILED, "error": _dump(error)})

    def cancel(self, job_id: str) -> Job | None:
        """Change PENDING or RUNNING to CANCELLED, whether or not a worker has the lease.

        Return the job, which may have had another final status before, or None if it does not
        exist.
        """
        changes = {"status": Status.CANCELLED} | self._final()
        try:
            return self._update(job_id, changes, f"attribute_exists(jobId) AND ({_IS_UNFINISHED})")
        except ConditionFailed:
            return self.get(job_id)

    def fail_exhausted(self, submission: Submission) -> Job:
        """Change PENDING or RUNNING to FAILED after the last attempt.

        Return the job, which may have had another final status before. Raises JobBusy while a
        worker has the lease.
        """
        known = self.get(submission.job_id)
        error = _retries_exhausted(known.last_problem if known else None)
        changes = {"status": Status.FAILED, "error": _dump(error)} | self._final()
        new = self._pending(submission)
        try:
            return self._update(submission.job_id, changes, _IS_UNLEASED, if_absent=new)
        except ConditionFailed as refused:
            job = refused.job
        if job is not None and job.is_final:
            return job
        raise JobBusy(f"Another worker has the lease of job {submission.job_id}.")

    def release(self, job: Job, problem: str | None) -> None:
        """End the lease, so that the next attempt can start, and record its problem, if any."""
        note = {"lastProblem": truncate_message(problem)} if problem else {}
        try:
            self._update_mine(job, {"leaseUntil": 0, **self._grace(), **note})
        except LeaseLost:
            return

    def record_event_sent(self, job: Job) -> None:
        """Record that the completion event was sent, so the reconciler ignores the job.

        Does nothing if the record has expired.
        """
        with suppress(ConditionFailed):
            self._update(
                job.job_id,
                {"eventSent": True},
                "attribute_exists(jobId)",
                removes=("sweep", "sweepAt"),
            )

    def overdue(self) -> Iterator[Job]:
        """Yield the unfinished jobs, and finished jobs without an event, that must be checked."""
        for job_id in self._table.overdue(self._now()):
            job = self.get(job_id)
            if job is not None and job.sweep_at is not None and job.sweep_at <= self._now():
                yield job

    def record_check(self, job: Job) -> None:
        """Record a check by the reconciler. The next check is after twice the time."""
        due = self._now() + (self._grace_seconds << (job.sweeps + 1))
        try:
            self._update(job.job_id, {"sweepAt": due}, _IS_UNFINISHED, increments="sweeps")
        except ConditionFailed:
            return

    def _now(self) -> int:
        return int(self._clock().timestamp())

    def _grace(self) -> dict[str, Any]:
        return {"sweepAt": self._now() + self._grace_seconds}

    def _pending(self, submission: Submission) -> dict[str, Any]:
        """Return the attributes of a new record, without its key."""
        record = _dump(Job.pending(submission, self._clock()))
        del record["jobId"]
        return record | {"sweep": UNFINISHED} | self._grace()

    def _final(self) -> dict[str, Any]:
        now = self._clock()
        expires_at = int(now.timestamp()) + self._keep_seconds
        return {"finishedAt": iso_utc(now), "expiresAt": expires_at, **self._grace()}

    def _finish(self, job: Job, changes: Mapping[str, Any]) -> Job:
        """Set a final status. Succeeds if this worker has already set it.

        A large job has several workers, and any of them can finish it.
        """
        is_large = job.segments is not None
        condition = _IS_RUNNING if is_large else _IS_MINE
        try:
            return self._update(
                job.job_id, {**changes, **self._final()}, condition, owner=job.lease_owner
            )
        except ConditionFailed as refused:
            current = refused.job
            is_ours = current and (is_large or current.lease_owner == job.lease_owner)
            if current and is_ours and (current.status == changes["status"] or is_large):
                return current
            raise _lost(job) from refused

    def _update_mine(self, job: Job, changes: Mapping[str, Any]) -> Job:
        try:
            return self._update(job.job_id, changes, _IS_MINE, owner=job.lease_owner)
        except ConditionFailed as refused:
            raise _lost(job) from refused

    def _update(
        self,
        job_id: str,
        changes: Mapping[str, Any],
        condition: str,
        *,
        if_absent: Mapping[str, Any] | None = None,
        increments: str | None = None,
        removes: Sequence[str] = (),
        owner: str | None = None,
    ) -> Job:
        now = self._clock()
        changes = {**changes, "updatedAt": iso_utc(now)}
        set_explicitly = {*changes, increments}
        operands = {
            ":pending": Status.PENDING,
            ":running": Status.RUNNING,
            ":now": int(now.timestamp()),
            ":owner": owner,
        }
        return self._table.update(
            job_id,
            changes,
            condition,
            if_absent={n: v for n, v in (if_absent or {}).items() if n not in set_explicitly},
            increments=increments,
            removes=removes,
            operands=operands,
        )


def _lost(job: Job) -> LeaseLost:
    return LeaseLost(f"Job {job.job_id} was taken over by another worker, or is finished.")


def _retries_exhausted(problem: str | None) -> JobError:
    last = f"The last problem was: {problem}" if problem else _NO_LAST_PROBLEM
    return JobError(
        code="RETRIES_EXHAUSTED",
        message=f"The job failed in every attempt. {last} Submit it again.",
    )


def _destination(destination: Destination) -> dict[str, Any]:
    return {
        "sourceBucket": destination.source_bucket,
        "targetBucket": destination.target_bucket,
        "targetKey": destination.target_key,
        "metadata": dict(destination.metadata),
        "archiveDays": destination.archive_days,
    }


def _skipped(skipped: Sequence[SkippedEntry]) -> dict[str, Any]:
    first = skipped[:MAX_NAMED_OBJECTS]
    names = truncate_names([str(one.entry.source) for one in first])
    reasons = [one.code for one in first[: len(names)]]
    return {"skipped": len(skipped), "skippedObjects": names, "skippedReasons": reasons}


def _dump(model: Model) -> dict[str, Any]:
    return model.model_dump(by_alias=True, exclude_none=True)
