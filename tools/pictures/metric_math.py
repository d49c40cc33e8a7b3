"""CloudWatch's statistics and metric math, as far as the dashboard and the alarms use them.

"Using metric math" in the CloudWatch User Guide. A period without data is NaN. Of two series of
which one has no data, arithmetic takes that one to be 0; what is divided by zero is no data.
"""

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Series = np.ndarray[Any, np.dtype[np.float64]]
Points = Iterable[tuple[float, float]]
"""Times, in seconds since 1970, and values."""

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
    """``count`` periods of ``period_seconds`` from ``start`` on."""

    start: float
    period_seconds: float
    count: int

    def statistic(self, points: Points, stat: str) -> Series:
        """One value for each period. ``stat`` is as CloudWatch names it: Sum, Maximum, p99, …"""
        periods: list[list[float]] = [[] for _ in range(self.count)]
        for time, value in points:
            number = int((time - self.start) // self.period_seconds)
            if 0 <= number < self.count:
                periods[number].append(value)
        of = STATISTICS.get(stat) or _percentile(stat)
        return np.array([of(values) if values else np.nan for values in periods])

    def evaluate(self, expression: str, series: Mapping[str, Series]) -> Series:
        """The value of metric math over series, by id. Raises ValueError for what it cannot do."""
        return np.broadcast_to(
            self._value(ast.parse(expression, mode="eval").body, series), self.count
        ).astype(np.float64)

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
        raise ValueError(f"not known in metric math: {ast.unparse(node)}")


def _arithmetic(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Of two series there is a value wherever one of them has one; a number has none by itself."""
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
    """Of ``p99``. Raises ValueError for any other."""
    if not stat.startswith("p"):
        raise ValueError(f"{stat} is no statistic that is known here")
    share = float(stat.removeprefix("p"))
    return lambda values: float(np.percentile(values, share))
