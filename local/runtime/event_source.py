"""Emulates an event source mapping from a queue to a function.

It follows "Using Lambda with Amazon SQS" in the Lambda Developer Guide: batches, at most
``maximum_concurrency`` concurrent invocations, and partial batch failures. A failed message stays
on the queue until its visibility timeout ends. The queue counts receives and redrives. A fault plan
can make deliveries late, reordered or duplicate, as SQS can. On request, concurrency grows as
Lambda's does: see ``ScaleOut``.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.deployment.declarations import DeclaredMapping
from local.faults.injector import Delivery, FaultInjector
from local.names import logical_name
from local.runtime.execution import InvocationFailed
from local.runtime.functions import Function

POLL_SECONDS = 1


class ScaleOut:
    """Limits concurrent invocations while a queue has messages, as Lambda does.

    It starts with 5 and adds up to 300 per minute: "Configuring scaling behavior for SQS event
    source mappings" in the Lambda Developer Guide. ``clock`` returns seconds.
    """

    FIRST = 5
    PER_SECOND = 300 / 60

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._busy_since: float | None = None
        self._running = 0
        self._lock = threading.Lock()

    def try_start(self) -> bool:
        """Count an invocation that starts. Return False if there is no room for it."""
        with self._lock:
            now = self._clock()
            if self._busy_since is None:
                self._busy_since = now
            most = self.FIRST + int((now - self._busy_since) * self.PER_SECOND)
            if self._running >= most:
                return False
            self._running += 1
            return True

    def end(self, *, was_empty: bool = False) -> None:
        """Count an invocation that has ended, or did not start because the queue was empty."""
        with self._lock:
            self._running -= 1
            if was_empty and not self._running:
                self._busy_since = None


class EventSourceMapping:
    """Polls a queue on its own thread, and invokes the function with batches.

    ``is_allowed`` returns whether the function's role may perform an action on the queue. Without
    ``scale_out``, all concurrent invocations can start at once.
    """

    def __init__(
        self,
        mapping: DeclaredMapping,
        function: Function,
        sqs: Any,
        region: str,
        faults: FaultInjector,
        is_allowed: Callable[[str], bool],
        scale_out: ScaleOut | None = None,
    ) -> None:
        self._mapping = mapping
        self._function = function
        self._sqs = sqs
        self._region = region
        self._faults = faults
        self._is_allowed = is_allowed
        self._scale_out = scale_out
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
        """Stop polling. Running invocations end when their function stops."""
        self._stopping.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait for the poller and for the batches that it has submitted."""
        self._poller.join()
        self._pool.shutdown(wait=True)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            if not self._free.acquire(timeout=POLL_SECONDS):
                continue
            if self._scale_out and not self._scale_out.try_start():
                self._free.release()
                self._stopping.wait(1 / ScaleOut.PER_SECOND)
                continue
            messages = self._receive()
            if messages and not self._stopping.is_set():
                self._submit(messages)
            else:
                self._release(was_empty=True)

    def _submit(self, messages: Sequence[dict[str, Any]]) -> None:
        delivery, *copies = self._faults.deliveries(self._queue, messages)
        with suppress(RuntimeError):  # the pool is shut down, and the messages stay on the queue
            self._pool.submit(self._deliver, delivery).add_done_callback(lambda _: self._release())
            for copy in copies:
                self._pool.submit(self._deliver, copy)

    def _release(self, *, was_empty: bool = False) -> None:
        if self._scale_out:
            self._scale_out.end(was_empty=was_empty)
        self._free.release()

    def _receive(self) -> list[dict[str, Any]]:
        if not (self._is_allowed("GetQueueAttributes") and self._is_allowed("ReceiveMessage")):
            self._stopping.wait(POLL_SECONDS)
            return []
        try:
            response = self._sqs.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=min(self._mapping.batch_size, 10),
                WaitTimeSeconds=POLL_SECONDS,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except (ClientError, BotoCoreError):
            self._stopping.wait(POLL_SECONDS)
            return []
        messages: list[dict[str, Any]] = response.get("Messages", [])
        return messages

    def _deliver(self, delivery: Delivery) -> None:
        if delivery.delay and self._stopping.wait(delivery.delay):
            return
        messages = delivery.messages
        try:
            response = self._function.invoke({"Records": [self._record(m) for m in messages]})
            failed = self._failed_ids(response, messages)
        except InvocationFailed:
            failed = {message["MessageId"] for message in messages}
        for message in messages:
            if message["MessageId"] not in failed:
                self._delete(message)

    def _failed_ids(self, response: Any, messages: Sequence[dict[str, Any]]) -> set[str]:
        """Return the IDs of messages to keep. If the response names an unknown ID, keep all."""
        if not self._mapping.reports_item_failures:
            return set()
        ids = {message["MessageId"] for message in messages}
        failures = (response or {}).get("batchItemFailures") or []
        failed = {failure.get("itemIdentifier") for failure in failures}
        return failed if failed <= ids else ids

    def _delete(self, message: dict[str, Any]) -> None:
        if not self._is_allowed("DeleteMessage"):
            return  # the queue delivers the message again
        with suppress(ClientError, BotoCoreError):  # delivered again, or the queue is gone
            self._sqs.delete_message(
                QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"]
            )

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
