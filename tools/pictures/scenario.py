"""Four minutes in the life of a stack: a quiet start, many jobs at once, and trouble."""

import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from moto.sqs.models import sqs_backends

from local.faults.plan import FaultPlan
from local.gateway.signing import signed_headers
from local.names import ACCOUNT_ID
from local.stack import LocalStack
from tools.pictures.measuring import Measured

SETTINGS = {
    "zipperTimeoutSeconds": 60,
    "zipperMaxConcurrency": 4,
    "maxReceiveCount": 1,
    "segmentMib": 16,
    "reconcileMinutes": 1,
    "alarmOldestMessageSeconds": 75,
}
"""So that four minutes are enough for a killed worker's job to become a dead letter."""

SECONDS = 225
TICK_SECONDS = 0.5
RUSH = (45.0, 60.0)
TROUBLE = (90.0, 135.0)
"""In two of the periods of the alarms."""

QUIET_AT_LAST = 155.0
LOSE_A_MESSAGE_AT = 57.0

TROUBLES = """
seed: 3
faults:
  - {caller: zipper, operation: CompleteMultipartUpload, probability: 0.4, kill: true}
  - {caller: zipper, operation: GetObject, probability: 0.15, error: {code: SlowDown, status: 503}}
  - {caller: enqueue, service: sqs, probability: 0.9,
     error: {code: ServiceUnavailable, status: 503}}
"""

SMALL, LARGE = 120, 5
LARGE_BYTES = 24_000_000
AT_ONCE = 8


@dataclass
class Traffic:
    """The stack's clients. What they see of the API is measured."""

    stack: LocalStack
    measured: Measured
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311
    sent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._s3 = self.stack.client("s3")
        (api,) = self.stack.client("apigatewayv2").get_apis()["Items"]
        self._of_api = {"ApiId": api["ApiId"]}
        self._small = [f"uploads/{number:03}.pdf" for number in range(SMALL)]
        self._large = [f"uploads/large-{number}.pdf" for number in range(LARGE)]

    def upload(self) -> None:
        """Put the sources where they are read from."""
        for key in self._small:
            body = os.urandom(int(self.chance.lognormvariate(12, 1)))
            self._put(self.stack.outputs["sourceBucket"], key, body)
        for key in self._large:
            self._put(self.stack.outputs["sourceBucket"], key, os.urandom(LARGE_BYTES))

    def run(self) -> float:
        """All of it; returns when it began, in seconds since 1970."""
        began = time.time()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for second in _ticks(began):
                for action, *arguments in self._due(second):
                    pool.submit(action, *arguments)
        self.stack.faults.clear()
        return began

    def _due(self, second: float) -> Iterator[tuple[Any, ...]]:
        """What is to be done in a tick."""
        for moment, action in (
            (12.0, self._submit_large),
            (LOSE_A_MESSAGE_AT, self._lose_a_message),
            (TROUBLE[0], self._begin_trouble),
            (TROUBLE[1], self.stack.faults.clear),
            (140.0, self._submit_large),
        ):
            if moment <= second < moment + TICK_SECONDS:
                yield (action,)
        if second > QUIET_AT_LAST:
            if self.chance.random() < 0.3:
                yield self._look_at, self.chance.choice(self.sent)
            return
        rate = 2.0 if RUSH[0] <= second < RUSH[1] else 0.35
        if self.chance.random() < rate:
            yield self._submit, self._some_keys()
            if rate > 1:
                yield self._submit, self._some_keys()
        if self.chance.random() < 0.08:
            yield self._drop, {"keys": self._some_keys()}
        if self.chance.random() < 0.05:
            yield self._submit, ["uploads/nowhere.pdf"]
        if self.chance.random() < 0.05:
            yield self._ask, "POST", "/zip-jobs", b'{"keys": []}'
        if self.sent:
            yield self._look_at, self.chance.choice(self.sent)
            if RUSH[0] <= second < RUSH[1] + 5 and self.chance.random() < 0.5:
                yield self._ask, "DELETE", f"/zip-jobs/{self.sent[-1]}"

    def _some_keys(self) -> list[str]:
        return self.chance.sample(self._small, self.chance.randrange(3, 40))

    def _submit(self, keys: list[str]) -> None:
        answer = self._ask("POST", "/zip-jobs", json.dumps({"keys": keys}).encode())
        if "jobId" in answer:
            self.sent.append(answer["jobId"])

    def _submit_large(self) -> None:
        self._submit([*self._large, *self._small])

    def _drop(self, request: dict[str, Any]) -> None:
        key = f"{self.stack.outputs['manifestPrefix']}{time.time_ns()}.json"
        self._put(self.stack.outputs["manifestBucket"], key, json.dumps(request).encode())

    def _look_at(self, job_id: str) -> None:
        self._ask("GET", f"/zip-jobs/{job_id}")

    def _begin_trouble(self) -> None:
        self.stack.faults.install(FaultPlan.parse(TROUBLES))

    def _lose_a_message(self) -> None:
        """Take the message off the queue that has waited longest, as later jobs may be cancelled,
        and make its job due for the reconciler.
        """
        name = self.stack.outputs["queueUrl"].rpartition("/")[2]
        queue = sqs_backends[ACCOUNT_ID][self.stack.outputs["region"]].queues[name]
        waiting = [one for one in queue.messages if '"jobId"' in one.body]
        if not waiting:
            return
        lost = waiting[0]
        queue._messages.remove(lost)  # noqa: SLF001  (SQS has no way to lose one)
        self.stack.client("dynamodb").update_item(
            TableName=self.stack.outputs["tableName"],
            Key={"jobId": {"S": json.loads(lost.body)["jobId"]}},
            UpdateExpression="SET sweepAt = :past",
            ExpressionAttributeValues={":past": {"N": "1"}},
        )

    def _put(self, bucket: str, key: str, body: bytes) -> None:
        self._s3.put_object(Bucket=bucket, Key=key, Body=body)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        url = f"{self.stack.outputs['apiUrl']}{path}"
        headers = signed_headers(method, url, body, self.stack.outputs["region"])
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310  (our own http URL)
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310  (as above)
                status, content = answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            status, content = error.code, {}
        self._measure("Latency", (time.monotonic() - began) * 1000)
        self._measure("Count", 1)
        self._measure("4xx", 400 <= status < 500)
        self._measure("5xx", status >= 500)
        return content if isinstance(content, dict) else {}

    def _measure(self, name: str, value: float) -> None:
        self.measured.add("AWS/ApiGateway", name, self._of_api, value)


def _ticks(began: float) -> Iterator[float]:
    """The seconds since the beginning, tick by tick."""
    for number in range(int(SECONDS / TICK_SECONDS)):
        at = number * TICK_SECONDS
        time.sleep(max(0.0, began + at - time.time()))
        yield at
