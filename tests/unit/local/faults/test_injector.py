"""An installed plan decides which requests and messages fail."""

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
    """The part of a function's process that the injector uses."""

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
def failed_requests(faults: FaultInjector) -> Callable[..., list[int]]:
    """Install one rule. Return which of ten requests, counted from 1, fail."""

    def install(rule: str, request: AwsRequest = GET, caller: Any = ZIPPER) -> list[int]:
        faults.install(FaultPlan.parse(f"faults: [{{reset: true, {rule}}}]"))
        return [number for number in range(1, 11) if faults.fault_for(request, caller)]

    return install


ALL = list(range(1, 11))


@pytest.mark.parametrize(
    ("rule", "failed"),
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
def test_rule_applies_to_matching_requests(
    failed_requests: Callable[..., list[int]], rule: str, failed: list[int]
) -> None:
    assert failed_requests(rule) == failed


def test_requests_of_no_function_come_from_the_client(
    failed_requests: Callable[..., list[int]],
) -> None:
    assert failed_requests("caller: client", caller=None) == ALL
    assert failed_requests("caller: functions", caller=None) == []


def test_kill_applies_only_to_functions(faults: FaultInjector) -> None:
    faults.install(FaultPlan.parse("faults: [{kill: true}]"))
    assert faults.fault_for(GET, None) is None
    assert faults.fault_for(GET, ZIPPER) is not None


def test_nth_counts_matching_requests(faults: FaultInjector) -> None:
    faults.install(FaultPlan.parse("faults: [{service: s3, nth: 2, reset: true}]"))
    assert [bool(faults.fault_for(request, None)) for request in (GET, PUT, PUT, GET)] == [
        *(False, False, False, True),
    ]


def test_first_firing_rule_wins_and_every_rule_counts(faults: FaultInjector) -> None:
    plan = "faults: [{nth: 2, reset: true}, {nth: [2, 3], latency: 1}]"
    faults.install(FaultPlan.parse(plan))
    failed = [faults.fault_for(GET, None) for _ in range(3)]
    assert [fault and fault.effect for fault in failed] == [None, "reset", "latency"]


def test_nth_can_count_per_invocation(faults: FaultInjector) -> None:
    faults.install(FaultPlan.parse("faults: [{nth: 2, per: invocation, reset: true}]"))
    calls = [process("zipper", invocation) for invocation in "aabbb"]
    assert [bool(faults.fault_for(GET, call)) for call in calls] == [
        False,
        True,
        False,
        True,
        False,
    ]


def test_rule_can_select_an_invocation_by_number(faults: FaultInjector) -> None:
    faults.install(FaultPlan.parse("faults: [{caller: zipper, invocation: 2, reset: true}]"))
    calls = [process("zipper", "a"), process("dead-letter", "x"), process("zipper", "b")]
    assert [bool(faults.fault_for(GET, call)) for call in calls] == [False, False, True]
    assert faults.fault_for(GET, process("zipper", "a")) is None


def test_seed_determines_random_decisions(faults: FaultInjector) -> None:
    def run(seed: int, keys: str) -> dict[str, list[bool]]:
        text = f"{{seed: {seed}, faults: [{{probability: 0.5, reset: true}}]}}"
        faults.install(FaultPlan.parse(text))
        found: dict[str, list[bool]] = {key: [] for key in keys}
        for key in keys * 20:
            request = AwsRequest("s3", "GetObject", f"{key}/{uuid.uuid4()}", "s3")
            found[key].append(faults.fault_for(request, None) is not None)
        return found

    assert run(1, "abc") == run(1, "cba") != run(2, "abc")


def test_injected_faults_are_recorded(faults: FaultInjector) -> None:
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


def test_unknown_caller_is_an_error(faults: FaultInjector) -> None:
    with pytest.raises(LocalError, match=r"faults\[1\].caller.*no caller matches 'ziper'.*zipper"):
        faults.install(FaultPlan.parse("faults: [{cut: 1}, {caller: ziper, cut: 1}]"))
    assert not faults.is_installed


def test_clear_ends_every_pause(faults: FaultInjector) -> None:
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


def test_messages_are_delivered_unchanged_without_a_plan(faults: FaultInjector) -> None:
    (delivery,) = faults.deliveries(QUEUE, BATCH)
    assert (delivery.messages, delivery.delay) == (BATCH, 0.0)


def test_messages_can_be_delayed_and_duplicated(faults: FaultInjector) -> None:
    faults.install(FaultPlan.parse("faults: [{queue: jobs, duplicate: 1, delay: {seconds: 2}}]"))
    delivery, *copies = faults.deliveries(QUEUE, BATCH)
    assert (delivery.messages, delivery.delay) == (BATCH, 2.0)
    assert [message for copy in copies for message in copy.messages] == BATCH
    assert all(2.0 <= copy.delay <= 2.0 + MAX_REORDER_SECONDS for copy in copies)
    assert any(copy.delay == 2.0 for copy in copies)
    assert len(faults.injected) == 11


def test_messages_can_be_reordered(faults: FaultInjector) -> None:
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


def test_rule_applies_to_its_queue_only(faults: FaultInjector) -> None:
    faults.install(FaultPlan.parse("faults: [{queue: dead-letters, delay: {seconds: 2}}]"))
    assert faults.deliveries(QUEUE, BATCH)[0].delay == 0
    assert faults.deliveries("s3-zip-jobs-dev-dead-letters", BATCH)[0].delay == 2
