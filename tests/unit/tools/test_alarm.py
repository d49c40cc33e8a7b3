"""When an alarm rings, by the examples of the CloudWatch User Guide."""

import numpy as np
import pytest

from tools.pictures.alarm import Alarm, described_alarm
from tools.pictures.measuring import Measured
from tools.pictures.metric_math import Series, Window

NAN = float("nan")
FIGURE = {"0": 0.0, "X": 5.0, "-": NAN}
"""A value within the threshold, one beyond, and none."""


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
def test_data_that_is_missing_counts_as_in_the_tables_of_the_user_guide(
    datapoints: int, figures: str, expected: tuple[bool | None, ...], before: bool
) -> None:
    """ "How alarm state is evaluated when data is missing", for alarms with three periods: it
    looks at the five in ``figures``, and was in ALARM or not before them."""
    past = "XXX" if before else "000"
    for missing, rings in zip(TREATMENTS, expected, strict=True):
        states = alarm(datapoints, 3, missing).rings(series(past + figures))
        assert states[2] is before
        assert states[-1] is (before if rings is SAME else rings)


def test_two_periods_more_are_looked_at_where_some_have_no_data() -> None:
    assert alarm(1, 1, "notBreaching").rings(series("0X----")) == [
        *(False, True, True, True, False, False),
    ]


def test_three_of_three_ring_once_there_are_three() -> None:
    assert alarm(3, 3).rings(series("0XXXX0X")) == [
        *(False, False, False, True, True, False, False),
    ]


def test_two_of_three_need_not_follow_each_other() -> None:
    assert alarm(2, 3).rings(series("0X0X00")) == [False, False, False, True, False, False]


def test_what_is_on_the_threshold_does_not_ring() -> None:
    assert alarm(1, 1).rings(np.array([1.0, 1.1])) == [False, True]


def test_a_treatment_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="guess is no treatment"):
        alarm(1, 1, "guess").rings(series("0"))


def test_the_last_query_is_watched_as_cloudwatch_describes_it() -> None:
    def metric(id_: str, name: str, stat: str) -> dict[str, object]:
        dimensions = [{"Name": "QueueName", "Value": "jobs"}]
        described = {"Namespace": "AWS/SQS", "MetricName": name, "Dimensions": dimensions}
        return {
            "Id": id_,
            "ReturnData": False,
            "MetricStat": {"Metric": described, "Period": 300, "Stat": stat},
        }

    found = described_alarm(
        {
            "Metrics": [
                metric("sent", "NumberOfMessagesSent", "Sum"),
                metric("waiting", "ApproximateNumberOfMessagesVisible", "Maximum"),
                {"Id": "both", "Expression": "sent + 10 * waiting", "ReturnData": True},
            ],
            "ComparisonOperator": "LessThanThreshold",
            "Threshold": 32.0,
            "EvaluationPeriods": 1,
            "DatapointsToAlarm": 1,
            "TreatMissingData": "breaching",
        }
    )
    measured = Measured()
    jobs = frozenset({("QueueName", "jobs")})
    measured.points["AWS/SQS", "NumberOfMessagesSent", jobs] = [(0.0, 1.0), (1.0, 1.0)]
    measured.points["AWS/SQS", "ApproximateNumberOfMessagesVisible", jobs] = [(2.0, 3.0), (3, 1.0)]
    assert found.period_seconds == 300
    values = found.values(measured, Window(0, 300, 1))
    assert values.tolist() == [32]
    assert found.rings(values) == [False]
