"""The queues and the rules: what is on them, how often it is tried, and where it ends."""

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
"""The queues that a function works through."""

LONGEST_RETENTION_SECONDS = 14 * 86_400


@pytest.mark.parametrize(("queue", "function"), RETRYING.items())
def test_a_queue_feeds_its_function_and_that_one_alone(
    program: Declared, queue: str, function: str
) -> None:
    mapping = program.of(MAPPING)[function].inputs
    assert mapping["eventSourceArn"] == program.mark(QUEUE, queue)
    assert mapping["functionName"] == program.mark(FUNCTION, function)
    assert set(program.of(MAPPING)) == set(RETRYING.values())


@pytest.mark.parametrize(("queue", "function"), RETRYING.items())
def test_a_message_stays_invisible_exactly_as_long_as_its_worker_may_live(
    program: Declared, queue: str, function: str
) -> None:
    """Less, and Lambda refuses the mapping, for two would work on one message. More, and a crash
    takes longer to be made good: nobody sees the message before. AWS's advice of six times is for
    batches that are throttled; here a message is given back by name, with a delay of its own.
    """
    visible_again = program.of(QUEUE)[queue].inputs["visibilityTimeoutSeconds"]
    assert visible_again == program.of(FUNCTION)[function].inputs["timeout"]


def test_what_is_tried_often_enough_goes_to_the_dead_letters(program: Declared) -> None:
    redrive = json.loads(program.of(QUEUE)["jobs"].inputs["redrivePolicy"])
    assert redrive == {
        "deadLetterTargetArn": program.mark(QUEUE, "dead-letters"),
        "maxReceiveCount": 5,
    }


def test_a_message_is_kept_as_long_as_sqs_keeps_any(program: Declared) -> None:
    for name in RETRYING:
        queue = program.of(QUEUE)[name].inputs
        assert queue["messageRetentionSeconds"] == LONGEST_RETENTION_SECONDS


def test_dead_letters_are_given_an_end_before_their_retention_ends_them(program: Declared) -> None:
    """A message that moved to a dead-letter queue goes on aging from when it was sent. So even one
    that was tried to the last has time left for its end.
    """
    jobs = program.of(QUEUE)["jobs"].inputs
    tried = json.loads(jobs["redrivePolicy"])["maxReceiveCount"] * jobs["visibilityTimeoutSeconds"]
    assert tried < LONGEST_RETENTION_SECONDS / 10


def test_sqs_encrypts_every_queue(program: Declared) -> None:
    for queue in program.of(QUEUE).values():
        assert queue.inputs["sqsManagedSseEnabled"] is True, queue.name


def test_every_queue_refuses_plain_http(program: Declared) -> None:
    policies = program.of("sqs/queuePolicy:QueuePolicy").values()
    refusing = {policy.inputs["queueUrl"] for policy in policies if denies_plain_http(policy)}
    assert refusing == {f"<{queue.key}>" for queue in program.of(QUEUE).values()}


def test_concurrency_is_bounded_where_messages_start_functions(program: Declared) -> None:
    """By the mapping: reserved concurrency would throttle, and each throttle is a receive."""
    bounds = {
        name: one.inputs["scalingConfig"]["maximumConcurrency"]
        for name, one in program.of(MAPPING).items()
    }
    assert bounds == {"zipper": 10, "dead-letter": 2}
    for function in program.of(FUNCTION).values():
        assert "reservedConcurrentExecutions" not in function.inputs


def test_a_queue_that_feeds_a_function_goes_on_feeding_it(program: Declared) -> None:
    """A mapping that is disabled fails nothing: messages wait for 14 days, and are gone."""
    for name, mapping in program.of(MAPPING).items():
        assert mapping.inputs.get("enabled", True), name


def test_a_worker_says_which_messages_failed_and_has_one_job_at_a_time(program: Declared) -> None:
    mappings = program.of(MAPPING)
    for mapping in mappings.values():
        assert mapping.inputs["functionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mappings["zipper"].inputs["batchSize"] == 1


# Rules


def test_events_that_cannot_be_delivered_are_kept(program: Declared) -> None:
    target = program.of(TARGET)["manifest-to-queue"].inputs
    assert target["rule"] == program.mark(RULE, "manifest-dropped")
    assert target["arn"] == program.mark(QUEUE, "jobs")
    assert target["deadLetterConfig"] == {"arn": program.mark(QUEUE, "dead-letters")}


def test_every_queue_that_a_rule_sends_to_lets_that_rule_and_nobody_else(
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


def test_every_rule_is_at_work(program: Declared) -> None:
    """One that is disabled says nothing: jobs that get lost stay lost, manifests start none."""
    rules = program.of(RULE)
    assert set(rules) == {"manifest-dropped", "reconciler", "completed"}
    for name, rule in rules.items():
        assert rule.inputs.get("state", "ENABLED") == "ENABLED", name
        assert rule.inputs.get("isEnabled", True), name


def test_the_reconciler_is_started_by_the_clock(program: Declared) -> None:
    rule = program.of(RULE)["reconciler"].inputs
    assert rule["scheduleExpression"] == "rate(15 minutes)"
    assert "eventBusName" not in rule, "schedules are of the default bus alone"
    target = program.of(TARGET)["reconciler"].inputs
    assert target["rule"] == program.mark(RULE, "reconciler")
    assert target["arn"] == program.mark(FUNCTION, "reconciler")


def test_one_minute_is_singular() -> None:
    """EventBridge refuses ``rate(1 minutes)``: "Rate expressions" in its User Guide."""
    often = Declared(declared("dev", {"reconcileMinutes": 1}))
    assert often.of(RULE)["reconciler"].inputs["scheduleExpression"] == "rate(1 minute)"


def test_the_queue_of_completion_events_has_those_that_we_publish(program: Declared) -> None:
    """On our own bus, where AWS publishes nothing."""
    bus = program.mark("cloudwatch/eventBus:EventBus", "events")
    rule = program.of(RULE)["completed"].inputs
    assert json.loads(rule["eventPattern"]) == {"source": [events.SOURCE]}
    target = program.of(TARGET)["completed-to-queue"].inputs
    assert target["rule"] == program.mark(RULE, "completed")
    assert target["arn"] == program.mark(QUEUE, "completion-events")
    assert {rule["eventBusName"], target["eventBusName"]} == {bus}
