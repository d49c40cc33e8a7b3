"""The resources of a stack on moto, and methods that inspect them."""

import json
from functools import partial
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends

from local.server import aws_client
from tests.chaos.crashes.processes import REGION
from tests.support.environment import FUNCTIONS_ENVIRONMENT
from tests.support.job_table import create_job_table
from zipjobs.jobs.events import SOURCE
from zipjobs.jobs.job import Job, Status

MAX_RECEIVE_COUNT = 5
VISIBILITY_SECONDS = 900
UNSPLIT_MIB, TWO_SEGMENTS_MIB = 1024, 1
"""A worker's quota: a whole job, or one segment of the two."""

UPLOAD_TIME = "2026-11-12T00:00:00Z"


class Queue:
    """A queue in moto's state."""

    def __init__(self, sqs: Any, name: str, **attributes: str) -> None:
        self._name = name
        self.url: str = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self._moto = sqs_backends[DEFAULT_ACCOUNT_ID][REGION]
        self._queue = self._moto.get_queue(name)

    @property
    def arn(self) -> str:
        return str(self._queue.queue_arn)

    def __len__(self) -> int:
        """Return the number of messages, in flight or not."""
        return len(self._queue._messages)

    def send(self, body: str) -> None:
        self._moto.send_message(self._name, body)

    def receive(self) -> dict[str, Any] | None:
        """Return a record of the next message. It is invisible until ``make_visible``."""
        messages = self._moto.receive_message(self._name, 1, 0, VISIBILITY_SECONDS)
        if not messages:
            return None
        message = messages[0]
        return {
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": {"ApproximateReceiveCount": str(message.approximate_receive_count)},
            "eventSource": "aws:sqs",
            "awsRegion": REGION,
        }

    def make_visible(self, record: dict[str, Any]) -> None:
        """End the visibility timeout of a message."""
        self._moto.change_message_visibility(self._name, record["receiptHandle"], 0)

    def delete(self, record: dict[str, Any]) -> None:
        self._moto.delete_message(self._name, record["receiptHandle"])

    def purge(self) -> None:
        """Delete all messages."""
        self._queue._messages = []
        self._queue._pending_messages = set()

    def take(self) -> list[Any]:
        """Delete all messages and return their bodies."""
        bodies = [json.loads(message.body) for message in self._queue._messages]
        self.purge()
        return bodies


class Stack:
    """Buckets, job table, queues and bus, with a ``prefix`` in their names.

    The reconciler's grace period is zero. Methods read moto's state directly, because requests to
    moto take most of the time of these tests.
    """

    def __init__(self, url: str, prefix: str, has_segments: bool) -> None:
        client = partial(aws_client, endpoint_url=url, region=REGION)
        s3, sqs = client("s3"), client("sqs")
        self._names = {name: f"{prefix}-{name}" for name in ("source", "target", "manifests")}
        for bucket in self._names.values():
            s3.create_bucket(Bucket=bucket)
        self._buckets = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets
        self.put = partial(self._put, s3)
        create_job_table(client("dynamodb"), f"{prefix}-jobs")
        table = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].get_table(f"{prefix}-jobs")
        self._items: dict[DynamoType, Any] = table.items
        self.dead_letters = Queue(sqs, f"{prefix}-dead-letters")
        redrive = {
            "deadLetterTargetArn": self.dead_letters.arn,
            "maxReceiveCount": MAX_RECEIVE_COUNT,
        }
        self.queue = Queue(sqs, f"{prefix}-jobs", RedrivePolicy=json.dumps(redrive))
        self.events = Queue(sqs, f"{prefix}-events")
        _create_bus(client("events"), f"{prefix}-bus", self.events.arn)
        self.environment = {
            **FUNCTIONS_ENVIRONMENT,
            "AWS_ENDPOINT_URL": url,
            "ACCOUNT_ID": DEFAULT_ACCOUNT_ID,
            "SOURCE_BUCKET": self._names["source"],
            "TARGET_BUCKET": self._names["target"],
            "ALLOWED_SOURCES": json.dumps([self._names["source"]]),
            "ALLOWED_TARGETS": json.dumps([f"{self._names['target']}/zips/"]),
            "ARCHIVE_RETENTION_DAYS": "0",
            "TABLE_NAME": f"{prefix}-jobs",
            "RECONCILE_GRACE_SECONDS": "0",
            "QUEUE_URL": self.queue.url,
            "REQUESTS_BUCKET": self._names["manifests"],
            "WORK_BUCKET": self._names["manifests"],
            "SEGMENT_MIB": str(TWO_SEGMENTS_MIB if has_segments else UNSPLIT_MIB),
            "EVENT_BUS_NAME": f"{prefix}-bus",
            "SERVICE_NAME": prefix,
            "API_AUTH": "none",
        }

    def upload_manifest(self, key: str, body: bytes) -> str:
        """Upload a manifest and send S3's event to the queue; return the event."""
        etag = self.put("manifests", key, body)
        uploaded = {"key": key, "etag": etag.strip('"'), "sequencer": "1"}
        detail = {"bucket": {"name": self._names["manifests"]}, "object": uploaded}
        event = json.dumps({"detail-type": "Object Created", "time": UPLOAD_TIME, "detail": detail})
        self.queue.send(event)
        return event

    # Objects. ``role`` selects the bucket.

    def _put(self, s3: Any, role: str, key: str, body: bytes) -> str:
        """Put an object and return its ETag."""
        etag: str = s3.put_object(Bucket=self._names[role], Key=key, Body=body)["ETag"]
        return etag

    def _bucket(self, role: str) -> Any:
        return self._buckets[self._names[role]]

    def get(self, role: str, key: str) -> bytes:
        body: bytes = self._bucket(role).keys[key].value
        return body

    def keys(self, role: str, prefix: str = "") -> set[str]:
        return {key for key in self._bucket(role).keys if key.startswith(prefix)}

    def uploads(self) -> dict[str, Any]:
        """Return the multipart uploads in the target bucket."""
        return dict(self._bucket("target").multiparts)

    # Records

    def job(self, job_id: str) -> Job | None:
        """Return the job from its record."""
        item = self._items.get(DynamoType({"S": job_id}))
        return Job.model_validate(item.to_regular_json()) if item else None

    def status(self, job_id: str) -> Status | None:
        item = self._items.get(DynamoType({"S": job_id}))
        return Status(item.attrs["status"].value) if item else None

    def is_in_reconciler_index(self, job_id: str) -> bool:
        item = self._items[DynamoType({"S": job_id})]
        return "sweep" in item.attrs or "sweepAt" in item.attrs

    # Clean-up

    def delete_archives(self) -> None:
        """Delete all archives to free memory."""
        self._bucket("target").keys.clear()

    def reset(self) -> None:
        """Delete everything that a failed run left behind."""
        for queue in (self.queue, self.dead_letters, self.events):
            queue.purge()
        for role in ("target", "manifests"):
            self._bucket(role).keys.clear()
        self._bucket("target").multiparts.clear()
        self._items.clear()

    def empty(self) -> None:
        """Delete everything but the resources themselves."""
        self.reset()
        self._bucket("source").keys.clear()


def _create_bus(events: Any, name: str, queue_arn: str) -> None:
    """Create a bus that sends completion events to a queue."""
    events.create_event_bus(Name=name)
    events.put_rule(Name=name, EventBusName=name, EventPattern=json.dumps({"source": [SOURCE]}))
    events.put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "queue", "Arn": queue_arn}])
