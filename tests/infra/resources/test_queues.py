"""The queues, the event source mappings, and the EventBridge rules."""

import json

import pytest

from tests.infra.conftest import Declared, denies_plain_http
from tools.declared import declared
from zipjobs.jobs import events

FUNCTION = "lambda/function:Function"
QUEUE = "sqs/queue:Queue"
MAPPING = "lambda/eventSourceMapping:EventSourceMapping"
RULE = "cloudwatch/eventRule:EventRule"
TARGET = "cloudwatch/eventTarget:EventTarget"
RETRYING = {"jobs": "zipper", "dead-letters": "dead-letter"}
"""The queues with their functions."""

LONGEST_RETENTION_SECONDS = 14 * 86_400


@pytest.mark.parametrize(("queue", "function"), RETRYING.items())
def test_each_queue_invokes_its_own_function(program: Declared, queue: str, function: str) -> None:
    mapping = program.of(MAPPING)[function].inputs
    assert mapping["eventSourceArn"] == program.mark(QUEUE, queue)
    assert mapping["functionName"] == program.mark(FUNCTION, function)
    assert set(program.of(MAPPING)) == set(RETRYING.values())


@pytest.mark.parametrize(("queue", "function"), RETRYING.items())
def test_visibility_timeouts_equal_function_timeouts(
    program: Declared, queue: str, function: str
) -> None:
    """Lambda refuses a shorter visibility timeout. A longer one delays the retry after a crash.

    AWS recommends six times the function's timeout for throttled batches. Here the worker changes
    the visibility of a failed message itself.
    """
    visible_again = program.of(QUEUE)[queue].inputs["visibilityTimeoutSeconds"]
    assert visible_again == program.of(FUNCTION)[function].inputs["timeout"]


def test_failed_messages_move_to_the_dead_letter_queue(program: Declared) -> None:
    redrive = json.loads(program.of(QUEUE)["jobs"].inputs["redrivePolicy"])
    assert redrive == {
        "deadLetterTargetArn": program.mark(QUEUE, "dead-letters"),
        "maxReceiveCount": 5,
    }


def test_messages_have_the_longest_retention(program: Declared) -> None:
    for name in RETRYING:
        queue = program.of(QUEUE)[name].inputs
        assert queue["messageRetentionSeconds"] == LONGEST_RETENTION_SECONDS


def test_retention_is_long_enough_for_every_attempt(program: Declared) -> None:
    """A dead-letter queue counts a message's age from its first sending."""
    jobs = program.of(QUEUE)["jobs"].inputs
    all_attempts_seconds = (
        json.loads(jobs["redrivePolicy"])["maxReceiveCount"] * jobs["visibilityTimeoutSeconds"]
    )
    assert all_attempts_seconds < LONGEST_RETENTION_SECONDS / 10


def test_sqs_encrypts_every_queue(program: Declared) -> None:
    for queue in program.of(QUEUE).values():
        assert queue.inputs["sqsManagedSseEnabled"] is True, queue.name


def test_every_queue_refuses_plain_http(program: Declared) -> None:
    policies = program.of("sqs/queuePolicy:QueuePolicy").values()
    refusing = {policy.inputs["queueUrl"] for policy in policies if denies_plain_http(policy)}
    assert refusing == {f"<{queue.key}>" for queue in program.of(QUEUE).values()}


def test_event_source_mappings_limit_concurrency(program: Declared) -> None:
    """Reserved concurrency would throttle, and each throttle counts as an attempt."""
    bounds = {
        name: one.inputs["scalingConfig"]["maximumConcurrency"]
        for name, one in program.of(MAPPING).items()
    }
    assert bounds == {"zipper": 10, "dead-letter": 2}
    for function in program.of(FUNCTION).values():
        assert "reservedConcurrentExecutions" not in function.inputs


def test_pollers_replace_the_limit_of_concurrency() -> None:
    """Lambda refuses both."""
    program = Declared(declared("dev", {"zipperPollers": 3}))
    zipper = program.of(MAPPING)["zipper"].inputs
    assert zipper["provisionedPollerConfig"] == {"minimumPollers": 3, "maximumPollers": 3}
    assert "scalingConfig" not in zipper
    assert "scalingConfig" in program.of(MAPPING)["dead-letter"].inputs


def test_event_source_mappings_are_enabled(program: Declared) -> None:
    """A disabled mapping reports no error, and messages expire after 14 days."""
    for name, mapping in program.of(MAPPING).items():
        assert mapping.inputs.get("enabled", True), name


def test_workers_report_failed_messages_and_run_one_job(program: Declared) -> None:
    mappings = program.of(MAPPING)
    for mapping in mappings.values():
        assert mapping.inputs["functionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mappings["zipper"].inputs["batchSize"] == 1


# Rules


def test_undeliverable_manifest_events_become_dead_letters(program: Declared) -> None:
    target = program.of(TARGET)["manifest-to-queue"].inputs
    assert target["rule"] == program.mark(RULE, "manifest-uploads")
    assert target["arn"] == program.mark(QUEUE, "jobs")
    assert target["deadLetterConfig"] == {"arn": program.mark(QUEUE, "dead-letters")}


def test_only_its_own_rule_can_send_to_a_queue(
    program: Declared,
) -> None:
    sends: dict[str, set[str]] = {}
    for target in program.of(TARGET).values():
        dead = target.inputs.get("deadLetterConfig", {}).get("arn")
        for queue in filter(None, (target.inputs["arn"], dead)):
            if "sqs" in queue:
                sends.setdefault(queue, set()).add(target.inputs["rule"])
    allowed: dict[str, set[str]] = {}
    for policy in program.of("sqs/queuePolicy:QueuePolicy").values():
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            if statement["Effect"] == "Allow":
                sources = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
                allowed.setdefault(statement["Resource"], set()).update(sources)
    assert allowed == sends


def test_every_rule_is_enabled(program: Declared) -> None:
    """A disabled rule reports no error."""
    rules = program.of(RULE)
    assert set(rules) == {"manifest-uploads", "reconciler", "completed"}
    for name, rule in rules.items():
        assert rule.inputs.get("state", "ENABLED") == "ENABLED", name
        assert rule.inputs.get("isEnabled", True), name


def test_a_schedule_invokes_the_reconciler(program: Declared) -> None:
    rule = program.of(RULE)["reconciler"].inputs
    assert rule["scheduleExpression"] == "rate(15 minutes)"
    assert "eventBusName" not in rule, "only the default bus has schedules"
    target = program.of(TARGET)["reconciler"].inputs
    assert target["rule"] == program.mark(RULE, "reconciler")
    assert target["arn"] == program.mark(FUNCTION, "reconciler")


def test_a_rate_of_one_minute_is_singular() -> None:
    """EventBridge refuses ``rate(1 minutes)``: "Rate expressions" in its User Guide."""
    often = Declared(declared("dev", {"reconcileMinutes": 1}))
    assert often.of(RULE)["reconciler"].inputs["scheduleExpression"] == "rate(1 minute)"


def test_the_events_queue_receives_the_completion_events(program: Declared) -> None:
    """The bus has only the service's own events."""
    bus = program.mark("cloudwatch/eventBus:EventBus", "events")
    rule = program.of(RULE)["completed"].inputs
    assert json.loads(rule["eventPattern"]) == {"source": [events.SOURCE]}
    target = program.of(TARGET)["completed-to-queue"].inputs
    assert target["rule"] == program.mark(RULE, "completed")
    assert target["arn"] == program.mark(QUEUE, "completion-events")
    assert {rule["eventBusName"], target["eventBusName"]} == {bus}
