"""Measures the embedded AWS as CloudWatch measures AWS: what the functions write, what their
invocations and the queues show, what the API's clients see.

The embedded AWS throttles nobody and counts no capacity units: of those there is no data.
"""

import json
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.sqs.models import SQSBackend, sqs_backends

from local.names import ACCOUNT_ID
from local.stack import LocalStack

Key = tuple[str, str, frozenset[tuple[str, str]]]

SAMPLE_SECONDS = 1.0
MOST_RECEIVES = 3
"""A message that was received so often is not the oldest any more: "Available CloudWatch metrics
for Amazon SQS" in its Developer Guide."""

_REPORT = re.compile(r"REPORT RequestId: \S+\tDuration: ([\d.]+) ms")
_FAILED = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27} ")


class Measured:
    """Points by namespace, name and dimensions. Used from any thread."""

    def __init__(self) -> None:
        self.points: defaultdict[Key, list[tuple[float, float]]] = defaultdict(list)
        self._running: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, namespace: str, name: str, dimensions: Mapping[str, str], value: float) -> None:
        """A value, measured now."""
        self._add(namespace, name, dimensions, value, time.time())

    def of(
        self, namespace: str, name: str, dimensions: Mapping[str, str]
    ) -> list[tuple[float, float]]:
        """The points of a metric."""
        return self.points.get((namespace, name, frozenset(dimensions.items())), [])

    def log(self, function: str, line: str) -> None:
        """A line of a function's log: a LogSink."""
        if line.startswith("START "):
            with self._lock:
                self._running[function] += 1
                running = self._running[function]
            self._of_function(function, "Invocations", 1)
            self._of_function(function, "ConcurrentExecutions", running)
        elif report := _REPORT.match(line):
            with self._lock:
                self._running[function] -= 1
            self._of_function(function, "Duration", float(report[1]))
            self._of_function(function, "Errors", 0)
        elif _FAILED.match(line):
            self._of_function(function, "Errors", 1)
        elif line.startswith('{"_aws"'):
            self._embedded(json.loads(line))

    def _of_function(self, function: str, name: str, value: float) -> None:
        self.add("AWS/Lambda", name, {"FunctionName": function}, value)

    def _embedded(self, line: Mapping[str, Any]) -> None:
        """Metrics in CloudWatch's embedded metric format."""
        at = line["_aws"]["Timestamp"] / 1000
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: line[name] for name in names}
                for metric in directive["Metrics"]:
                    for value in line[metric["Name"]]:
                        self._add(directive["Namespace"], metric["Name"], dimensions, value, at)

    def _add(
        self, namespace: str, name: str, dimensions: Mapping[str, str], value: float, at: float
    ) -> None:
        with self._lock:
            self.points[namespace, name, frozenset(dimensions.items())].append((at, value))


@contextmanager
def watching_queues(measured: Measured, stack: LocalStack) -> Iterator[None]:
    """Look at the stack's queues while the block lasts, and count what passes through them."""
    urls = (stack.outputs["queueUrl"], stack.outputs["deadLetterQueueUrl"])
    names = [url.rpartition("/")[2] for url in urls]
    over = threading.Event()

    def look() -> None:
        while not over.wait(SAMPLE_SECONDS):
            for name in names:
                _look_at(measured, name, stack.outputs["region"])

    looking = threading.Thread(target=look, daemon=True)
    with _counted(measured):
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()


def _look_at(measured: Measured, name: str, region: str) -> None:
    queue = sqs_backends[ACCOUNT_ID][region].queues[name]
    dimensions = {"QueueName": name}
    visible = queue.approximate_number_of_messages
    hidden = queue.approximate_number_of_messages_not_visible
    measured.add("AWS/SQS", "ApproximateNumberOfMessagesVisible", dimensions, visible)
    measured.add("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", dimensions, hidden)
    sent = [
        message.sent_timestamp or 0
        for message in list(queue._messages)  # noqa: SLF001  (moto tells no age)
        if message.approximate_receive_count < MOST_RECEIVES
    ]
    if sent:
        age = time.time() - min(sent) / 1000
        measured.add("AWS/SQS", "ApproximateAgeOfOldestMessage", dimensions, age)


@contextmanager
def _counted(measured: Measured) -> Iterator[None]:
    """Count the requests to moto's queues."""
    send, receive, delete = (
        SQSBackend.send_message,
        SQSBackend.receive_message,
        SQSBackend.delete_message,
    )

    def count(queue: str, name: str, value: float = 1) -> None:
        measured.add("AWS/SQS", name, {"QueueName": queue.rpartition("/")[2]}, value)

    def sending(self: SQSBackend, queue_name: str, *rest: Any, **more: Any) -> Any:
        count(queue_name, "NumberOfMessagesSent")
        return send(self, queue_name, *rest, **more)

    def receiving(self: SQSBackend, queue_name: str, *rest: Any, **more: Any) -> Any:
        found = receive(self, queue_name, *rest, **more)
        name = "NumberOfMessagesReceived" if found else "NumberOfEmptyReceives"
        count(queue_name, name, len(found) or 1)
        return found

    def deleting(self: SQSBackend, queue_name: str, *rest: Any, **more: Any) -> Any:
        count(queue_name, "NumberOfMessagesDeleted")
        return delete(self, queue_name, *rest, **more)

    with (
        patch.object(SQSBackend, "send_message", sending),
        patch.object(SQSBackend, "receive_message", receiving),
        patch.object(SQSBackend, "delete_message", deleting),
    ):
        yield
