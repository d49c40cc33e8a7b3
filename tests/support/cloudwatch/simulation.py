"""A simulated CloudWatch: tests report metrics to it, and it evaluates alarms and graphs."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from tests.infra.conftest import STACK, Declared
from tests.support.cloudwatch.alarms import Alarm
from tests.support.cloudwatch.metric_math import Points, Series, Window

MINUTE = 60
FIVE_MINUTES = 300

RULE, BUS = "cloudwatch/eventRule:EventRule", "cloudwatch/eventBus:EventBus"


class CloudWatch:
    """Metrics, alarms and the dashboard of the declared program.

    Time starts at 0 and passes only in ``advance``. The ``report_…`` methods report metrics in the
    way that AWS documents for each service.
    """

    def __init__(self, program: Declared) -> None:
        self._program = program
        self._points: defaultdict[tuple[str, str, frozenset[tuple[str, str]]], list[Any]]
        self._points = defaultdict(list)
        self._now = 0.0

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def report_queue(self, queue: str, name: str, *values: float) -> None:
        self._report("AWS/SQS", name, {"QueueName": self._mark("sqs/queue:Queue", queue)}, values)

    def report_function(self, function: str, name: str, *values: float) -> None:
        dimensions = {"FunctionName": self._mark("lambda/function:Function", function)}
        self._report("AWS/Lambda", name, dimensions, values)

    def report_invocations(
        self, function: str, count: int, errors: int = 0, throttles: int = 0
    ) -> None:
        """Lambda reports 0 or 1 errors with each invocation."""
        self.report_function(function, "Invocations", *[1] * count)
        self.report_function(function, "Errors", *[1] * errors, *[0] * (count - errors))
        self.report_function(function, "Throttles", throttles)

    def report_rule(self, rule: str, name: str, *values: float) -> None:
        """EventBridge adds the bus as a dimension, unless it is the default bus."""
        bus = self._program.of(RULE)[rule].inputs.get("eventBusName")
        of_bus = {} if bus is None else {"EventBusName": bus}
        self._report("AWS/Events", name, {"RuleName": self._mark(RULE, rule), **of_bus}, values)

    def report_table(self, name: str, *values: float, index: str | None = None) -> None:
        of_index = {} if index is None else {"GlobalSecondaryIndexName": index}
        table = {"TableName": self._mark("dynamodb/table:Table", "jobs"), **of_index}
        self._report("AWS/DynamoDB", name, table, values)

    def report_api(self, name: str, *values: float) -> None:
        api = {"ApiId": self._mark("apigatewayv2/api:Api", "api")}
        self._report("AWS/ApiGateway", name, api, values)

    def report_responses(self, count: int, of_4xx: int = 0, of_5xx: int = 0) -> None:
        self.report_api("Count", *[1] * count)
        self.report_api("4xx", *[1] * of_4xx, *[0] * (count - of_4xx))
        self.report_api("5xx", *[1] * of_5xx, *[0] * (count - of_5xx))

    def report_jobs(self, name: str, *values: float) -> None:
        """Report a metric that the functions write themselves."""
        self._report("S3ZipJobs", name, {"service": STACK}, values)

    def alarm_states(self, name: str) -> list[bool]:
        """Return whether the alarm was in the ALARM state at the end of each period until now."""
        alarm = self.alarm(name)
        count = max(1, math.ceil(self._now / alarm.period_seconds))
        return alarm.states(alarm.values(self._of, Window(0, alarm.period_seconds, count)))

    def alarm(self, name: str) -> Alarm:
        declared = self._program.of("cloudwatch/metricAlarm:MetricAlarm")
        return Alarm.declared(declared[name].inputs)

    def graph(self, title: str) -> dict[str, Any]:
        """Return the properties of a graph on the dashboard."""
        (found,) = [one for one in graphs(self._program) if one["title"] == title]
        return found

    def graph_values(self, title: str) -> dict[str, float]:
        """Return the values of a graph's visible lines in its first period, by label."""
        properties = self.graph(title)
        window = Window(0, properties["period"], 1)
        series: dict[str, Series] = {}
        shown: dict[str, float] = {}
        for row in properties["metrics"]:
            options = row[-1]
            if "expression" in options:
                values = window.evaluate(options["expression"], series)
            else:
                namespace, name, *pairs = row[:-1]
                dimensions = dict(zip(pairs[::2], pairs[1::2], strict=True))
                values = window.statistic(self._of(namespace, name, dimensions), options["stat"])
            if "id" in options:
                series[options["id"]] = values
            if options.get("visible", True):
                assert options["label"] not in shown
                shown[options["label"]] = float(values[0])
        return shown

    def _of(self, namespace: str, name: str, dimensions: Mapping[str, str]) -> Points:
        return self._points.get((namespace, name, frozenset(dimensions.items())), [])

    def _mark(self, type_: str, name: str) -> str:
        return self._program.mark(type_, name)

    def _report(
        self, namespace: str, name: str, dimensions: dict[str, str], values: tuple[float, ...]
    ) -> None:
        points = self._points[namespace, name, frozenset(dimensions.items())]
        points.extend((self._now, value) for value in values)


def widgets(program: Declared) -> list[dict[str, Any]]:
    """Return the widgets of the declared dashboard."""
    (board,) = program.of("cloudwatch/dashboard:Dashboard").values()
    found: list[dict[str, Any]] = json.loads(board.inputs["dashboardBody"])["widgets"]
    return found


def graphs(program: Declared) -> list[dict[str, Any]]:
    """Return the properties of the dashboard's graphs."""
    return [one["properties"] for one in widgets(program) if one["type"] == "metric"]
