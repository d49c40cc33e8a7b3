"""Models of SQS with its own clock, and of the event bus."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import EndpointConnectionError

from tests.chaos.model.invocations import Clock, Process


class Sqs:
    """A process's client of the model queue."""

    def __init__(self, process: Process, queue: "Queue") -> None:
        self._process = process
        self._queue = queue

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> dict[str, Any]:  # noqa: N803
        self._call("SendMessage", lambda: self._queue.send(MessageBody))
        return {}

    def send_message_batch(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        Entries: Iterable[dict[str, str]],  # noqa: N803
    ) -> dict[str, Any]:
        bodies = [entry["MessageBody"] for entry in Entries]
        self._call("SendMessageBatch", lambda: self._queue.send(*bodies))
        return {}

    def change_message_visibility(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        ReceiptHandle: str,  # noqa: N803
        VisibilityTimeout: int,  # noqa: N803
    ) -> None:
        self._call(
            "ChangeMessageVisibility", lambda: self._queue.hide(ReceiptHandle, VisibilityTimeout)
        )

    def _call(self, name: str, do: Callable[[], object]) -> None:
        self._process.call(name, do, lambda: EndpointConnectionError(endpoint_url="sqs"))


@dataclass(eq=False)
class Message:
    """A message on the queue or on the dead-letter queue."""

    body: str
    visible_at: datetime
    receives: int = 0
    receipt: str = ""


class Queue:
    """A queue with visibility timeouts, receive counts and redrive. It delivers in any order."""

    def __init__(self, clock: Clock, visibility_seconds: int, max_receive_count: int) -> None:
        self.messages: list[Message] = []
        self.dead_letters: list[Message] = []
        self._clock = clock
        self._visibility = timedelta(seconds=visibility_seconds)
        self._max_receive_count = max_receive_count
        self._receipts = 0

    @property
    def visible(self) -> list[Message]:
        return self._visible(self.messages)

    @property
    def visible_dead_letters(self) -> list[Message]:
        return self._visible(self.dead_letters)

    def send(self, *bodies: str) -> None:
        self.messages += [Message(body, self._clock.now) for body in bodies]

    def duplicate(self, message: Message) -> Message:
        """Add a copy of a message that can be received now."""
        copy = Message(message.body, self._clock.now, message.receives)
        self.messages.append(copy)
        return copy

    def receive(self, message: Message) -> dict[str, Any] | None:
        """Return a record of the message, or None if the message becomes a dead letter instead."""
        if message.receives >= self._max_receive_count:
            self.messages.remove(message)
            self.dead_letters.append(Message(message.body, self._clock.now))
            return None
        self._receipts += 1
        message.receives += 1
        message.receipt = str(self._receipts)
        message.visible_at = self._clock.now + self._visibility
        return record_of(message)

    def hide(self, receipt: str, seconds: int) -> None:
        for message in self.messages:
            if message.receipt == receipt:
                message.visible_at = self._clock.now + timedelta(seconds=seconds)

    def _visible(self, messages: list[Message]) -> list[Message]:
        return [message for message in messages if message.visible_at <= self._clock.now]


def record_of(message: Message) -> dict[str, Any]:
    """Return the message as a record of Lambda's SQS event."""
    return {
        "messageId": message.receipt,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": str(message.receives)},
    }


class Events:
    """A process's client of the model bus."""

    def __init__(self, process: Process, bus: "Bus") -> None:
        self._process = process
        self._bus = bus

    def put_events(self, *, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        response = self._process.call(
            "PutEvents",
            lambda: self._bus.put(Entries[0]["Detail"]),
            lambda: EndpointConnectionError(endpoint_url="events"),
        )
        self._process.met_fault |= response["FailedEntryCount"] > 0
        return response


class Bus:
    """Passes the details of events to ``on_event``, but rejects the next ``rejections`` events."""

    def __init__(self, on_event: Callable[[str], None]) -> None:
        self.rejections = 0
        self._on_event = on_event

    def put(self, detail: str) -> dict[str, Any]:
        if self.rejections:
            self.rejections -= 1
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
        self._on_event(detail)
        return {"FailedEntryCount": 0, "Entries": [{}]}
