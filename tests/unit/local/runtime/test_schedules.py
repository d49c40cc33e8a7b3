"""Scheduled rules invoke functions."""

import queue
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from local.deployment.declarations import DeclaredSchedule
from local.errors import LocalError
from local.runtime.execution import InvocationFailed
from local.runtime.schedules import Schedule, period_seconds
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from local.runtime.functions import Function

ARN = "arn:aws:events:us-east-1:123456789012:rule/reconcile"


class RecordingFunction:
    """A function that records its events, and fails."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def invoke(self, event: object) -> Any:
        self.events.put(event)
        raise InvocationFailed("it always fails")


def test_schedule_invokes_function_every_period_until_stopped() -> None:
    function = RecordingFunction()
    schedule = Schedule(DeclaredSchedule(ARN, "reconcile", 0.01), cast("Function", function))
    schedule.start()
    first, second = (
        function.events.get(timeout=WAIT_SECONDS),
        function.events.get(timeout=WAIT_SECONDS),
    )
    schedule.stop()
    schedule.join()
    assert first["id"] != second["id"]
    assert datetime.strptime(first["time"], "%Y-%m-%dT%H:%M:%S%z").tzinfo is not None
    assert {key: first[key] for key in first if key not in ("id", "time")} == {
        "version": "0",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "region": "us-east-1",
        "resources": [ARN],
        "detail": {},
    }


def test_target_input_replaces_the_event() -> None:
    function = RecordingFunction()
    declared = DeclaredSchedule(ARN, "reconcile", 0.01, '{"all": true}')
    schedule = Schedule(declared, cast("Function", function))
    schedule.start()
    assert function.events.get(timeout=WAIT_SECONDS) == {"all": True}
    schedule.stop()
    schedule.join()


def test_schedule_stopped_in_its_first_period_invokes_nothing() -> None:
    function = RecordingFunction()
    schedule = Schedule(DeclaredSchedule(ARN, "reconcile", 3600), cast("Function", function))
    schedule.start()
    schedule.stop()
    joined = threading.Thread(target=schedule.join)
    joined.start()
    joined.join(WAIT_SECONDS)
    assert not joined.is_alive()
    assert function.events.empty()


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(2 hours)", 7200)],
)
def test_rate_expression_is_converted_to_seconds(expression: str, seconds: int) -> None:
    assert period_seconds("reconcile", expression) == seconds


@pytest.mark.parametrize("expression", ["cron(0 20 * * ? *)", "rate(0 minutes)", "rate(1 second)"])
def test_unsupported_schedule_expression_is_an_error(expression: str) -> None:
    with pytest.raises(LocalError, match="Rule reconcile"):
        period_seconds("reconcile", expression)
