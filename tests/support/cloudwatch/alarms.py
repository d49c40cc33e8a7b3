"""Alarm evaluation by the rules of the CloudWatch User Guide, as far as the alarms here need them.

"Using Amazon CloudWatch alarms" has the rules for missing data. CloudWatch also evaluates alarms
within a period; here an alarm is evaluated once, at the end of each period.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.support.cloudwatch.metric_math import Points, Series, Window

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}

EXTRA_PERIODS = 2
"""CloudWatch evaluates more periods than configured, in case data is missing. It documents no
number; its examples use 2."""


@dataclass(frozen=True)
class Alarm:
    """A metric alarm. ``queries`` are its metrics and expressions, as Pulumi declares them."""

    queries: tuple[Mapping[str, Any], ...]
    comparison: str
    threshold: float
    periods: int
    datapoints: int
    missing: str

    @classmethod
    def declared(cls, inputs: Mapping[str, Any]) -> "Alarm":
        """Return the alarm that the inputs of a Pulumi MetricAlarm declare."""
        return cls(
            queries=tuple(inputs["metricQueries"]),
            comparison=inputs["comparisonOperator"],
            threshold=inputs["threshold"],
            periods=int(inputs["evaluationPeriods"]),
            datapoints=int(inputs["datapointsToAlarm"]),
            missing=inputs["treatMissingData"],
        )

    @property
    def period_seconds(self) -> int:
        """The period, which is the same for all of its metrics."""
        (period,) = {int(one["metric"]["period"]) for one in self.queries if one.get("metric")}
        return period

    def values(
        self, points: Callable[[str, str, Mapping[str, str]], Points], window: Window
    ) -> Series:
        """Return the values that the alarm watches, one per period of ``window``.

        ``points`` returns the data points of a metric by namespace, name and dimensions.
        """
        series: dict[str, Series] = {}
        for query in self.queries:
            if expression := query.get("expression"):
                series[query["id"]] = window.evaluate(expression, series)
            else:
                metric = query["metric"]
                found = points(metric["namespace"], metric["metricName"], metric["dimensions"])
                series[query["id"]] = window.statistic(found, metric["stat"])
        (watched,) = [one["id"] for one in self.queries if one["returnData"]]
        return series[watched]

    def states(self, values: Series) -> list[bool]:
        """Return, for the end of each period, whether the alarm is in the ALARM state."""
        states: list[bool] = []
        for end in range(1, len(values) + 1):
            evaluated = values[max(0, end - self.periods - EXTRA_PERIODS) : end]
            known = evaluated[~np.isnan(evaluated)][-self.periods :]
            before = states[-1] if states else False
            states.append(self._state([float(one) for one in known], before))
        return states

    def _state(self, known: list[float], before: bool) -> bool:
        is_breaching = COMPARISONS[self.comparison]
        breaching = sum(is_breaching(one, self.threshold) for one in known)
        unknown = self.periods - len(known)
        match self.missing:
            case "notBreaching":
                return breaching >= self.datapoints
            case "breaching":
                return breaching + unknown >= self.datapoints
            case "ignore" if breaching < self.datapoints and breaching == len(known):
                return before
            case "ignore":
                return breaching >= self.datapoints
        raise ValueError(f"unsupported treatment of missing data: {self.missing}")
