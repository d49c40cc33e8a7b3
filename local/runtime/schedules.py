"""Emulates EventBridge's scheduled rules.

They follow "Creating a scheduled rule" in the EventBridge User Guide: the first invocation comes
one period after the rule was created. A failed invocation is not retried here.
"""

import json
import re
import threading
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from local.deployment.declarations import DeclaredSchedule
from local.errors import LocalError
from local.runtime.execution import InvocationFailed
from local.runtime.functions import Invocable

_RATE = re.compile(r"rate\((?P<value>[1-9]\d*) (?P<unit>minute|hour|day)s?\)")
_UNIT_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}


def period_seconds(rule: str, expression: str) -> float:
    """Return the period of a ``rate(n unit)`` expression. Raises LocalError for any other."""
    rate = _RATE.fullmatch(expression)
    if rate is None:
        raise LocalError(
            f"Rule {rule} has the schedule {expression!r}. The embedded AWS supports only "
            "rate(...) in minutes, hours and days."
        )
    return int(rate["value"]) * _UNIT_SECONDS[rate["unit"]]


class Schedule:
    """Invokes a function every period, on its own thread."""

    def __init__(self, declared: DeclaredSchedule, function: Invocable) -> None:
        self._declared = declared
        self._function = function
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def invoke(self) -> None:
        """Invoke the function now."""
        with suppress(InvocationFailed):  # the function's log has the error
            self._function.invoke(self._event())

    def stop(self) -> None:
        """Stop. A running invocation ends when its function stops."""
        self._stopping.set()

    def join(self) -> None:
        """Wait for the thread and its running invocation."""
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            due += self._declared.period_seconds
            if self._stopping.wait(max(0.0, due - time.monotonic())):
                return
            self.invoke()

    def _event(self) -> Any:
        """Return the rule's event: "Scheduled Event" in the EventBridge User Guide."""
        if self._declared.input is not None:
            return json.loads(self._declared.input)
        arn = self._declared.rule_arn
        _, _, _, region, account, _ = arn.split(":", 5)
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": account,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": region,
            "resources": [arn],
            "detail": {},
        }
