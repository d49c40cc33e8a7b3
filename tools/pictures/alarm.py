"""When an alarm rings, of what was measured: as the CloudWatch User Guide says, as far as the
alarms here go.

"Using Amazon CloudWatch alarms" there has the rules for data that is missing. CloudWatch also
looks between the ends of periods; here an alarm is evaluated once, at the end of each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.pictures.measuring import Measured
from tools.pictures.metric_math import Series, Window

COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}

LOOKED_BEYOND = 2
"""Periods that CloudWatch looks at besides those to evaluate, in case that some have no data. How
many it does not say; its examples are of 2."""


@dataclass(frozen=True)
class Query:
    """A metric with its statistic, or an expression over the queries before it."""

    id: str
    is_watched: bool
    expression: str | None = None
    namespace: str = ""
    name: str = ""
    dimensions: tuple[tuple[str, str], ...] = ()
    stat: str = ""
    period_seconds: int = 0


@dataclass(frozen=True)
class Alarm:
    """What decides whether an alarm rings."""

    queries: tuple[Query, ...]
    comparison: str
    threshold: float
    periods: int
    datapoints: int
    missing: str

    @property
    def period_seconds(self) -> int:
        """Of its metrics, which all have the same."""
        (period,) = {one.period_seconds for one in self.queries if one.expression is None}
        return period

    def values(self, measured: Measured, window: Window) -> Series:
        """What it watches. ``window`` has periods of its own length, or of what stands for it."""
        series: dict[str, Series] = {}
        for query in self.queries:
            if query.expression is None:
                points = measured.of(query.namespace, query.name, dict(query.dimensions))
                series[query.id] = window.statistic(points, query.stat)
            else:
                series[query.id] = window.evaluate(query.expression, series)
        (watched,) = [one.id for one in self.queries if one.is_watched]
        return series[watched]

    def rings(self, values: Series) -> list[bool]:
        """Whether it rings, at the end of each period. Before the first there was no data."""
        states: list[bool] = []
        for end in range(1, len(values) + 1):
            seen = values[max(0, end - self.periods - LOOKED_BEYOND) : end]
            known = seen[~np.isnan(seen)][-self.periods :]
            before = states[-1] if states else False
            states.append(self._rings([float(one) for one in known], before))
        return states

    def _rings(self, known: list[float], before: bool) -> bool:
        """Of the latest values that there are, and of whether it rang before."""
        is_beyond = COMPARED[self.comparison]
        beyond = sum(is_beyond(one, self.threshold) for one in known)
        unknown = self.periods - len(known)
        match self.missing:
            case "notBreaching":
                return beyond >= self.datapoints
            case "breaching":
                return beyond + unknown >= self.datapoints
            case "ignore" if beyond < self.datapoints and beyond == len(known):
                return before
            case "ignore":
                return beyond >= self.datapoints
        raise ValueError(f"{self.missing} is no treatment of missing data that is known here")


def declared_alarm(inputs: Mapping[str, Any]) -> Alarm:
    """Of the inputs of a MetricAlarm of the Pulumi program."""
    return Alarm(
        queries=tuple(_declared_query(one) for one in inputs["metricQueries"]),
        comparison=inputs["comparisonOperator"],
        threshold=inputs["threshold"],
        periods=int(inputs["evaluationPeriods"]),
        datapoints=int(inputs["datapointsToAlarm"]),
        missing=inputs["treatMissingData"],
    )


def _declared_query(inputs: Mapping[str, Any]) -> Query:
    if expression := inputs.get("expression"):
        return Query(inputs["id"], inputs["returnData"], expression)
    metric = inputs["metric"]
    return Query(
        inputs["id"],
        inputs["returnData"],
        namespace=metric["namespace"],
        name=metric["metricName"],
        dimensions=tuple(metric["dimensions"].items()),
        stat=metric["stat"],
        period_seconds=int(metric["period"]),
    )


def described_alarm(answer: Mapping[str, Any]) -> Alarm:
    """Of one of the MetricAlarms in CloudWatch's answer to DescribeAlarms."""
    return Alarm(
        queries=tuple(_described_query(one) for one in answer["Metrics"]),
        comparison=answer["ComparisonOperator"],
        threshold=answer["Threshold"],
        periods=answer["EvaluationPeriods"],
        datapoints=answer["DatapointsToAlarm"],
        missing=answer["TreatMissingData"],
    )


def _described_query(answer: Mapping[str, Any]) -> Query:
    if expression := answer.get("Expression"):
        return Query(answer["Id"], answer["ReturnData"], expression)
    stat = answer["MetricStat"]
    return Query(
        answer["Id"],
        answer["ReturnData"],
        namespace=stat["Metric"]["Namespace"],
        name=stat["Metric"]["MetricName"],
        dimensions=tuple((one["Name"], one["Value"]) for one in stat["Metric"]["Dimensions"]),
        stat=stat["Stat"],
        period_seconds=stat["Period"],
    )
