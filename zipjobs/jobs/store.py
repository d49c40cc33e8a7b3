"""The job table. Every change of state is one conditional write."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import JobBusy, LeaseLost, ServiceUnavailable, aws_error_code
from zipjobs.jobs.job import ArchiveFacts, Job, JobError, Status, Submission, UploadRef
from zipjobs.jobs.model import iso_utc, utc_now
from zipjobs.jobs.policy import Destination

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_to_dynamodb = TypeSerializer().serialize
_from_dynamodb = TypeDeserializer().deserialize

MAX_PROBLEM_CHARS = 2000
WORK_SECONDS = 15 * 86_400
"""A planned job is kept longer than the queue keeps its segments: 14 days."""

MAX_JOB_ID_BYTES = 2048
"""Of a partition key: "Service, account, and table quotas" in the DynamoDB Developer Guide."""

_NO_LAST_WORD = (
    "No worker could report a problem: each was stopped before (by its timeout or for want of "
    "memory), or the event never reached one."
)

_IS_NEW = "attribute_not_exists(jobId)"
_IS_UNLEASED = f"{_IS_NEW} OR #status = :pending OR (#status = :running AND leaseUntil <= :now)"
# An answer may get lost: whoever asks again finds the claim that it has made already.
_IS_CLAIMABLE = f"{_IS_UNLEASED} OR (#status = :running AND leaseOwner = :owner)"
_IS_RUNNING = "#status = :running"
_IS_MINE = "#status = :running AND leaseOwner = :owner"


class _ConditionFailed(Exception):
    """A conditional write was refused; ``job`` is what stands in the table."""

    def __init__(self, job: Job | None) -> None:
        super().__init__()
        self.job = job


class JobStore:
    """Reads and writes jobs. ``keep_seconds`` is how long a record lives."""

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        table: str,
        keep_seconds: int,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._keep_seconds = keep_seconds
        self._clock = clock

    def get(self, job_id: str) -> Job | None:
        """The job, or None. An expired record that DynamoDB has yet to drop counts as gone."""
        if len(job_id.encode()) > MAX_JOB_ID_BYTES:
            return None
        try:
            answer = self._dynamodb.get_item(
                TableName=self._table, Key={"jobId": {"S": job_id}}, ConsistentRead=True
            )
        except (ClientError, BotoCoreError) as error:
            raise _unavailable(error) from error
        item = answer.get("Item", {})
        job = _job(item) if "status" in item else None  # else it counts segments' progress
        return job if job and job.expires_at > self._clock().timestamp() else None

    def create(self, submission: Submission, destination: Destination, entries: int | None) -> None:
        """Record a job that nobody has started, unless a worker was faster."""
        job = self._pending(submission)
        changes = _dump(job) | _destination(destination) | {"entriesTotal": entries}
        del changes["jobId"]
        try:
            self._update(job.job_id, changes, _IS_NEW)
        except _ConditionFailed:
            return

    def claim(self, submission: Submission, owner: str, lease_until: datetime) -> Job:
        """Make ``owner`` the worker of a job until ``lease_until``, recording the job if new.

        Returns the job: RUNNING and leased to ``owner``, or already final. Raises JobBusy while
        another worker's lease runs.
        """
        now = self._clock()
        new = _dump(self._pending(submission)) | {"startedAt": iso_utc(now)}
        del new["jobId"], new["status"], new["updatedAt"]
        changes = {
            "status": Status.RUNNING,
            "leaseOwner": owner,
            "leaseUntil": int(lease_until.timestamp()),
        }
        try:
            return self._update(
                submission.job_id, changes, _IS_CLAIMABLE, if_absent=new, owner=owner
            )
        except _ConditionFailed as refused:
            job = refused.job
        if job is None:
            raise ServiceUnavailable("The job table refused a claim without saying why.")
        if job.is_final:
            return job
        wait = (job.lease_until or 0) - int(now.timestamp()) + 1
        raise JobBusy(f"Job {job.job_id} is being worked on.", retry_after_seconds=max(1, wait))

    def describe(self, job: Job, destination: Destination, entries: int | None) -> Job:
        """Record what the request turned out to ask for. Raises LeaseLost."""
        changes = _destination(destination) | {
            "entriesTotal": entries,
            "entriesDone": 0,
            "bytesDone": 0,
        }
        return self._update_mine(job, changes)

    def note_uploads(self, job: Job, uploads: Sequence[UploadRef]) -> Job:
        """Record multipart uploads, so that whoever outlives the worker can abort them."""
        return self._update_mine(job, {"uploads": [_dump(upload) for upload in uploads]})

    def note_plan(self, job: Job, segments: int, entries: int, source_bytes: int) -> Job:
        """Record that the job's segments are planned. From now on they are the work."""
        changes = {
            "segments": segments,
            "entriesTotal": entries,
            "bytesTotal": source_bytes,
            "expiresAt": int(self._clock().timestamp()) + max(self._keep_seconds, WORK_SECONDS),
        }
        return self._update_mine(job, changes)

    def note_progress(self, job: Job, entries: int, source_bytes: int) -> None:
        """Record how far the archive is. Raises LeaseLost."""
        self._update_mine(job, {"entriesDone": entries, "bytesDone": source_bytes})

    def ready(
        self, job: Job, archives: Sequence[ArchiveFacts], entries: int, source_bytes: int
    ) -> Job:
        """RUNNING → READY, by whoever finished it. Raises LeaseLost."""
        changes = {
            "status": Status.READY,
            "archives": [_dump(archive) for archive in archives],
            "entriesTotal": entries,
            "entriesDone": entries,
            "bytesTotal": source_bytes,
            "bytesDone": source_bytes,
            "finishedAt": iso_utc(self._clock()),
        }
        return self._finish(job, changes)

    def fail(self, job: Job, error: JobError) -> Job:
        """RUNNING → FAILED. Raises LeaseLost."""
        return self._finish(job, self._failed(error))

    def give_up(self, submission: Submission) -> Job:
        """Any state but a final one → FAILED, on behalf of a queue that gave up.

        Returns the job as it stands, which is READY if its work was done after all. Raises
        JobBusy while a worker's lease runs.
        """
        known = self.get(submission.job_id)
        error = _retries_exhausted(known.last_problem if known else None)
        new = _dump(self._pending(submission))
        del new["jobId"], new["status"], new["updatedAt"]
        try:
            return self._update(submission.job_id, self._failed(error), _IS_UNLEASED, if_absent=new)
        except _ConditionFailed as refused:
            job = refused.job
        if job is not None and job.is_final:
            return job
        raise JobBusy(f"Job {submission.job_id} is being worked on.")

    def release(self, job: Job, problem: str | None) -> None:
        """End the lease early, so that the next delivery need not wait; keep what went wrong."""
        note = {"lastProblem": problem[:MAX_PROBLEM_CHARS]} if problem else {}
        try:
            self._update_mine(job, {"leaseUntil": 0, **note})
        except LeaseLost:
            return

    def note_event_sent(self, job: Job) -> None:
        """Record that the completion event went out."""
        self._update(job.job_id, {"eventSent": True}, "attribute_exists(jobId)")

    def _pending(self, submission: Submission) -> Job:
        return Job.pending(submission, self._keep_seconds, self._clock())

    def _failed(self, error: JobError) -> dict[str, Any]:
        return {
            "status": Status.FAILED,
            "error": _dump(error),
            "finishedAt": iso_utc(self._clock()),
        }

    def _finish(self, job: Job, changes: Mapping[str, Any]) -> Job:
        """Give a job its end; one that this worker has given it already counts as success.

        A planned job has many workers, who do the same; any of them may end it.
        """
        is_planned = job.segments is not None
        condition = _IS_RUNNING if is_planned else _IS_MINE
        owner = None if is_planned else job.lease_owner
        try:
            return self._update(job.job_id, changes, condition, owner=owner)
        except _ConditionFailed as refused:
            done = refused.job
            is_ours = done and (is_planned or done.lease_owner == job.lease_owner)
            if done and is_ours and (done.status == changes["status"] or is_planned):
                return done
            raise LeaseLost(f"Job {job.job_id} was taken over by another worker.") from refused

    def _update_mine(self, job: Job, changes: Mapping[str, Any]) -> Job:
        try:
            return self._update(job.job_id, changes, _IS_MINE, owner=job.lease_owner)
        except _ConditionFailed as refused:
            raise LeaseLost(f"Job {job.job_id} was taken over by another worker.") from refused

    def _update(
        self,
        job_id: str,
        changes: Mapping[str, Any],
        condition: str,
        *,
        if_absent: Mapping[str, Any] | None = None,
        owner: str | None = None,
    ) -> Job:
        """Set ``changes``, and ``if_absent`` where nothing stands yet, if ``condition`` holds."""
        now = self._clock()
        changes = {**changes, "updatedAt": iso_utc(now)}
        defaults = if_absent or {}
        names = {*changes, *defaults, "status"}
        assignments = [f"#{name} = :set_{name}" for name in changes]
        assignments += [f"#{name} = if_not_exists(#{name}, :set_{name})" for name in defaults]
        expression = "SET " + ", ".join(assignments)
        operands = {
            ":pending": Status.PENDING,
            ":running": Status.RUNNING,
            ":now": int(now.timestamp()),
            ":owner": owner,
        }
        values = {f":set_{name}": value for name, value in {**changes, **defaults}.items()}
        values |= {name: value for name, value in operands.items() if name in condition}
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key={"jobId": {"S": job_id}},
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeNames={
                    f"#{name}": name for name in names if f"#{name}" in expression + condition
                },
                ExpressionAttributeValues={
                    name: _to_dynamodb(value) for name, value in values.items()
                },
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if aws_error_code(error) == "ConditionalCheckFailedException":
                raise _ConditionFailed(_job(error.response.get("Item"))) from error  # type: ignore[arg-type]
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        job = _job(answer["Attributes"])
        assert job is not None
        return job


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


def _dump(model: Job | JobError | ArchiveFacts | UploadRef) -> dict[str, Any]:
    return model.model_dump(by_alias=True, exclude_none=True)


def _job(item: Mapping[str, Any] | None) -> Job | None:
    if not item:
        return None
    return Job.model_validate({name: _from_dynamodb(value) for name, value in item.items()})


def _unavailable(error: Exception) -> ServiceUnavailable:
    return ServiceUnavailable(f"The job table did not answer: {error}")
