"""The metric values that trigger each declared alarm, and values that just do not."""

import pytest

from tests.infra.conftest import Declared
from tests.support.cloudwatch.simulation import FIVE_MINUTES, MINUTE, CloudWatch
from tools.declared import declared

INTERVAL = 15 * MINUTE
"""The reconciler's interval."""

RECEIVED, WAITING = "NumberOfMessagesReceived", "ApproximateNumberOfMessagesVisible"
AGE = "ApproximateAgeOfOldestMessage"


@pytest.fixture
def cloudwatch(program: Declared) -> CloudWatch:
    return CloudWatch(program)


# dead-letters


def dead_letters(cloudwatch: CloudWatch, received: int, waiting: int) -> None:
    """Report five minutes of the dead-letter queue. Redriven messages do not count as sent."""
    cloudwatch.report_queue("dead-letters", RECEIVED, *[1] * received, 0)
    cloudwatch.report_queue("dead-letters", WAITING, 0, waiting, 0)
    cloudwatch.report_queue("dead-letters", "NumberOfMessagesSent", 0)
    cloudwatch.report_queue("dead-letters", "NumberOfEmptyReceives", 15)
    cloudwatch.advance(FIVE_MINUTES)


@pytest.mark.parametrize(
    ("received", "waiting"),
    [(1, 0), (0, 1), (1, 1)],
    ids=["received at once", "waiting", "received after waiting"],
)
def test_one_dead_letter_triggers_the_alarm(
    cloudwatch: CloudWatch, received: int, waiting: int
) -> None:
    dead_letters(cloudwatch, received, waiting)
    assert cloudwatch.alarm_states("dead-letters") == [True]


def test_a_dead_letter_alarms_for_two_more_periods(
    cloudwatch: CloudWatch,
) -> None:
    dead_letters(cloudwatch, 1, 0)
    for _ in range(3):
        dead_letters(cloudwatch, 0, 0)
    assert cloudwatch.alarm_states("dead-letters") == [True, True, True, False]


def test_one_of_the_two_dead_letter_metrics_is_enough(
    cloudwatch: CloudWatch,
) -> None:
    cloudwatch.report_queue("dead-letters", RECEIVED, 1)
    cloudwatch.advance(FIVE_MINUTES)
    assert cloudwatch.alarm_states("dead-letters") == [True]


def test_messages_in_other_queues_are_not_dead_letters(cloudwatch: CloudWatch) -> None:
    for name in (RECEIVED, WAITING, "NumberOfMessagesSent"):
        cloudwatch.report_queue("jobs", name, 500)
        cloudwatch.report_queue("completion-events", name, 500)
    dead_letters(cloudwatch, 0, 0)
    assert cloudwatch.alarm_states("dead-letters") == [False]


# oldest-message


def test_one_minute_above_the_age_limit_triggers_the_alarm(cloudwatch: CloudWatch) -> None:
    for age in (0, 60, 1801, 0, 0):
        cloudwatch.report_queue("jobs", AGE, age)
        cloudwatch.advance(MINUTE)
    assert cloudwatch.alarm_states("oldest-message") == [True]


def test_an_age_at_the_limit_does_not_trigger_the_alarm(
    cloudwatch: CloudWatch,
) -> None:
    cloudwatch.report_queue("jobs", AGE, 1740, 1800)
    cloudwatch.advance(FIVE_MINUTES)
    assert cloudwatch.alarm_states("oldest-message") == [False]


def test_only_the_age_in_the_job_queue_counts(
    cloudwatch: CloudWatch,
) -> None:
    cloudwatch.report_queue("dead-letters", AGE, 90_000)
    cloudwatch.report_queue("jobs", AGE, *[900] * 5)
    cloudwatch.report_queue("jobs", WAITING, 90_000)
    cloudwatch.advance(FIVE_MINUTES)
    assert cloudwatch.alarm_states("oldest-message") == [False]


# worker-errors


def report_errors(
    cloudwatch: CloudWatch, *errors: int, function: str = "zipper", of: int = 20
) -> None:
    """Report one period of five minutes for each number of errors."""
    for count in errors:
        cloudwatch.report_invocations(function, of, errors=count)
        cloudwatch.advance(FIVE_MINUTES)


@pytest.mark.parametrize("function", ["zipper", "dead-letter", "reconciler"])
def test_errors_in_two_of_three_periods_trigger_the_alarm(
    cloudwatch: CloudWatch, function: str
) -> None:
    report_errors(cloudwatch, 2, 0, 2, 0, 0, function=function)
    assert cloudwatch.alarm_states("worker-errors") == [False, False, True, False, False]


def test_a_low_error_rate_does_not_trigger_the_alarm(
    cloudwatch: CloudWatch,
) -> None:
    report_errors(cloudwatch, 1, 1, 1, 1)
    assert not any(cloudwatch.alarm_states("worker-errors"))


def test_one_bad_period_of_three_does_not_trigger_the_alarm(cloudwatch: CloudWatch) -> None:
    report_errors(cloudwatch, 20, 0, 0, 20, 0, 0)
    assert not any(cloudwatch.alarm_states("worker-errors"))


def test_the_error_rate_is_that_of_all_workers(cloudwatch: CloudWatch) -> None:
    """A failing reconciler is not enough if 100 other invocations succeed."""
    for _ in range(3):
        cloudwatch.report_invocations("zipper", 98)
        cloudwatch.report_invocations("dead-letter", 1)
        cloudwatch.report_invocations("reconciler", 1, errors=1)
        cloudwatch.advance(FIVE_MINUTES)
    assert not any(cloudwatch.alarm_states("worker-errors"))


def test_throttles_and_api_errors_are_not_worker_errors(
    cloudwatch: CloudWatch,
) -> None:
    for _ in range(3):
        cloudwatch.report_invocations("zipper", 20, throttles=20)
        for function in ("enqueue", "status", "cancel", "docs"):
            cloudwatch.report_invocations(function, 20, errors=20)
        cloudwatch.advance(FIVE_MINUTES)
    assert not any(cloudwatch.alarm_states("worker-errors"))


def test_no_invocations_do_not_trigger_the_alarm(cloudwatch: CloudWatch) -> None:
    cloudwatch.advance(3 * FIVE_MINUTES)
    assert not any(cloudwatch.alarm_states("worker-errors"))


# undelivered-events


@pytest.mark.parametrize("metric", ["FailedInvocations", "InvocationsFailedToBeSentToDlq"])
@pytest.mark.parametrize("rule", ["manifest-uploads", "reconciler", "completed"])
def test_one_undelivered_event_alarms_for_half_an_hour(
    cloudwatch: CloudWatch, rule: str, metric: str
) -> None:
    """EventBridge reports failures only, so the other rules have no data."""
    cloudwatch.report_rule(rule, metric, 1)
    cloudwatch.advance(6 * FIVE_MINUTES)
    states = cloudwatch.alarm_states("undelivered-events")
    assert (states[:3], states[-1]) == ([True] * 3, False)


def test_delivered_events_do_not_trigger_the_alarm(cloudwatch: CloudWatch) -> None:
    for rule in ("manifest-uploads", "reconciler", "completed"):
        for name in ("Invocations", "InvocationAttempts", "TriggeredRules", "MatchedEvents"):
            cloudwatch.report_rule(rule, name, 1000)
    cloudwatch.advance(FIVE_MINUTES)
    assert cloudwatch.alarm_states("undelivered-events") == [False]


def test_rules_are_watched_without_a_completion_queue() -> None:
    without = Declared(declared("dev", {"completionEventsQueue": False}))
    for rule in ("manifest-uploads", "reconciler"):
        cloudwatch = CloudWatch(without)
        cloudwatch.report_rule(rule, "FailedInvocations", 1)
        cloudwatch.advance(FIVE_MINUTES)
        assert cloudwatch.alarm_states("undelivered-events") == [True]


# stuck-jobs, reconciler-not-running


def report_runs(cloudwatch: CloudWatch, *found: int | None) -> None:
    """Report how many stuck jobs each run found, one per interval. None is a missing run."""
    for one in found:
        if one is not None:
            cloudwatch.report_jobs("JobsStuck", one)
        cloudwatch.advance(INTERVAL)


def test_a_stuck_job_alarms_until_a_run_finds_none(cloudwatch: CloudWatch) -> None:
    report_runs(cloudwatch, 0, 1, None, None, None, None, 0)
    assert cloudwatch.alarm_states("stuck-jobs") == [False, True, True, True, True, True, False]


def test_runs_that_find_nothing_do_not_trigger_alarms(cloudwatch: CloudWatch) -> None:
    report_runs(cloudwatch, 0, 0, 0, 0)
    assert not any(cloudwatch.alarm_states("stuck-jobs"))
    assert not any(cloudwatch.alarm_states("reconciler-not-running"))


def test_three_missing_runs_alarm_until_the_next_run(
    cloudwatch: CloudWatch,
) -> None:
    report_runs(cloudwatch, 0, None, None, None, 0)
    assert cloudwatch.alarm_states("reconciler-not-running") == [False, False, False, True, False]


def test_two_missing_runs_do_not_trigger_the_alarm(cloudwatch: CloudWatch) -> None:
    report_runs(cloudwatch, 0, None, None, 0, None, None, 0)
    assert not any(cloudwatch.alarm_states("reconciler-not-running"))


def test_a_reconciler_that_never_ran_triggers_the_alarm(cloudwatch: CloudWatch) -> None:
    report_runs(cloudwatch, None, None, None)
    assert cloudwatch.alarm_states("reconciler-not-running")[-1]


def test_the_interval_is_a_setting() -> None:
    cloudwatch = CloudWatch(Declared(declared("dev", {"reconcileMinutes": 5})))
    cloudwatch.report_jobs("JobsStuck", 2)
    cloudwatch.advance(5 * MINUTE)
    cloudwatch.report_jobs("JobsStuck", 0)
    cloudwatch.advance(20 * MINUTE)
    assert cloudwatch.alarm_states("stuck-jobs") == [True, False, False, False, False]
    assert cloudwatch.alarm_states("reconciler-not-running") == [False, False, False, False, True]


# api-errors


def report_5xx(cloudwatch: CloudWatch, *of_5xx: int, of_4xx: int = 0) -> None:
    """Report one period of 100 responses for each number of 5xx responses."""
    for one in of_5xx:
        cloudwatch.report_responses(100, of_4xx=of_4xx, of_5xx=one)
        cloudwatch.advance(FIVE_MINUTES)


def test_six_percent_5xx_in_two_of_three_periods_alarm(
    cloudwatch: CloudWatch,
) -> None:
    report_5xx(cloudwatch, 6, 0, 6, 0)
    assert cloudwatch.alarm_states("api-errors") == [False, False, True, False]


def test_five_percent_5xx_do_not_trigger_the_alarm(cloudwatch: CloudWatch) -> None:
    report_5xx(cloudwatch, 5, 5, 5)
    assert not any(cloudwatch.alarm_states("api-errors"))


def test_one_period_of_5xx_does_not_trigger_the_alarm(cloudwatch: CloudWatch) -> None:
    report_5xx(cloudwatch, 100, 0, 0, 0)
    assert not any(cloudwatch.alarm_states("api-errors"))


def test_4xx_do_not_trigger_the_alarm(cloudwatch: CloudWatch) -> None:
    report_5xx(cloudwatch, 0, 0, 0, of_4xx=100)
    assert not any(cloudwatch.alarm_states("api-errors"))


# All alarms


def test_without_data_only_the_reconciler_alarm_triggers(
    program: Declared, cloudwatch: CloudWatch
) -> None:
    cloudwatch.advance(60 * MINUTE)
    triggered = {
        name
        for name in program.of("cloudwatch/metricAlarm:MetricAlarm")
        if cloudwatch.alarm_states(name)[-1]
    }
    assert triggered == {"reconciler-not-running"}


def test_filled_in_data_does_not_decide_an_alarm(program: Declared, cloudwatch: CloudWatch) -> None:
    """ "FILL ... can result in the alarm being stuck in either OK state or ALARM state".

    This cannot happen if a single filled period does not decide.
    """
    for name, alarm in program.of("cloudwatch/metricAlarm:MetricAlarm").items():
        if any("FILL" in query.get("expression", "") for query in alarm.inputs["metricQueries"]):
            found = cloudwatch.alarm(name)
            assert found.datapoints == found.periods > 1
            assert found.missing == "breaching"
