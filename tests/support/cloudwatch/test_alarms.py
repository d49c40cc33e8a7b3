"""Alarm evaluation, by the examples of the CloudWatch User Guide."""

import numpy as np
import pytest

from tests.support.cloudwatch.alarms import Alarm
from tests.support.cloudwatch.metric_math import Series, Window

NAN = float("nan")
FIGURE = {"0": 0.0, "X": 5.0, "-": NAN}
"""The symbols of the guide: 0 is within the threshold, X breaches it, - is missing data."""


def alarm(datapoints: int, periods: int, missing: str = "ignore") -> Alarm:
    return Alarm((), "GreaterThanThreshold", 1.0, periods, datapoints, missing)


def series(figures: str) -> Series:
    return np.array([FIGURE[one] for one in figures])


TREATMENTS = ("ignore", "breaching", "notBreaching")
SAME, OK, ALARM = None, False, True


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize(
    ("datapoints", "figures", "expected"),
    [
        (3, "0-X-X", (OK, OK, OK)),
        (3, "0----", (OK, OK, OK)),
        (3, "-----", (SAME, ALARM, OK)),
        (3, "0XX-X", (ALARM, ALARM, ALARM)),
        (3, "----X", (SAME, ALARM, OK)),
        (3, "X----", (SAME, ALARM, OK)),
        (2, "0-X-X", (ALARM, ALARM, ALARM)),
        (2, "00X0X", (ALARM, ALARM, ALARM)),
        (2, "0-X--", (OK, ALARM, OK)),
        (2, "----0", (OK, ALARM, OK)),
        (2, "----X", (SAME, ALARM, OK)),
    ],
)
def test_missing_data_is_treated_as_in_the_user_guide(
    datapoints: int, figures: str, expected: tuple[bool | None, ...], before: bool
) -> None:
    """See "How alarm state is evaluated when data is missing", for alarms with three periods.

    The alarm evaluates the five values in ``figures``. ``before`` is its earlier state.
    """
    past = "XXX" if before else "000"
    for missing, state in zip(TREATMENTS, expected, strict=True):
        states = alarm(datapoints, 3, missing).states(series(past + figures))
        assert states[2] is before
        assert states[-1] is (before if state is SAME else state)


def test_two_extra_periods_are_evaluated_if_data_is_missing() -> None:
    assert alarm(1, 1, "notBreaching").states(series("0X----")) == [
        *(False, True, True, True, False, False),
    ]


def test_three_of_three_periods_must_breach() -> None:
    assert alarm(3, 3).states(series("0XXXX0X")) == [
        *(False, False, False, True, True, False, False),
    ]


def test_two_of_three_need_not_be_consecutive() -> None:
    assert alarm(2, 3).states(series("0X0X00")) == [False, False, False, True, False, False]


def test_a_value_on_the_threshold_does_not_breach() -> None:
    assert alarm(1, 1).states(np.array([1.0, 1.1])) == [False, True]


def test_an_unknown_treatment_of_missing_data_is_rejected() -> None:
    with pytest.raises(ValueError, match="unsupported treatment of missing data: guess"):
        alarm(1, 1, "guess").states(series("0"))


def test_an_expression_over_declared_metrics_is_evaluated() -> None:
    def metric(id_: str, name: str, stat: str) -> dict[str, object]:
        metric = {"namespace": "AWS/SQS", "metricName": name, "dimensions": {"QueueName": "jobs"}}
        return {"id": id_, "returnData": False, "metric": {**metric, "period": 300, "stat": stat}}

    found = Alarm.declared(
        {
            "metricQueries": [
                metric("sent", "NumberOfMessagesSent", "Sum"),
                metric("waiting", "ApproximateNumberOfMessagesVisible", "Maximum"),
                {"id": "both", "expression": "sent + 10 * waiting", "returnData": True},
            ],
            "comparisonOperator": "LessThanThreshold",
            "threshold": 32.0,
            "evaluationPeriods": 1,
            "datapointsToAlarm": 1,
            "treatMissingData": "breaching",
        }
    )
    points = {
        "NumberOfMessagesSent": [(0.0, 1.0), (1.0, 1.0)],
        "ApproximateNumberOfMessagesVisible": [(2.0, 3.0), (3.0, 1.0)],
    }
    assert found.period_seconds == 300
    values = found.values(lambda _, name, __: points[name], Window(0, 300, 1))
    assert values.tolist() == [32]
    assert found.states(values) == [False]
