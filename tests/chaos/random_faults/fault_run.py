"""Runs many jobs at once under a fault plan, until all have a final status."""

import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

from local.faults.plan import FaultPlan
from local.runtime.execution import InvocationFailed
from local.stack import LocalStack
from tests.chaos.random_faults.checks import RunResult, Submitted
from tests.chaos.random_faults.client import RetryingClient
from tests.chaos.random_faults.deliveries import Deliveries
from tests.chaos.random_faults.requested_jobs import RequestedJob
from zipjobs.jobs.job import Job

POLL_SECONDS = 0.25
QUIET_SECONDS = 2.5
"""Random plans delay second deliveries by less."""

CANCEL_SECONDS = 5.0
"""After this time a job is cancelled even if no worker has started it."""

CONCURRENCY = 8


class FaultRun:
    """Runs jobs on a stack under a fault plan.

    ``skips_waits`` ends visibility timeouts and leases of messages that no worker handles.
    ``reconciler_runs`` counts the reconciler's runs during the last ``run``.
    """

    def __init__(self, stack: LocalStack, log: list[str], skips_waits: bool = True) -> None:
        self.client = RetryingClient(stack)
        self.deliveries = Deliveries(stack)
        self.reconciler_runs = 0
        self.faults = stack.faults
        self._log = log
        self._skips_waits = skips_waits
        (self._reconciler,) = (
            function
            for function in stack.functions.values()
            if function.declared.short_name == "reconciler"
        )

    def run(self, plan: FaultPlan, jobs: Iterable[RequestedJob], seconds: float) -> RunResult:
        """Submit ``jobs`` with the faults of ``plan``. Wait for final statuses, then for quiet.

        Raises AssertionError if one of the two waits exceeds ``seconds``.
        """
        started = time.monotonic()
        known, lines, self.reconciler_runs = set(self.client.records()), len(self._log), 0
        self.deliveries.reset()

        def new() -> dict[str, Job]:
            return {key: job for key, job in self.client.records().items() if key not in known}

        self.faults.install(plan)
        try:
            with ThreadPoolExecutor(CONCURRENCY) as pool:
                submitted = list(pool.map(self._submit, jobs))
            job_ids = {one.job_id for one in submitted}
            self._wait("final statuses", new, lambda records: _are_final(job_ids, records), seconds)
            all_final = time.monotonic()
        finally:
            self.faults.clear()
        self._wait("empty queues", new, self._is_over, seconds)
        return RunResult(
            client=self.client,
            deliveries=self.deliveries,
            submitted=submitted,
            records=new(),
            events=self.client.drain_events(),
            log=self._log[lines:],
            injected=self.faults.injected,
            all_final_seconds=all_final - started,
            seconds=time.monotonic() - started,
        )

    def empty_target(self) -> None:
        """Empty the target bucket."""
        bucket, s3 = self.client.outputs["targetBucket"], self.client.s3
        for key in self.client.keys(bucket):
            s3.delete_object(Bucket=bucket, Key=key)
        for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    def _submit(self, job: RequestedJob) -> Submitted:
        client, at = self.client, datetime.now(UTC)
        if job.trigger == "manifest":
            return Submitted(job, client.upload_manifest(job.body), at)
        key = str(uuid.uuid4())
        with ThreadPoolExecutor(2) as pool:
            posts = [pool.submit(client.post, job.body, key) for _ in range(1 + job.is_sent_twice)]
            job_id, *again = (post.result() for post in posts)
        assert set(again) <= {job_id}
        return Submitted(job, job_id, at, job.is_cancelled and self._cancel(job_id))

    def _cancel(self, job_id: str) -> bool:
        """Cancel a job as soon as a worker starts it; return whether it was cancelled."""
        deadline = time.monotonic() + CANCEL_SECONDS
        while self.client.job(job_id)["status"] == "PENDING" and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        status = self.client.cancel(job_id)
        assert status in (200, 409)
        return status == 200

    def _is_over(self, records: dict[str, Job]) -> bool:
        return not _unfinished(records) and self.deliveries.is_quiet()

    def _wait(
        self,
        name: str,
        read: Callable[[], dict[str, Job]],
        is_done: Callable[[dict[str, Job]], bool],
        seconds: float,
    ) -> None:
        """Wait until ``is_done``. Run the reconciler whenever no message is left to wait for."""
        deadline = time.monotonic() + seconds
        while not is_done(records := read()):
            assert time.monotonic() < deadline, f"no {name} in {seconds} s: {_unfinished(records)}"
            if self._skips_waits:
                self.deliveries.skip_waits()
            if self._stays_quiet() and (unfinished := _unfinished(read())):
                self._reconcile(unfinished)
            time.sleep(POLL_SECONDS)

    def _stays_quiet(self) -> bool:
        deadline = time.monotonic() + QUIET_SECONDS
        while self.deliveries.is_quiet():
            if time.monotonic() > deadline:
                return True
            time.sleep(POLL_SECONDS)
        return False

    def _reconcile(self, job_ids: Iterable[str]) -> None:
        """Make these jobs due for the reconciler, and run it."""
        for job_id in job_ids:
            with suppress(self.client.dynamodb.exceptions.ConditionalCheckFailedException):
                self.client.dynamodb.update_item(
                    TableName=self.client.outputs["tableName"],
                    Key={"jobId": {"S": job_id}},
                    UpdateExpression="SET sweepAt = :now",
                    ConditionExpression="attribute_exists(sweep)",
                    ExpressionAttributeValues={":now": {"N": "0"}},
                )
        self.reconciler_runs += 1
        with suppress(InvocationFailed):
            self._reconciler.invoke({})


def _unfinished(records: dict[str, Job]) -> dict[str, str]:
    """Return the statuses of the jobs in the reconciler's index."""
    return {job_id: job.status for job_id, job in records.items() if job.sweep}


def _are_final(job_ids: set[str], records: dict[str, Job]) -> bool:
    return all(job_id in records and records[job_id].is_final for job_id in job_ids)
