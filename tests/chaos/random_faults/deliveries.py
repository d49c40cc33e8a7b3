"""What a stack's queues deliver, and time that passes faster for messages that only wait for it.

A message whose worker was killed comes back when its visibility timeout has passed, and the
worker's lease ends when the worker would have timed out: at least a minute of waiting.
``Deliveries.skip_waits`` skips only this wait. It uses public calls of SQS and DynamoDB, and never
touches a job that a worker is processing.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local.runtime.execution import InvocationFailed
from local.runtime.functions import Function
from local.stack import LocalStack
from zipjobs.errors import aws_error_code
from zipjobs.jobs.messages import parse_message

IN_FLIGHT_SECONDS = 2.0
"""After so long no request of a dead worker is on its way any more: random plans delay by less."""

_COUNTS = tuple(f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed"))

_VIOLENT = ("Runtime.ExitError: signal 9", "Task timed out")


@dataclass(frozen=True)
class _Waiting:
    """A message that its worker did not take off the queue."""

    queue_url: str
    receipt_handle: str
    since: float


class Deliveries:
    """Watches what the zipper and the dead-letter function are given. Thread-safe.

    ``largest_receive_count`` is how often a message was delivered at the most, ``receive_counts``
    the same by job, ``dead_letters`` the jobs that the queue gave up on, ``deaths`` how many
    invocations were killed or timed out, ``defects`` what others failed with.
    """

    def __init__(self, stack: LocalStack) -> None:
        self.forget()
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

    def forget(self) -> None:
        """Begin to count anew."""
        self.receive_counts: Counter[str] = Counter()
        self.dead_letters: set[str] = set()
        self.deaths = 0
        self.defects: list[str] = []

    @property
    def largest_receive_count(self) -> int:
        return max(self.receive_counts.values(), default=0)

    def _watch(self, function: Function) -> None:
        invoke: Callable[[Any], Any] = function.invoke
        takes_dead_letters = function.declared.short_name == "dead-letter"
        queue_url = self._queues[takes_dead_letters]

        def watched(event: Any) -> Any:
            records = event["Records"]
            jobs = {record["messageId"]: parse_message(record["body"]).job_id for record in records}
            kept = set(jobs)
            with self._lock:
                self._busy.update(jobs.values())
                if takes_dead_letters:
                    self.dead_letters |= set(jobs.values())
                else:
                    self._count(records, jobs)
            try:
                answer = invoke(event)
                kept = {failed["itemIdentifier"] for failed in answer["batchItemFailures"]}
                return answer
            except InvocationFailed as failure:
                self._note_death(str(failure))
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

    def _note_death(self, how: str) -> None:
        with self._lock:
            self.deaths += 1
            if not how.startswith(_VIOLENT):
                self.defects.append(f"an invocation failed: {how}")

    def _count(self, records: list[dict[str, Any]], jobs: dict[str, str]) -> None:
        for record in records:
            count = int(record["attributes"]["ApproximateReceiveCount"])
            job_id = jobs[record["messageId"]]
            self.receive_counts[job_id] = max(count, self.receive_counts[job_id])

    def skip_waits(self) -> None:
        """Let pass what jobs wait for that nobody works on: their messages' time, their leases'."""
        with self._lock:  # nobody begins to work on a job meanwhile
            for job_id, messages in list(self._waiting.items()):
                quiet = time.monotonic() - self._ended[job_id]
                if self._busy[job_id] or quiet < IN_FLIGHT_SECONDS:
                    continue
                self._end_lease(job_id)
                for message in messages.values():
                    self._bring_back(message)
                del self._waiting[job_id]

    def is_quiet(self) -> bool:
        """Whether nobody works on a job, nor will: no message is left on the queues."""
        if any(self._busy.values()):
            return False
        for queue in self._queues:
            answer = self._sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=list(_COUNTS))
            if any(int(count) for count in answer["Attributes"].values()):
                return False
        return True

    def _end_lease(self, job_id: str) -> None:
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"jobId": {"S": job_id}},
                UpdateExpression="SET leaseUntil = :now",
                ConditionExpression="leaseUntil > :now",
                ExpressionAttributeValues={":now": {"N": "0"}},
            )
        except ClientError as error:
            if aws_error_code(error) != "ConditionalCheckFailedException":
                raise
            return  # nobody holds it

    def _bring_back(self, message: _Waiting) -> None:
        try:
            self._sqs.change_message_visibility(
                QueueUrl=message.queue_url,
                ReceiptHandle=message.receipt_handle,
                VisibilityTimeout=0,
            )
        except ClientError as error:
            if aws_error_code(error) != "ReceiptHandleIsInvalid":
                raise
            return  # it is off the queue: a copy of it was delivered, too
