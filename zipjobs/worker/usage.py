"""The AWS usage of a job, requests and function seconds, and its cost in US dollars."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

READS = ("GetObject", "HeadObject")
FREE = ("AbortMultipartUpload", "DeleteObject", "DeleteObjects")
"""S3 charges for all other operations as for PUT."""

RECORD_UNITS = 2
"""Write units of a record, which usually has between 1 KB and 2 KB."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Requests by operation, such as ``s3:GetObject``, and seconds of function time."""

    requests: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        requests = Counter(self.requests) + Counter(other.requests)
        return Usage(dict(sorted(requests.items())), self.seconds + other.seconds)

    def gb_seconds(self, memory_mb: int) -> float:
        """Return the GB-seconds of a function with ``memory_mb`` of memory."""
        return self.seconds * memory_mb / 1024

    def dollars(self, memory_mb: int) -> float:
        """Return the cost for a function with ``memory_mb``, by ``zipjobs/worker/prices.json``."""
        compute: float = self.gb_seconds(memory_mb) * _prices()["lambda"]["gbSecond"]
        return compute + sum(_price(kind) * count for kind, count in self.requests.items())


class Meter:
    """Counts the usage of one function. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._since = clock()

    def count(self, operation: str) -> None:
        """Count a request, such as ``s3:GetObject``."""
        with self._lock:
            self._requests[operation] += 1

    def watch(self, client: Any) -> None:
        """Count every request of a boto3 client, including retries."""
        service = client.meta.service_model.service_name

        def sent(event_name: str, **_: Any) -> None:
            self.count(f"{service}:{event_name.rpartition('.')[2]}")

        client.meta.events.register("before-send", sent)

    def take(self) -> Usage:
        """Return the usage since the last call, and start again from zero."""
        with self._lock:
            requests, self._requests = self._requests, Counter()
        since, self._since = self._since, self._clock()
        return Usage(dict(sorted(requests.items())), self._since - since)


@cache
def _prices() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(Path(__file__).with_name("prices.json").read_text())
    return found


def priced_region() -> str:
    """Return the Region of the prices."""
    return str(_prices()["region"])


def _price(kind: str) -> float:
    """Return the price of a request. Requests to other services count as free."""
    service, _, operation = kind.partition(":")
    prices = _prices()
    if service == "s3":
        price = (
            0.0 if operation in FREE else prices["s3"]["read" if operation in READS else "write"]
        )
    elif service == "dynamodb":
        is_read = operation in ("GetItem", "BatchGetItem", "Query")
        units = prices["dynamodb"]
        price = units["readUnit"] if is_read else RECORD_UNITS * units["writeUnit"]
    elif service == "sqs":
        price = prices["sqs"]["request"]
    elif service == "events":
        price = prices["events"]["event"]
    elif service == "lambda":
        price = prices["lambda"]["invocation"]
    else:
        price = 0.0
    return float(price)
