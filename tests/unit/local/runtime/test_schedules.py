"""EventBridge's schedules, as the embedded AWS plays them."""

import queue
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from local.deployment.declarations import DeclaredSchedule
from local.errors import LocalError
from local.runtime.execution import InvocationFailed
from local.runtime.schedules import Schedule, period_seconds
from tests.support.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from local.runtime.functions import Function

ARN = "arn:aws:events:us-east-1:123456789012:rule/sweep"


class Called:
    """A function that fails, and tells what it was given."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def invoke(self, event: object) -> Any:
        self.events.put(event)
        raise InvocationFailed("it never works")


def test_a_function_is_invoked_every_period_until_the_schedule_stops() -> None:
    called = Called()
    schedule = Schedule(DeclaredSchedule(ARN, "sweep", 0.01), cast("Function", called))
    schedule.start()
    first, second = (
        called.events.get(timeout=PATIENCE_SECONDS),
        called.events.get(timeout=PATIENCE_SECONDS),
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


def test_a_target_may_say_what_the_function_is_given() -> None:
    called = Called()
    declared = DeclaredSchedule(ARN, "sweep", 0.01, '{"all": true}')
    schedule = Schedule(declared, cast("Function", called))
    schedule.start()
    assert called.events.get(timeout=PATIENCE_SECONDS) == {"all": True}
    schedule.stop()
    schedule.join()


def test_a_schedule_stops_at_once_and_invokes_nothing_before_its_first_period() -> None:
    called = Called()
    schedule = Schedule(DeclaredSchedule(ARN, "sweep", 3600), cast("Function", called))
    schedule.start()
    schedule.stop()
    joined = threading.Thread(target=schedule.join)
    joined.start()
    joined.join(PATIENCE_SECONDS)
    assert not joined.is_alive()
    assert called.events.empty()


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(2 hours)", 7200)],
)
def test_rates_are_periods(expression: str, seconds: int) -> None:
    assert period_seconds("sweep", expression) == seconds


@pytest.mark.parametrize("expression", ["cron(0 20 * * ? *)", "rate(0 minutes)", "rate(1 second)"])
def test_what_is_no_rate_is_named(expression: str) -> None:
    with pytest.raises(LocalError, match="Rule sweep"):
        period_seconds("sweep", expression)
