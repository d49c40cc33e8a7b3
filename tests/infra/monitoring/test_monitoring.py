"""The metrics, alarms and dashboard are consistent with AWS, the functions and the guide."""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.conftest import ALARM_EMAIL, STACK, Declared
from tests.support.builders import ready_job
from tests.support.cloudwatch.simulation import graphs, widgets
from tools.declared import declared, references_in
from zipjobs.jobs.job import JobError, Status
from zipjobs.lifecycle.metrics import NAMESPACE, JobMetrics

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs/operations.md").read_text()

ALARM = "cloudwatch/metricAlarm:MetricAlarm"
DAY_SECONDS = 86_400
METRICS_IN_AN_ALARM = 10
CHARS_IN_AN_EXPRESSION = 2048

PUBLISHED: dict[str, tuple[dict[str, str], set[str]]] = {
    "AWS/Lambda": (
        {"FunctionName": "lambda/function:Function"},
        {"Errors", "Invocations", "Throttles", "Duration", "ConcurrentExecutions"},
    ),
    "AWS/SQS": (
        {"QueueName": "sqs/queue:Queue"},
        {
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesVisible",
            "NumberOfEmptyReceives",
            "NumberOfMessagesDeleted",
            "NumberOfMessagesReceived",
            "NumberOfMessagesSent",
        },
    ),
    "AWS/ApiGateway": ({"ApiId": "apigatewayv2/api:Api"}, {"Count", "4xx", "5xx", "Latency"}),
    "AWS/Events": (
        {
            "RuleName": "cloudwatch/eventRule:EventRule",
            "EventBusName": "cloudwatch/eventBus:EventBus",
        },
        {"FailedInvocations", "InvocationsFailedToBeSentToDlq"},
    ),
    "AWS/DynamoDB": (
        {"TableName": "dynamodb/table:Table", "GlobalSecondaryIndexName": ""},
        {
            "ConsumedReadCapacityUnits",
            "ConsumedWriteCapacityUnits",
            "ReadThrottleEvents",
            "WriteThrottleEvents",
        },
    ),
}
"""The metrics that AWS services publish, with their dimensions, as they document them."""


def watched(program: Declared) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Return namespace, name and dimensions of every metric on the dashboard and in alarms."""
    for graph in graphs(program):
        for row in graph["metrics"]:
            if isinstance(row[0], str):
                namespace, name, *pairs = row[:-1]
                yield namespace, name, dict(zip(pairs[::2], pairs[1::2], strict=True))
    for alarm in program.of(ALARM).values():
        for query in alarm.inputs["metricQueries"]:
            if metric := query.get("metric"):
                yield metric["namespace"], metric["metricName"], metric["dimensions"]


def written(capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Return the names of all metrics that the functions write."""
    metrics = JobMetrics(STACK)
    metrics.job_finished(ready_job())
    metrics.job_finished(ready_job(status=Status.FAILED, error=JobError(code="X", message="x")))
    metrics.job_finished(ready_job(status=Status.CANCELLED))
    metrics.reconciled(0, {})
    return {
        metric["Name"]
        for line in capsys.readouterr().out.splitlines()
        for metric in json.loads(line)["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    }


def test_every_watched_metric_is_written(
    program: Declared, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = written(capsys)
    for namespace, name, dimensions in watched(program):
        if namespace == NAMESPACE:
            assert name in ours
            assert dimensions == {"service": STACK}
        else:
            known, names = PUBLISHED[namespace]
            assert name in names
            assert set(dimensions) <= set(known)


def test_every_metric_of_the_functions_is_on_the_dashboard(
    program: Declared, capsys: pytest.CaptureFixture[str]
) -> None:
    assert written(capsys) == {name for space, name, _ in watched(program) if space == NAMESPACE}


def test_dimensions_name_declared_resources(program: Declared) -> None:
    for namespace, _, dimensions in watched(program):
        for dimension, value in dimensions.items():
            type_ = PUBLISHED.get(namespace, ({}, set()))[0].get(dimension)
            if type_:
                (key,) = references_in(value)
                assert program.resources[key].type == f"aws:{type_}"


def test_rules_on_a_custom_bus_have_both_dimensions(program: Declared) -> None:
    """ "Metrics that specify only the RuleName dimension refer to the default event bus." """
    rules = {f"<{one.key}>": one for one in program.of("cloudwatch/eventRule:EventRule").values()}
    for namespace, _, dimensions in watched(program):
        if namespace == "AWS/Events":
            bus = rules[dimensions["RuleName"]].inputs.get("eventBusName")
            assert dimensions.get("EventBusName") == bus


def names_in(expression: str) -> set[str]:
    """Return the IDs in a metric math expression. Functions are upper case."""
    tree = ast.parse(expression, mode="eval")
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return {name for name in names if not name.isupper()}


def test_metric_math_uses_the_ids_of_its_widget(program: Declared) -> None:
    for graph in graphs(program):
        ids = Counter(row[-1]["id"] for row in graph["metrics"] if "id" in row[-1])
        assert all(count == 1 for count in ids.values())
        expressions = [row[0]["expression"] for row in graph["metrics"] if isinstance(row[0], dict)]
        used = set().union(*map(names_in, expressions)) if expressions else set()
        assert used == set(ids), graph["title"]
        assert all(len(one) < CHARS_IN_AN_EXPRESSION for one in expressions)
        assert not any(re.search(r"\de-?\d", one) for one in expressions), "no exponents"


def test_widgets_do_not_overlap(program: Declared) -> None:
    taken: Counter[tuple[int, int]] = Counter()
    for one in widgets(program):
        assert one["x"] + one["width"] <= 24
        for x in range(one["x"], one["x"] + one["width"]):
            taken.update((x, y) for y in range(one["y"], one["y"] + one["height"]))
    assert set(taken.values()) == {1}


# Alarms


def test_an_alarm_watches_only_its_last_query(program: Declared) -> None:
    for alarm in program.of(ALARM).values():
        *others, last = alarm.inputs["metricQueries"]
        assert last["returnData"]
        assert not any(one["returnData"] for one in others)
        assert len(alarm.inputs["metricQueries"]) <= METRICS_IN_AN_ALARM
        if expression := last.get("expression"):
            assert names_in(expression) == {one["id"] for one in others}


def test_evaluation_periods_are_within_cloudwatch_limits(program: Declared) -> None:
    """One day, or seven days if a period is at least an hour. See PutMetricAlarm."""
    for alarm in [
        *program.of(ALARM).values(),
        *Declared(declared("dev", {"reconcileMinutes": 1440})).of(ALARM).values(),
        *Declared(declared("dev", {"reconcileMinutes": 59})).of(ALARM).values(),
    ]:
        periods = {q["metric"]["period"] for q in alarm.inputs["metricQueries"] if "metric" in q}
        (period,) = periods
        days = 7 if period >= 3600 else 1
        assert period % 60 == 0
        assert period * alarm.inputs["evaluationPeriods"] <= days * DAY_SECONDS
        assert alarm.inputs["datapointsToAlarm"] <= alarm.inputs["evaluationPeriods"]


def test_every_alarm_notifies_on_alarm_and_on_recovery(
    program: Declared,
) -> None:
    topic = program.mark("sns/topic:Topic", "alarms")
    for alarm in program.of(ALARM).values():
        assert alarm.inputs["alarmActions"] == alarm.inputs["okActions"] == [topic]
        assert alarm.inputs.get("actionsEnabled", True)
    subscription = program.of("sns/topicSubscription:TopicSubscription")["alarms"].inputs
    assert (subscription["protocol"], subscription["endpoint"]) == ("email", ALARM_EMAIL)
    assert subscription["topic"] == topic


def test_only_the_alarms_may_publish(program: Declared) -> None:
    policy = json.loads(program.of("sns/topicPolicy:TopicPolicy")["alarms"].inputs["policy"])
    (statement,) = [one for one in policy["Statement"] if one["Effect"] == "Allow"]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    alarms = {f"<{one.key}>" for one in program.of(ALARM).values()}
    assert set(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == alarms


def test_without_an_address_alarms_exist_without_a_topic() -> None:
    program = Declared(declared("dev"))
    assert not [one for one in program.resources.values() if one.type.startswith("aws:sns")]
    assert all(one.inputs["alarmActions"] == [] for one in program.of(ALARM).values())
    assert len(program.of(ALARM)) == 7


def test_a_message_in_progress_does_not_trigger_oldest_message(
    program: Declared,
) -> None:
    zipper = program.of("lambda/function:Function")["zipper"]
    assert program.of(ALARM)["oldest-message"].inputs["threshold"] > zipper.inputs["timeout"]


def test_the_dashboard_shows_every_alarm(program: Declared) -> None:
    (status,) = [one["properties"] for one in widgets(program) if one["type"] == "alarm"]
    assert set(status["alarms"]) == {f"<{one.key}>" for one in program.of(ALARM).values()}


# docs/operations.md


def test_the_guide_has_a_section_for_each_alarm(program: Declared) -> None:
    sections = GUIDE.partition("\n## The alarms\n")[2].partition("\n## ")[0]
    assert re.findall(r"^### (.+)$", sections, re.MULTILINE) == [*alarms_in_order(program)]
    for section in re.split(r"^### ", sections, flags=re.MULTILINE)[1:]:
        parts = re.findall(r"^\*(Triggers when|Cause|Action)\b", section, re.MULTILINE)
        assert parts == ["Triggers when", "Cause", "Action"]


def test_the_guide_says_how_many_periods_trigger_an_alarm(program: Declared) -> None:
    numbers = {"one": 1, "two": 2, "three": 3}
    for name, alarm in program.of(ALARM).items():
        section = GUIDE.partition(f"\n### {name}\n")[2].partition("\n#")[0]
        rule = re.search(r"in (\w+) of (\w+) five-minute periods", " ".join(section.split()))
        found = (alarm.inputs["datapointsToAlarm"], alarm.inputs["evaluationPeriods"])
        if rule:
            assert found == (numbers[rule[1]], numbers[rule[2]])
        else:
            assert found == ((3, 3) if name == "reconciler-not-running" else (1, 1))


def alarms_in_order(program: Declared) -> list[str]:
    """Return the names of the alarms in the order of the dashboard."""
    (status,) = [one["properties"] for one in widgets(program) if one["type"] == "alarm"]
    names = {f"<{one.key}>": name for name, one in program.of(ALARM).items()}
    return [names[arn] for arn in status["alarms"]]


def test_an_alarm_links_to_its_section(program: Declared) -> None:
    for name, alarm in program.of(ALARM).items():
        assert alarm.inputs["alarmDescription"].endswith(f"docs/operations.md, {name}.")


def test_the_guide_says_what_missing_data_means(program: Declared) -> None:
    words = {"notBreaching": "OK", "ignore": "unchanged", "breaching": "ALARM"}
    table = GUIDE.partition("## Missing data")[2].partition("\n## ")[0]
    meanings = dict(re.findall(r"^\| ([a-z-]+) \| ([A-Za-z ]+) \|", table, re.MULTILINE))
    meanings.pop("alarm")
    alarms = program.of(ALARM).items()
    assert meanings == {name: words[one.inputs["treatMissingData"]] for name, one in alarms}


def test_the_guide_lists_all_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    table = GUIDE.partition("## Metrics")[2]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`([A-Z]\w+)`", row)} == written(capsys)


def test_the_guide_counts_the_metrics_that_cost_money(
    program: Declared, capsys: pytest.CaptureFixture[str]
) -> None:
    prod = Declared(declared("prod", {"alarmEmail": ALARM_EMAIL}))
    assert f"{len(written(capsys))} custom metrics" in GUIDE
    assert (
        f"each of the {metrics_in_alarms(prod)} metrics that they watch "
        f"({metrics_in_alarms(program)} with `completionEventsQueue`)"
    ) in GUIDE


def metrics_in_alarms(program: Declared) -> int:
    alarms = [one for one in program.resources.values() if one.type == f"aws:{ALARM}"]
    return sum("metric" in query for one in alarms for query in one.inputs["metricQueries"])


def test_the_commands_of_the_guide_exist() -> None:
    from zipjobs_cli.__main__ import app

    known = {one.name for one in app.registered_commands}
    used = set(re.findall(r"^zipjobs ([a-z-]+)", GUIDE, re.MULTILINE))
    assert used
    assert used <= known
