"""Observes the deliveries of a stack's queues, and ends waits for messages that no worker handles.

The message of a killed worker is redelivered after its visibility timeout, and the worker's lease
expires when the worker would have timed out: at least a minute later. ``Deliveries.skip_waits``
ends only these two waits. It uses public calls of SQS and DynamoDB, and never touches a job that a
worker is processing.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from local.runtime.execution import InvocationFailed
from local.runtime.functions import Function
from local.stack import LocalStack
from zipjobs.jobs.messages import parse_message

IN_FLIGHT_SECONDS = 2.0
"""After this time no request of a killed worker is in flight. Random plans delay by less."""

_COUNTS = tuple(f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed"))

_EXPECTED_FAILURES = ("Runtime.ExitError: signal 9", "Task timed out")


@dataclass(frozen=True)
class _Waiting:
    """A message that its worker did not delete from the queue."""

    queue_url: str
    receipt_handle: str
    since: float


class Deliveries:
    """Observes the deliveries to the zipper and the dead-letter function. Thread-safe.

    ``receive_counts`` holds the largest receive count of each job, and ``dead_letters`` the jobs
    with a dead-letter message. ``kills`` counts the invocations that were killed or timed out.
    ``defects`` describes all other failed invocations.
    """

    def __init__(self, stack: LocalStack) -> None:
        self.reset()
        self._sqs = stack.client("sqs")
        self._dynamodb = stack.client("dynamodb")
        self._table = stack.outputs["tableName"]
        self._queues = [stack.outputs["queueUrl"], stack.outputs["deadLetterQueueUrl"]]
        self._lock = threading.Lock()
        self._busy: Counter[str] = Counter()
        self._ended: dict[str, float] = {}
        self._waiting: dict[str, dict[str, _Waiting]] = {}
        for function in stack.functions.values():
            if function.declared.short_name in ("zipper", "dead-letter"):
                self._watch(function)

    def reset(self) -> None:
        """Reset all counts."""
        self.receive_counts: Counter[str] = Counter()
        self.dead_letters: set[str] = set()
        self.kills = 0
        self.defects: list[str] = []

    @property
    def largest_receive_count(self) -> int:
        return max(self.receive_counts.values(), default=0)

    def _watch(self, function: Function) -> None:
        invoke: Callable[[Any], Any] = function.invoke
        is_dead_letter = function.declared.short_name == "dead-letter"
        queue_url = self._queues[is_dead_letter]

        def watched(event: Any) -> Any:
            records = event["Records"]
            jobs = {record["messageId"]: parse_message(record["body"]).job_id for record in records}
            kept = set(jobs)
            with self._lock:
                self._busy.update(jobs.values())
                if is_dead_letter:
                    self.dead_letters |= set(jobs.values())
                else:
                    self._count(records, jobs)
            try:
                response = invoke(event)
                kept = {failed["itemIdentifier"] for failed in response["batchItemFailures"]}
                return response
            except InvocationFailed as failure:
                self._record_failure(str(failure))
                raise
            finally:
                with self._lock:
                    self._busy.subtract(jobs.values())
                    for record in records:
                        job_id, now = jobs[record["messageId"]], time.monotonic()
                        self._ended[job_id] = now
                        if record["messageId"] in kept:
                            waiting = _Waiting(queue_url, record["receiptHandle"], now)
                            self._waiting.setdefault(job_id, {})[record["messageId"]] = waiting

        function.invoke = watched  # type: ignore[method-assign]

    def _record_failure(self, message: str) -> None:
        with self._lock:
            self.kills += 1
            if not message.startswith(_EXPECTED_FAILURES):
                self.defects.append(f"an invocation failed: {message}")

    def _count(self, records: list[dict[str, Any]], jobs: dict[str, str]) -> None:
        for record in records:
            count = int(record["attributes"]["ApproximateReceiveCount"])
            job_id = jobs[record["messageId"]]
            self.receive_counts[job_id] = max(count, self.receive_counts[job_id])

    def skip_waits(self) -> None:
        """End the leases and visibility timeouts of jobs that no worker processes."""
        with self._lock:  # no worker starts a job in this block
            for job_id, messages in list(self._waiting.items()):
                quiet = time.monotonic() - self._ended[job_id]
                if self._busy[job_id] or quiet < IN_FLIGHT_SECONDS:
                    continue
                self._end_lease(job_id)
                for message in messages.values():
                    self._make_visible(message)
                del self._waiting[job_id]

    def is_quiet(self) -> bool:
        """Return whether no worker processes a job, and the queues are empty."""
        if any(self._busy.values()):
            return False
        for queue in self._queues:
            response = self._sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=list(_COUNTS))
            if any(int(count) for count in response["Attributes"].values()):
                return False
        return True

    def _end_lease(self, job_id: str) -> None:
        with suppress(self._dynamodb.exceptions.ConditionalCheckFailedException):  # it has expired
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"jobId": {"S": job_id}},
                UpdateExpression="SET leaseUntil = :now",
                ConditionExpression="leaseUntil > :now",
                ExpressionAttributeValues={":now": {"N": "0"}},
            )

    def _make_visible(self, message: _Waiting) -> None:
        with suppress(self._sqs.exceptions.ReceiptHandleIsInvalid):  # a worker processed a copy
            self._sqs.change_message_visibility(
                QueueUrl=message.queue_url,
                ReceiptHandle=message.receipt_handle,
                VisibilityTimeout=0,
            )
