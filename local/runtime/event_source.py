"""Plays an event source mapping from a queue to a function.

As "Using Lambda with Amazon SQS" in the Lambda Developer Guide documents it: batches, at most
``maximum_concurrency`` invocations at once, partial batch failures; a message that failed stays on
the queue until its visibility timeout ends. Receive counts and redrive are the queue's own. A fault
plan may have messages delivered late, in another order, or twice, as SQS itself may do. The queue
is polled as far as the function's role may.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.deployment.declarations import DeclaredMapping
from local.faults.injector import Delivery, Faults
from local.names import logical_name
from local.runtime.execution import InvocationFailed
from local.runtime.functions import Function

POLL_SECONDS = 1


class EventSourceMapping:
    """Polls a queue on a thread of its own and hands batches to the function.

    ``may`` says which actions of SQS the function's role has on the queue.
    """

    def __init__(
        self,
        mapping: DeclaredMapping,
        function: Function,
        sqs: Any,
        region: str,
        faults: Faults,
        may: Callable[[str], bool],
    ) -> None:
        self._mapping = mapping
        self._function = function
        self._sqs = sqs
        self._region = region
        self._faults = faults
        self._may = may
        queue = mapping.queue_arn.rpartition(":")[2]
        self._queue = logical_name(queue)
        self._queue_url: str = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        self._stopping = threading.Event()
        self._free = threading.Semaphore(mapping.maximum_concurrency)
        self._pool = ThreadPoolExecutor(mapping.maximum_concurrency, "event-source")
        self._poller = threading.Thread(target=self._poll, daemon=True)

    def start(self) -> None:
        self._poller.start()

    def stop(self) -> None:
        """Stop polling. Invocations under way end with their function."""
        self._stopping.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait for the poller and for the batches that it handed out."""
        self._poller.join()
        self._pool.shutdown(wait=True)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            if not self._free.acquire(timeout=POLL_SECONDS):
                continue
            messages = self._receive()
            if messages and not self._stopping.is_set():
                self._hand_out(messages)
            else:
                self._free.release()

    def _hand_out(self, messages: Sequence[dict[str, Any]]) -> None:
        delivery, *copies = self._faults.deliveries(self._queue, messages)
        with suppress(RuntimeError):  # the pool is shut, and the messages stay on the queue
            self._pool.submit(self._deliver, delivery).add_done_callback(
                lambda _: self._free.release()
            )
            for copy in copies:
                self._pool.submit(self._deliver, copy)

    def _receive(self) -> list[dict[str, Any]]:
        if not (self._may("GetQueueAttributes") and self._may("ReceiveMessage")):
            self._stopping.wait(POLL_SECONDS)
            return []
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=min(self._mapping.batch_size, 10),
                WaitTimeSeconds=POLL_SECONDS,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except (ClientError, BotoCoreError):
            self._stopping.wait(POLL_SECONDS)
            return []
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def _deliver(self, delivery: Delivery) -> None:
        if delivery.delay and self._stopping.wait(delivery.delay):
            return
        messages = delivery.messages
        try:
            answer = self._function.invoke({"Records": [self._record(m) for m in messages]})
            failed = self._failed(answer, messages)
        except InvocationFailed:
            failed = {message["MessageId"] for message in messages}
        for message in messages:
            if message["MessageId"] not in failed:
                self._delete(message)

    def _failed(self, answer: Any, messages: Sequence[dict[str, Any]]) -> set[str]:
        """The ids of messages to keep; an answer that names an unknown one keeps them all."""
        if not self._mapping.reports_item_failures:
            return set()
        ids = {message["MessageId"] for message in messages}
        failures = (answer or {}).get("batchItemFailures") or []
        named = {failure.get("itemIdentifier") for failure in failures}
        return named if named <= ids else ids

    def _delete(self, message: dict[str, Any]) -> None:
        if not self._may("DeleteMessage"):
            return  # and the queue will deliver it again
        try:
            self._sqs.delete_message(
                QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"]
            )
        except (ClientError, BotoCoreError):
            return  # the queue is gone, or will deliver again: at least once, as on AWS

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": message.get("MessageAttributes", {}),
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._mapping.queue_arn,
            "awsRegion": self._region,
        }
