"""The jobs' records. Every change of state is one conditional write."""

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
    truncate_names,
)
from zipjobs.jobs.table import UNFINISHED, ConditionFailed, JobTable
from zipjobs.model import Model, iso_utc, utc_now
from zipjobs.requests.allow_list import Destination

MAX_PROBLEM_CHARS = 2000

MAX_JOB_ID_BYTES = 2048
"""Of a partition key: "Service, account, and table quotas" in the DynamoDB Developer Guide."""

MAX_CHECKS = 6
"""How often the reconciler checks a job before it fails it. The time between checks doubles."""

_NO_LAST_WORD = (
    "No worker could report a problem: each was stopped before (by its timeout or for want of "
    "memory), or the event never reached one."
)

_IS_NEW = "attribute_not_exists(jobId)"
_IS_UNFINISHED = "#status = :pending OR #status = :running"
_IS_UNLEASED = f"{_IS_NEW} OR #status = :pending OR (#status = :running AND leaseUntil <= :now)"
# An answer may get lost: whoever asks again finds the claim that it has made already.
_IS_CLAIMABLE = f"{_IS_UNLEASED} OR (#status = :running AND leaseOwner = :owner)"
_IS_RUNNING = "#status = :running"
_IS_MINE = "#status = :running AND leaseOwner = :owner"


class JobStore:
    """Reads and writes jobs. Every method raises ServiceUnavailable.

    The record of a job that has its end lives ``keep_seconds`` more. The reconciler looks at a job
    without one ``grace_seconds`` after the last thing that its workers were to do.
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
        """The job, or None. An expired record that DynamoDB has yet to drop counts as gone."""
        if len(job_id.encode()) > MAX_JOB_ID_BYTES:
            return None
        job = self._table.get(job_id)
        return job if job and job.expires_at > self._now() else None

    def create(self, submission: Submission, destination: Destination, entries: int | None) -> None:
        """Record a job that nobody has started, unless a worker was faster."""
        changes = self._pending(submission) | _destination(destination)
        try:
            self._update(submission.job_id, changes | {"entriesTotal": entries}, _IS_NEW)
        except ConditionFailed:
            return

    def forget_expired(self, job_id: str) -> None:
        """Make room for a new job of that id, if an expired record stands in its place."""
        self._table.delete_expired(job_id, self._now())

    def claim(self, submission: Submission, owner: str, lease_until: datetime) -> Job:
        """Make ``owner`` the worker of a job until ``lease_until``, recording the job if new.

        Returns the job: RUNNING and leased to ``owner``, or already final. Raises JobBusy while
        another worker's lease runs.
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
            raise ServiceUnavailable("The job table refused a claim without saying why.")
        if job.is_final:
            return job
        wait = (job.lease_until or 0) - int(now.timestamp()) + 1
        raise JobBusy(f"Job {job.job_id} is being worked on.", retry_after_seconds=max(1, wait))

    def record_destination(self, job: Job, destination: Destination, entries: int | None) -> Job:
        """Record what the request turned out to ask for. Raises LeaseLost."""
        changes = {"entriesTotal": entries, "bytesTotal": None, "entriesDone": 0, "bytesDone": 0}
        return self._update_mine(job, _destination(destination) | changes)

    def record_uploads(self, job: Job, uploads: Sequence[UploadRef]) -> Job:
        """Record multipart uploads, so that whoever outlives the worker can abort them."""
        return self._update_mine(job, {"uploads": [_dump(upload) for upload in uploads]})

    def record_plan(
        self, job: Job, segments: int, entries: int, source_bytes: int, skipped: Sequence[str]
    ) -> Job:
        """Record that the job's segments are planned. From now on they are the work."""
        changes = {"segments": segments, "entriesTotal": entries, "bytesTotal": source_bytes}
        return self._update_mine(job, changes | _skipped(skipped))

    def record_progress(
        self,
        job: Job,
        entries: int,
        source_bytes: int,
        entries_total: int | None = None,
        bytes_total: int | None = None,
    ) -> None:
        """Record how far the archive is, and of how much, if that is known. Raises LeaseLost."""
        totals = {"entriesTotal": entries_total, "bytesTotal": bytes_total}
        known = {name: total for name, total in totals.items() if total is not None}
        self._update_mine(job, {"entriesDone": entries, "bytesDone": source_bytes, **known})

    def send_heartbeat(self, job: Job) -> None:
        """Tell the reconciler that a planned job is being worked on."""
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
        skipped: Sequence[str] | None = None,
    ) -> Job:
        """RUNNING → READY, by whoever finished it. Raises LeaseLost.

        ``skipped`` may be left out if the plan has noted it.
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
        """RUNNING → FAILED. Raises LeaseLost."""
        return self._finish(job, {"status": Status.FAILED, "error": _dump(error)})

    def cancel(self, job_id: str) -> Job | None:
        """PENDING or RUNNING → CANCELLED, whoever works on it.

        Returns the job as it stands, which may have had another end before; None if there is none.
        """
        changes = {"status": Status.CANCELLED} | self._end()
        try:
            return self._update(job_id, changes, f"attribute_exists(jobId) AND ({_IS_UNFINISHED})")
        except ConditionFailed:
            return self.get(job_id)

    def fail_exhausted(self, submission: Submission) -> Job:
        """Any state but a final one → FAILED, on behalf of a queue that gave up.

        Returns the job as it stands, which is READY if its work was done after all. Raises
        JobBusy while a worker's lease runs.
        """
        known = self.get(submission.job_id)
        error = _retries_exhausted(known.last_problem if known else None)
        changes = {"status": Status.FAILED, "error": _dump(error)} | self._end()
        new = self._pending(submission)
        try:
            return self._update(submission.job_id, changes, _IS_UNLEASED, if_absent=new)
        except ConditionFailed as refused:
            job = refused.job
        if job is not None and job.is_final:
            return job
        raise JobBusy(f"Job {submission.job_id} is being worked on.")

    def release(self, job: Job, problem: str | None) -> None:
        """End the lease early, so that the next delivery need not wait; keep what went wrong."""
        note = {"lastProblem": problem[:MAX_PROBLEM_CHARS]} if problem else {}
        try:
            self._update_mine(job, {"leaseUntil": 0, **self._grace(), **note})
        except LeaseLost:
            return

    def record_event_sent(self, job: Job) -> None:
        """Record that the completion event went out: nothing is left to do for the job.

        Of a job whose record is gone there is nothing to record either.
        """
        with suppress(ConditionFailed):
            self._update(
                job.job_id,
                {"eventSent": True},
                "attribute_exists(jobId)",
                removes=("sweep", "sweepAt"),
            )

    def overdue(self) -> Iterator[Job]:
        """The jobs that have had no end, or whose end had no event, for too long."""
        for job_id in self._table.overdue(self._now()):
            job = self.get(job_id)
            if job is not None and job.sweep_at is not None and job.sweep_at <= self._now():
                yield job

    def record_check(self, job: Job) -> None:
        """Record that the reconciler did what it could; it comes again after twice the time."""
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
        """A new record, without its key."""
        record = _dump(Job.pending(submission, self._clock()))
        del record["jobId"]
        return record | {"sweep": UNFINISHED} | self._grace()

    def _end(self) -> dict[str, Any]:
        now = self._clock()
        expires_at = int(now.timestamp()) + self._keep_seconds
        return {"finishedAt": iso_utc(now), "expiresAt": expires_at, **self._grace()}

    def _finish(self, job: Job, changes: Mapping[str, Any]) -> Job:
        """Give a job its end; one that this worker has given it already counts as success.

        A planned job has many workers, who do the same; any of them may end it.
        """
        is_planned = job.segments is not None
        condition = _IS_RUNNING if is_planned else _IS_MINE
        try:
            return self._update(
                job.job_id, {**changes, **self._end()}, condition, owner=job.lease_owner
            )
        except ConditionFailed as refused:
            done = refused.job
            is_ours = done and (is_planned or done.lease_owner == job.lease_owner)
            if done and is_ours and (done.status == changes["status"] or is_planned):
                return done
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
        set_anyway = {*changes, increments}
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
            if_absent={n: v for n, v in (if_absent or {}).items() if n not in set_anyway},
            increments=increments,
            removes=removes,
            operands=operands,
        )


def _lost(job: Job) -> LeaseLost:
    return LeaseLost(f"Job {job.job_id} was taken over by another worker, or has its end.")


def _retries_exhausted(problem: str | None) -> JobError:
    last = f"The last problem was: {problem}" if problem else _NO_LAST_WORD
    return JobError(
        code="RETRIES_EXHAUSTED",
        message=f"The job was tried several times and never finished. {last} Submit it again.",
    )


def _destination(destination: Destination) -> dict[str, Any]:
    return {
        "sourceBucket": destination.source_bucket,
        "targetBucket": destination.target_bucket,
        "targetKey": destination.target_key,
    }


def _skipped(names: Sequence[str]) -> dict[str, Any]:
    return {"skipped": len(names), "skippedObjects": list(truncate_names(names))}


def _dump(model: Model) -> dict[str, Any]:
    return model.model_dump(by_alias=True, exclude_none=True)
