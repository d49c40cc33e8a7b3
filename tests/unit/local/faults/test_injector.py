"""Which requests and messages a plan that is installed strikes."""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest

from local.aws_requests import AwsRequest
from local.errors import LocalError
from local.faults.injector import MAX_REORDER_SECONDS, FaultInjector
from local.faults.plan import FaultPlan
from local.runtime.execution import ExecutionEnvironment

GET = AwsRequest("s3", "GetObject", "source/a/reports/one.pdf", "s3")
PUT = AwsRequest("dynamodb", "PutItem", "jobs/one", "json")


@dataclass
class Process:
    """What faults see of a function's process."""

    name: str
    invocation_id: str | None = None


def process(name: str, invocation_id: str | None = None) -> ExecutionEnvironment:
    return cast("ExecutionEnvironment", Process(name, invocation_id))


ZIPPER = process("zipper")


@pytest.fixture
def faults() -> FaultInjector:
    faults = FaultInjector()
    faults.processes = {"ONE": ZIPPER, "TWO": process("dead-letter")}
    return faults


@pytest.fixture
def strikes(faults: FaultInjector) -> Callable[..., list[int]]:
    """Installs one rule; tells which of ten requests, from 1, it strikes."""

    def install(rule: str, request: AwsRequest = GET, caller: Any = ZIPPER) -> list[int]:
        faults.install(FaultPlan.parse(f"faults: [{{reset: true, {rule}}}]"))
        return [number for number in range(1, 11) if faults.fault_for(request, caller)]

    return install


ALL = list(range(1, 11))


@pytest.mark.parametrize(
    ("rule", "struck"),
    [
        ("", ALL),
        ("service: s3", ALL),
        ("service: sqs", []),
        ("operation: Get*", ALL),
        ("operation: Put*", []),
        ("key: '*/reports/*.pdf'", ALL),
        ("key: '*/Reports/*'", []),
        ("caller: zipper", ALL),
        ("caller: '*-letter'", []),
        ("caller: functions", ALL),
        ("caller: client", []),
        ("nth: 3", [3]),
        ("nth: [3, 4]", [3, 4]),
        ("times: 2", [1, 2]),
    ],
)
def test_a_rule_strikes_what_it_names(
    strikes: Callable[..., list[int]], rule: str, struck: list[int]
) -> None:
    assert strikes(rule) == struck


def test_who_is_no_function_is_the_client(strikes: Callable[..., list[int]]) -> None:
    assert strikes("caller: client", caller=None) == ALL
    assert strikes("caller: functions", caller=None) == []


def test_processes_are_ended_only_where_there_is_one(faults: FaultInjector) -> None:
    faults.install(FaultPlan.parse("faults: [{kill: true}]"))
    assert faults.fault_for(GET, None) is None
    assert faults.fault_for(GET, ZIPPER) is not None


def test_a_rule_counts_the_requests_that_match_it(faults: FaultInjector) -> None:
    faults.install(FaultPlan.parse("faults: [{service: s3, nth: 2, reset: true}]"))
    assert [bool(faults.fault_for(request, None)) for request in (GET, PUT, PUT, GET)] == [
        *(False, False, False, True),
    ]


def test_the_first_rule_that_fires_wins_and_all_count(faults: FaultInjector) -> None:
    plan = "faults: [{nth: 2, reset: true}, {nth: [2, 3], latency: 1}]"
    faults.install(FaultPlan.parse(plan))
    struck = [faults.fault_for(GET, None) for _ in range(3)]
    assert [fault and fault.effect for fault in struck] == [None, "reset", "latency"]


def test_nth_counts_anew_in_each_invocation_if_it_is_to(faults: FaultInjector) -> None:
    faults.install(FaultPlan.parse("faults: [{nth: 2, per: invocation, reset: true}]"))
    calls = [process("zipper", invocation) for invocation in "aabbb"]
    assert [bool(faults.fault_for(GET, call)) for call in calls] == [
        False,
        True,
        False,
        True,
        False,
    ]


def test_an_invocation_is_named_by_its_number(faults: FaultInjector) -> None:
    faults.install(FaultPlan.parse("faults: [{caller: zipper, invocation: 2, reset: true}]"))
    calls = [process("zipper", "a"), process("dead-letter", "x"), process("zipper", "b")]
    assert [bool(faults.fault_for(GET, call)) for call in calls] == [False, False, True]
    assert faults.fault_for(GET, process("zipper", "a")) is None


def test_what_is_probable_is_told_by_the_seed(faults: FaultInjector) -> None:
    def run(seed: int, keys: str) -> dict[str, list[bool]]:
        text = f"{{seed: {seed}, faults: [{{probability: 0.5, reset: true}}]}}"
        faults.install(FaultPlan.parse(text))
        found: dict[str, list[bool]] = {key: [] for key in keys}
        for key in keys * 20:
            request = AwsRequest("s3", "GetObject", f"{key}/{uuid.uuid4()}", "s3")
            found[key].append(faults.fault_for(request, None) is not None)
        return found

    assert run(1, "abc") == run(1, "cba") != run(2, "abc")


def test_what_was_injected_is_told(faults: FaultInjector) -> None:
    faults.install(FaultPlan.parse("faults: [{cut: 1, nth: 3}, {reset: true}]"))
    for _ in range(3):
        faults.fault_for(GET, ZIPPER)
    faults.clear()
    assert faults.fault_for(GET, ZIPPER) is None
    assert [injected.rule for injected in faults.injected] == [1, 1, 0]
    assert str(faults.injected[2]) == "cut: s3 GetObject source/a/reports/one.pdf by zipper"
    assert faults.summary() == ["by rule 0: cut, 1 times", "by rule 1: reset, 2 times"]
    faults.install(FaultPlan(faults=()))
    assert faults.injected == []


def test_a_caller_that_is_nobody_is_named(faults: FaultInjector) -> None:
    with pytest.raises(LocalError, match=r"faults\[1\].caller.*no caller matches 'ziper'.*zipper"):
        faults.install(FaultPlan.parse("faults: [{cut: 1}, {caller: ziper, cut: 1}]"))
    assert not faults.is_installed


def test_clearing_ends_every_pause(faults: FaultInjector) -> None:
    faults.install(FaultPlan(faults=()))
    paused = threading.Thread(target=faults.pause, args=(60,))
    started = time.monotonic()
    paused.start()
    faults.clear()
    paused.join()
    assert time.monotonic() - started < 30


# Messages

QUEUE = "s3-zip-jobs-dev-jobs"
BATCH = [{"MessageId": str(number)} for number in range(10)]


def test_without_a_plan_messages_are_delivered_as_they_come(faults: FaultInjector) -> None:
    (delivery,) = faults.deliveries(QUEUE, BATCH)
    assert (delivery.messages, delivery.delay) == (BATCH, 0.0)


def test_messages_are_late_and_delivered_again(faults: FaultInjector) -> None:
    faults.install(FaultPlan.parse("faults: [{queue: jobs, duplicate: 1, delay: {seconds: 2}}]"))
    delivery, *copies = faults.deliveries(QUEUE, BATCH)
    assert (delivery.messages, delivery.delay) == (BATCH, 2.0)
    assert [message for copy in copies for message in copy.messages] == BATCH
    assert all(2.0 <= copy.delay <= 2.0 + MAX_REORDER_SECONDS for copy in copies)
    assert any(copy.delay == 2.0 for copy in copies)
    assert len(faults.injected) == 11


def test_messages_come_in_another_order(faults: FaultInjector) -> None:
    def order() -> list[str]:
        faults.install(FaultPlan.parse("faults: [{queue: jobs, reorder: true}]"))
        late = {}
        for message in BATCH:
            (delivery,) = faults.deliveries(QUEUE, [message])
            late[message["MessageId"]] = delivery.delay
        return sorted(late, key=lambda name: late[name])

    assert order() == order() != [message["MessageId"] for message in BATCH]
    (delivery,) = faults.deliveries(QUEUE, BATCH)
    assert delivery.messages != BATCH
    assert sorted(message["MessageId"] for message in delivery.messages) == [*map(str, range(10))]


def test_the_other_queue_is_left_alone(faults: FaultInjector) -> None:
    faults.install(FaultPlan.parse("faults: [{queue: dead-letters, delay: {seconds: 2}}]"))
    assert faults.deliveries(QUEUE, BATCH)[0].delay == 0
    assert faults.deliveries("s3-zip-jobs-dev-dead-letters", BATCH)[0].delay == 2
