"""A CloudWatch that is told what services report, and has the declared alarms and dashboard."""

import json
import math
from typing import Any

from tests.infra.conftest import STACK, Declared
from tools.pictures.alarm import Alarm, declared_alarm
from tools.pictures.board import Board, Line
from tools.pictures.measuring import Measured
from tools.pictures.metric_math import Window

MINUTE = 60
FIVE_MINUTES = 300

RULE, BUS = "cloudwatch/eventRule:EventRule", "cloudwatch/eventBus:EventBus"


class CloudWatch:
    """It begins at 0, and time passes when it is said. Services report as AWS documents it."""

    def __init__(self, program: Declared) -> None:
        self._program = program
        self._measured = Measured()
        self._now = 0.0

    def passes(self, seconds: float) -> None:
        """Time."""
        self._now += seconds

    def of_queue(self, queue: str, name: str, *values: float) -> None:
        self._told("AWS/SQS", name, {"QueueName": self._mark("sqs/queue:Queue", queue)}, values)

    def of_function(self, function: str, name: str, *values: float) -> None:
        called = {"FunctionName": self._mark("lambda/function:Function", function)}
        self._told("AWS/Lambda", name, called, values)

    def of_runs(self, function: str, runs: int, crashes: int = 0, throttled: int = 0) -> None:
        """Lambda reports an error, or none, with each run, and whom it made wait."""
        self.of_function(function, "Invocations", *[1] * runs)
        self.of_function(function, "Errors", *[1] * crashes, *[0] * (runs - crashes))
        self.of_function(function, "Throttles", throttled)

    def of_rule(self, rule: str, name: str, *values: float) -> None:
        """EventBridge knows the rule of another bus than the default one by both names."""
        bus = self._program.of(RULE)[rule].inputs.get("eventBusName")
        of_bus = {} if bus is None else {"EventBusName": bus}
        self._told("AWS/Events", name, {"RuleName": self._mark(RULE, rule), **of_bus}, values)

    def of_table(self, name: str, *values: float, index: str | None = None) -> None:
        of_index = {} if index is None else {"GlobalSecondaryIndexName": index}
        table = {"TableName": self._mark("dynamodb/table:Table", "jobs"), **of_index}
        self._told("AWS/DynamoDB", name, table, values)

    def of_api(self, name: str, *values: float) -> None:
        api = {"ApiId": self._mark("apigatewayv2/api:Api", "api")}
        self._told("AWS/ApiGateway", name, api, values)

    def of_answers(self, answers: int, of_4xx: int = 0, of_5xx: int = 0) -> None:
        self.of_api("Count", *[1] * answers)
        self.of_api("4xx", *[1] * of_4xx, *[0] * (answers - of_4xx))
        self.of_api("5xx", *[1] * of_5xx, *[0] * (answers - of_5xx))

    def of_jobs(self, name: str, *values: float) -> None:
        """What the functions write themselves."""
        self._told("S3ZipJobs", name, {"service": STACK}, values)

    def rings(self, name: str) -> list[bool]:
        """Whether an alarm rang at the end of each of its periods until now."""
        alarm = self.alarm(name)
        count = math.ceil(self._now / alarm.period_seconds)
        return alarm.rings(
            alarm.values(self._measured, Window(0, alarm.period_seconds, max(1, count)))
        )

    def alarm(self, name: str) -> Alarm:
        declared = self._program.of("cloudwatch/metricAlarm:MetricAlarm")
        return declared_alarm(declared[name].inputs)

    def graph(self, title: str) -> dict[str, Any]:
        """The properties of a graph on the dashboard."""
        (found,) = [one for one in graphs(self._program) if one["title"] == title]
        return found

    def shows(self, title: str) -> dict[str, float]:
        """The values of a graph's lines by their labels, in the first of its periods."""
        properties = self.graph(title)
        window = Window(0, properties["period"], 1)
        board = Board({}, self._measured, window, "", "", (0, 0), {})
        lines: list[Line] = board.lines(properties)
        assert len({one.label for one in lines}) == len(lines)
        return {one.label: float(one.values[0]) for one in lines}

    def _mark(self, type_: str, name: str) -> str:
        return self._program.mark(type_, name)

    def _told(
        self, namespace: str, name: str, dimensions: dict[str, str], values: tuple[float, ...]
    ) -> None:
        points = self._measured.points[namespace, name, frozenset(dimensions.items())]
        points.extend((self._now, value) for value in values)


def widgets(program: Declared) -> list[dict[str, Any]]:
    """Those of the declared dashboard."""
    (board,) = program.of("cloudwatch/dashboard:Dashboard").values()
    found: list[dict[str, Any]] = json.loads(board.inputs["dashboardBody"])["widgets"]
    return found


def graphs(program: Declared) -> list[dict[str, Any]]:
    """The properties of the widgets that are graphs."""
    return [one["properties"] for one in widgets(program) if one["type"] == "metric"]
