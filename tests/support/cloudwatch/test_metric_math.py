import numpy as np
import pytest

from tests.support.cloudwatch.metric_math import Window

NAN = float("nan")
WINDOW = Window(start=1000, period_seconds=10, count=3)


def same(found: object, expected: list[float]) -> bool:
    return np.array_equal(np.asarray(found), np.array(expected), equal_nan=True)


def test_points_are_summed_per_period() -> None:
    points = [(1000.0, 1.0), (1009.9, 2.0), (1020.0, 4.0), (999.0, 8.0), (1030.0, 16.0)]
    assert same(WINDOW.statistic(points, "Sum"), [3, NAN, 4])


@pytest.mark.parametrize(
    ("stat", "value"),
    [
        ("Sum", 10),
        ("SampleCount", 4),
        ("Maximum", 4),
        ("Minimum", 1),
        ("Average", 2.5),
        ("p50", 2.5),
    ],
)
def test_statistics(stat: str, value: float) -> None:
    points = [(1000.0 + n, float(n)) for n in range(1, 5)]
    assert WINDOW.statistic(points, stat)[0] == value


def test_an_unknown_statistic_is_rejected() -> None:
    with pytest.raises(ValueError, match="unsupported statistic: Median"):
        WINDOW.statistic([(1000.0, 1.0)], "Median")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a", [1, NAN, 3]),
        ("FILL(a, 0)", [1, 0, 3]),
        ("a / PERIOD(a)", [0.1, NAN, 0.3]),
        ("FILL(a, 0) + 2 * b", [21, 0, 23]),
        ("100 * FILL(a, 0) / b", [10, NAN, 30]),
        ("(a + b) * 0.5 - a", [4.5, 0, 3.5]),
        ("a + b", [11, 0, 13]),
        ("b - a", [9, 0, 7]),
        ("a + a", [2, NAN, 6]),
        ("2 * a", [2, NAN, 6]),
        ("b / a", [10, NAN, 10 / 3]),
        ("never + b", [10, 0, 10]),
        ("FILL(never, 0)", [0, 0, 0]),
        ("7", [7, 7, 7]),
    ],
)
def test_metric_math_follows_cloudwatch(expression: str, expected: list[float]) -> None:
    series = {
        "a": np.array([1, NAN, 3]),
        "b": np.array([10.0, 0.0, 10.0]),
        "never": np.array([NAN, NAN, NAN]),
    }
    assert same(WINDOW.evaluate(expression, series), expected)


@pytest.mark.parametrize("expression", ["ANOMALY_DETECTION_BAND(a)", "a ** 2", "[a]", "'a'"])
def test_unsupported_metric_math_is_rejected(expression: str) -> None:
    with pytest.raises(ValueError, match="unsupported metric math"):
        WINDOW.evaluate(expression, {"a": np.array([1.0, 2.0, 3.0])})
