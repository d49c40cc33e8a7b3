"""CloudWatch statistics and metric math, as far as the dashboard and the alarms use them.

See "Using metric math" in the CloudWatch User Guide. A period without data is NaN. If only one of
two series has data, arithmetic uses 0 for the other. A division by zero gives no data.
"""

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Series = np.ndarray[Any, np.dtype[np.float64]]
Points = Iterable[tuple[float, float]]
"""Times in seconds, with values."""

STATISTICS: Mapping[str, Callable[[list[float]], float]] = {
    "Sum": sum,
    "SampleCount": len,
    "Maximum": max,
    "Minimum": min,
    "Average": lambda values: sum(values) / len(values),
}

OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.divide,
}


@dataclass(frozen=True)
class Window:
    """``count`` periods of ``period_seconds``, the first of which begins at ``start``."""

    start: float
    period_seconds: float
    count: int

    def statistic(self, points: Points, stat: str) -> Series:
        """Return one value per period. ``stat`` is a CloudWatch name: Sum, Maximum, p99, …"""
        periods: list[list[float]] = [[] for _ in range(self.count)]
        for time, value in points:
            number = int((time - self.start) // self.period_seconds)
            if 0 <= number < self.count:
                periods[number].append(value)
        aggregate = STATISTICS.get(stat) or _percentile(stat)
        return np.array([aggregate(values) if values else np.nan for values in periods])

    def evaluate(self, expression: str, series: Mapping[str, Series]) -> Series:
        """Evaluate metric math over ``series``, by ID. Raises ValueError if it is unsupported."""
        value = self._value(ast.parse(expression, mode="eval").body, series)
        return np.broadcast_to(value, self.count).astype(np.float64)

    def _value(self, node: ast.expr, series: Mapping[str, Series]) -> Any:
        match node:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.Name(id=name):
                return series[name]
            case ast.BinOp(left=left, op=operation, right=right) if type(operation) in OPERATORS:
                values = self._value(left, series), self._value(right, series)
                return _arithmetic(OPERATORS[type(operation)], *values)
            case ast.Call(func=ast.Name(id="FILL"), args=[one, ast.Constant(value=int(filling))]):
                values = self._value(one, series)
                return np.where(np.isnan(values), filling, values)
            case ast.Call(func=ast.Name(id="PERIOD")):
                return self.period_seconds
        raise ValueError(f"unsupported metric math: {ast.unparse(node)}")


def _arithmetic(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
            found = operation(np.nan_to_num(left), np.nan_to_num(right))
            found = np.where(np.isnan(left) & np.isnan(right), np.nan, found)
        else:
            found = operation(left, right)
    if not isinstance(found, np.ndarray):
        return found
    return np.where(np.isfinite(found), found, np.nan)


def _percentile(stat: str) -> Callable[[list[float]], float]:
    if not stat.startswith("p"):
        raise ValueError(f"unsupported statistic: {stat}")
    percent = float(stat.removeprefix("p"))
    return lambda values: float(np.percentile(values, percent))
