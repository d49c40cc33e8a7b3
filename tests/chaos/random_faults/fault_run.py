"""A storm: many jobs at once on a stack that fails by a plan, until all have their end."""

import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from local.faults.plan import FaultPlan
from local.runtime.execution import InvocationFailed
from local.stack import LocalStack
from tests.chaos.random_faults.checks import FINAL, Aftermath, Submitted
from tests.chaos.random_faults.client import StormClient
from tests.chaos.random_faults.deliveries import Deliveries
from tests.chaos.random_faults.requested_jobs import Order

LOOK_SECONDS = 0.25
QUIET_SECONDS = 2.5
"""Random plans hold second deliveries back for less."""

CANCEL_SECONDS = 5.0
"""After so long a job is cancelled, though nobody works on it yet."""

AT_ONCE = 8


class Storm:
    """A stack, and what it takes to let storms pass over it.

    With ``hurries``, time passes faster for messages that only wait for it. ``sweeps`` is how
    often the reconciler had to run in the last storm.
    """

    def __init__(self, stack: LocalStack, log: list[str], hurries: bool = True) -> None:
        self.client = StormClient(stack)
        self.deliveries = Deliveries(stack)
        self.sweeps = 0
        self.faults = stack.faults
        self._log = log
        self._hurries = hurries
        (self._reconciler,) = (
            function
            for function in stack.functions.values()
            if function.declared.short_name == "reconciler"
        )

    def pass_over(self, plan: FaultPlan, orders: Iterable[Order], seconds: float) -> Aftermath:
        """Submit ``orders`` while AWS fails by ``plan``; wait for their ends, and then for quiet.

        Each of the two waits takes ``seconds`` at the most.
        """
        started = time.monotonic()
        known, lines, self.sweeps = set(self.client.records()), len(self._log), 0
        self.deliveries.forget()

        def new() -> dict[str, Any]:
            return {i: record for i, record in self.client.records().items() if i not in known}

        self.faults.install(plan)
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                submitted = list(pool.map(self._submit, orders))
            jobs = {one.job_id for one in submitted}
            self._wait(
                "the end of every job", new, lambda records: _are_final(jobs, records), seconds
            )
            all_ended = time.monotonic()
        finally:
            self.faults.clear()
        self._wait("quiet", new, self._is_over, seconds)
        return Aftermath(
            client=self.client,
            deliveries=self.deliveries,
            submitted=submitted,
            records=new(),
            events=self.client.drain_events(),
            log=self._log[lines:],
            injected=self.faults.injected,
            all_ended_seconds=all_ended - started,
            seconds=time.monotonic() - started,
        )

    def clear_up(self) -> None:
        """Empty the target bucket."""
        bucket, s3 = self.client.outputs["targetBucket"], self.client.s3
        for key in self.client.keys(bucket):
            s3.delete_object(Bucket=bucket, Key=key)
        for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    def _submit(self, order: Order) -> Submitted:
        client, at = self.client, datetime.now(UTC)
        if order.trigger == "manifest":
            return Submitted(order, client.drop(order.body), at)
        key = str(uuid.uuid4())
        with ThreadPoolExecutor(2) as pool:
            posts = [pool.submit(client.post, order.body, key) for _ in range(1 + order.doubled)]
            job_id, *again = (post.result() for post in posts)
        assert set(again) <= {job_id}
        return Submitted(order, job_id, at, order.cancelled and self._cancel(job_id))

    def _cancel(self, job_id: str) -> bool:
        """Cancel a job as soon as somebody works on it; whether it was not over by then."""
        give_up = time.monotonic() + CANCEL_SECONDS
        while self.client.job(job_id)["status"] == "PENDING" and time.monotonic() < give_up:
            time.sleep(LOOK_SECONDS)
        status = self.client.cancel(job_id)
        assert status in (200, 409)
        return status == 200

    def _is_over(self, records: dict[str, Any]) -> bool:
        if any("sweep" in record for record in records.values()):
            return False
        return self.deliveries.is_quiet()

    def _wait(
        self,
        what: str,
        look: Callable[[], dict[str, Any]],
        is_done: Callable[[dict[str, Any]], bool],
        seconds: float,
    ) -> None:
        """Wait until the records are as they should be, or sweep when nothing moves any more."""
        give_up = time.monotonic() + seconds
        while not is_done(records := look()):
            assert time.monotonic() < give_up, f"waited in vain for {what}: {_unfinished(records)}"
            if self._hurries:
                self.deliveries.hurry()
            if self._stays_quiet() and (unfinished := _unfinished(look())):
                self._sweep(unfinished)
            time.sleep(LOOK_SECONDS)

    def _stays_quiet(self) -> bool:
        give_up = time.monotonic() + QUIET_SECONDS
        while self.deliveries.is_quiet():
            if time.monotonic() > give_up:
                return True
            time.sleep(LOOK_SECONDS)
        return False

    def _sweep(self, jobs: Iterable[str]) -> None:
        """Let the reconciler run, as its schedule would in a while, when these jobs are due."""
        for job_id in jobs:
            with suppress(self.client.dynamodb.exceptions.ConditionalCheckFailedException):
                self.client.dynamodb.update_item(
                    TableName=self.client.outputs["tableName"],
                    Key={"jobId": {"S": job_id}},
                    UpdateExpression="SET sweepAt = :now",
                    ConditionExpression="attribute_exists(sweep)",
                    ExpressionAttributeValues={":now": {"N": "0"}},
                )
        self.sweeps += 1
        with suppress(InvocationFailed):
            self._reconciler.invoke({})


def _unfinished(records: dict[str, Any]) -> dict[str, str]:
    """The status of the jobs that the reconciler has to look after, if nobody else does."""
    return {job_id: r["status"]["S"] for job_id, r in records.items() if "sweep" in r}


def _are_final(jobs: set[str], records: dict[str, Any]) -> bool:
    return all(job_id in records and records[job_id]["status"]["S"] in FINAL for job_id in jobs)
