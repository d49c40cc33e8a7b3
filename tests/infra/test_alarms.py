"""What makes each alarm ring, and what just does not: through the queries that are declared."""

import pytest

from tests.infra.conftest import Declared
from tests.support.cloudwatch.simulation import FIVE_MINUTES, MINUTE, CloudWatch
from tools.declared import declared

SWEEP = 15 * MINUTE
"""The reconciler's interval."""

RECEIVED, WAITING = "NumberOfMessagesReceived", "ApproximateNumberOfMessagesVisible"
AGE = "ApproximateAgeOfOldestMessage"


@pytest.fixture
def cloudwatch(program: Declared) -> CloudWatch:
    return CloudWatch(program)


# dead-letters


def dead_letters(cloudwatch: CloudWatch, received: int, waiting: int) -> None:
    """Five minutes of the dead-letter queue. What the job queue gives up on is not "sent" there."""
    cloudwatch.report_queue("dead-letters", RECEIVED, *[1] * received, 0)
    cloudwatch.report_queue("dead-letters", WAITING, 0, waiting, 0)
    cloudwatch.report_queue("dead-letters", "NumberOfMessagesSent", 0)
    cloudwatch.report_queue("dead-letters", "NumberOfEmptyReceives", 15)
    cloudwatch.advance(FIVE_MINUTES)


@pytest.mark.parametrize(
    ("received", "waiting"),
    [(1, 0), (0, 1), (1, 1)],
    ids=["dealt with at once", "seen by nobody", "dealt with after it had waited"],
)
def test_one_dead_letter_rings(cloudwatch: CloudWatch, received: int, waiting: int) -> None:
    dead_letters(cloudwatch, received, waiting)
    assert cloudwatch.alarm_states("dead-letters") == [True]


def test_a_dead_letter_rings_for_two_periods_more_so_that_it_may_be_reported_so_late(
    cloudwatch: CloudWatch,
) -> None:
    dead_letters(cloudwatch, 1, 0)
    for _ in range(3):
        dead_letters(cloudwatch, 0, 0)
    assert cloudwatch.alarm_states("dead-letters") == [True, True, True, False]


def test_a_dead_letter_rings_where_only_one_of_the_two_metrics_has_ever_been_reported(
    cloudwatch: CloudWatch,
) -> None:
    cloudwatch.report_queue("dead-letters", RECEIVED, 1)
    cloudwatch.advance(FIVE_MINUTES)
    assert cloudwatch.alarm_states("dead-letters") == [True]


def test_a_busy_job_queue_is_no_dead_letter(cloudwatch: CloudWatch) -> None:
    for name in (RECEIVED, WAITING, "NumberOfMessagesSent"):
        cloudwatch.report_queue("jobs", name, 500)
        cloudwatch.report_queue("completion-events", name, 500)
    dead_letters(cloudwatch, 0, 0)
    assert cloudwatch.alarm_states("dead-letters") == [False]


# oldest-message


def test_a_queue_that_was_behind_for_a_minute_rings(cloudwatch: CloudWatch) -> None:
    for age in (0, 60, 1801, 0, 0):
        cloudwatch.report_queue("jobs", AGE, age)
        cloudwatch.advance(MINUTE)
    assert cloudwatch.alarm_states("oldest-message") == [True]


def test_a_message_that_has_just_waited_as_long_as_it_may_does_not_ring(
    cloudwatch: CloudWatch,
) -> None:
    cloudwatch.report_queue("jobs", AGE, 1740, 1800)
    cloudwatch.advance(FIVE_MINUTES)
    assert cloudwatch.alarm_states("oldest-message") == [False]


def test_neither_old_dead_letters_nor_many_young_messages_are_an_old_message(
    cloudwatch: CloudWatch,
) -> None:
    cloudwatch.report_queue("dead-letters", AGE, 90_000)
    cloudwatch.report_queue("jobs", AGE, *[900] * 5)
    cloudwatch.report_queue("jobs", WAITING, 90_000)
    cloudwatch.advance(FIVE_MINUTES)
    assert cloudwatch.alarm_states("oldest-message") == [False]


# worker-errors


def runs(cloudwatch: CloudWatch, *crashes: int, function: str = "zipper", of: int = 20) -> None:
    """Five minutes with so many crashes, and the next, and the next."""
    for one in crashes:
        cloudwatch.report_invocations(function, of, errors=one)
        cloudwatch.advance(FIVE_MINUTES)


@pytest.mark.parametrize("function", ["zipper", "dead-letter", "reconciler"])
def test_two_crashes_in_twenty_runs_ring_in_two_of_three_periods(
    cloudwatch: CloudWatch, function: str
) -> None:
    runs(cloudwatch, 2, 0, 2, 0, 0, function=function)
    assert cloudwatch.alarm_states("worker-errors") == [False, False, True, False, False]


def test_a_crash_in_one_of_twenty_runs_does_not_ring_however_long_it_goes_on(
    cloudwatch: CloudWatch,
) -> None:
    runs(cloudwatch, 1, 1, 1, 1)
    assert not any(cloudwatch.alarm_states("worker-errors"))


def test_five_bad_minutes_do_not_ring_if_the_next_ten_are_good(cloudwatch: CloudWatch) -> None:
    runs(cloudwatch, 20, 0, 0, 20, 0, 0)
    assert not any(cloudwatch.alarm_states("worker-errors"))


def test_the_runs_of_all_workers_count_together(cloudwatch: CloudWatch) -> None:
    """A reconciler that crashes whenever it runs rings alone, not among a hundred zippers."""
    for _ in range(3):
        cloudwatch.report_invocations("zipper", 98)
        cloudwatch.report_invocations("dead-letter", 1)
        cloudwatch.report_invocations("reconciler", 1, errors=1)
        cloudwatch.advance(FIVE_MINUTES)
    assert not any(cloudwatch.alarm_states("worker-errors"))


def test_neither_throttles_nor_crashes_behind_the_api_are_crashes_of_workers(
    cloudwatch: CloudWatch,
) -> None:
    for _ in range(3):
        cloudwatch.report_invocations("zipper", 20, throttles=20)
        for function in ("enqueue", "status", "cancel", "docs"):
            cloudwatch.report_invocations(function, 20, errors=20)
        cloudwatch.advance(FIVE_MINUTES)
    assert not any(cloudwatch.alarm_states("worker-errors"))


def test_where_nothing_runs_nothing_rings(cloudwatch: CloudWatch) -> None:
    cloudwatch.advance(3 * FIVE_MINUTES)
    assert not any(cloudwatch.alarm_states("worker-errors"))


# undelivered-events


@pytest.mark.parametrize("rule", ["manifest-dropped", "reconciler", "completed"])
def test_one_event_that_eventbridge_gave_up_on_rings_and_it_is_over_in_half_an_hour(
    cloudwatch: CloudWatch, rule: str
) -> None:
    """EventBridge reports it only where there is one: the other rules have no data at all."""
    cloudwatch.report_rule(rule, "FailedInvocations", 1)
    cloudwatch.advance(6 * FIVE_MINUTES)
    rang = cloudwatch.alarm_states("undelivered-events")
    assert (rang[:3], rang[-1]) == ([True] * 3, False)


def test_events_that_are_delivered_do_not_ring(cloudwatch: CloudWatch) -> None:
    for rule in ("manifest-dropped", "reconciler", "completed"):
        for name in ("Invocations", "InvocationAttempts", "TriggeredRules", "MatchedEvents"):
            cloudwatch.report_rule(rule, name, 1000)
    cloudwatch.advance(FIVE_MINUTES)
    assert cloudwatch.alarm_states("undelivered-events") == [False]


def test_without_a_queue_of_completion_events_the_other_rules_are_watched() -> None:
    without = Declared(declared("dev", {"completionEventsQueue": False}))
    for rule in ("manifest-dropped", "reconciler"):
        cloudwatch = CloudWatch(without)
        cloudwatch.report_rule(rule, "FailedInvocations", 1)
        cloudwatch.advance(FIVE_MINUTES)
        assert cloudwatch.alarm_states("undelivered-events") == [True]


# stuck-jobs, reconciler-not-running


def sweeps(cloudwatch: CloudWatch, *found: int | None) -> None:
    """What each sweep found, one interval after the other. None is one that does not run."""
    for one in found:
        if one is not None:
            cloudwatch.report_jobs("JobsStuck", one)
        cloudwatch.advance(SWEEP)


def test_one_stuck_job_rings_until_a_sweep_finds_none(cloudwatch: CloudWatch) -> None:
    sweeps(cloudwatch, 0, 1, None, None, None, None, 0)
    assert cloudwatch.alarm_states("stuck-jobs") == [False, True, True, True, True, True, False]


def test_sweeps_that_find_nothing_do_not_ring(cloudwatch: CloudWatch) -> None:
    sweeps(cloudwatch, 0, 0, 0, 0)
    assert not any(cloudwatch.alarm_states("stuck-jobs"))
    assert not any(cloudwatch.alarm_states("reconciler-not-running"))


def test_three_intervals_without_a_sweep_ring_and_the_next_sweep_ends_it(
    cloudwatch: CloudWatch,
) -> None:
    sweeps(cloudwatch, 0, None, None, None, 0)
    assert cloudwatch.alarm_states("reconciler-not-running") == [False, False, False, True, False]


def test_two_intervals_without_a_sweep_do_not_ring(cloudwatch: CloudWatch) -> None:
    sweeps(cloudwatch, 0, None, None, 0, None, None, 0)
    assert not any(cloudwatch.alarm_states("reconciler-not-running"))


def test_a_stack_that_was_never_swept_rings(cloudwatch: CloudWatch) -> None:
    sweeps(cloudwatch, None, None, None)
    assert cloudwatch.alarm_states("reconciler-not-running")[-1]


def test_an_interval_is_what_is_set() -> None:
    cloudwatch = CloudWatch(Declared(declared("dev", {"reconcileMinutes": 5})))
    cloudwatch.report_jobs("JobsStuck", 2)
    cloudwatch.advance(5 * MINUTE)
    cloudwatch.report_jobs("JobsStuck", 0)
    cloudwatch.advance(20 * MINUTE)
    assert cloudwatch.alarm_states("stuck-jobs") == [True, False, False, False, False]
    assert cloudwatch.alarm_states("reconciler-not-running") == [False, False, False, False, True]


# api-errors


def answers(cloudwatch: CloudWatch, *of_5xx: int, of_4xx: int = 0) -> None:
    """Five minutes of a hundred answers with so many 5xx, and the next, and the next."""
    for one in of_5xx:
        cloudwatch.report_responses(100, of_4xx=of_4xx, of_5xx=one)
        cloudwatch.advance(FIVE_MINUTES)


def test_six_5xx_in_a_hundred_answers_ring_in_two_of_three_periods(
    cloudwatch: CloudWatch,
) -> None:
    answers(cloudwatch, 6, 0, 6, 0)
    assert cloudwatch.alarm_states("api-errors") == [False, False, True, False]


def test_five_5xx_in_a_hundred_answers_do_not_ring(cloudwatch: CloudWatch) -> None:
    answers(cloudwatch, 5, 5, 5)
    assert not any(cloudwatch.alarm_states("api-errors"))


def test_five_minutes_of_nothing_but_5xx_do_not_ring_alone(cloudwatch: CloudWatch) -> None:
    answers(cloudwatch, 100, 0, 0, 0)
    assert not any(cloudwatch.alarm_states("api-errors"))


def test_whatever_clients_do_wrong_does_not_ring(cloudwatch: CloudWatch) -> None:
    answers(cloudwatch, 0, 0, 0, of_4xx=100)
    assert not any(cloudwatch.alarm_states("api-errors"))


# All


def test_nothing_rings_in_silence_but_that_there_are_no_sweeps(
    program: Declared, cloudwatch: CloudWatch
) -> None:
    cloudwatch.advance(60 * MINUTE)
    ringing = {
        name
        for name in program.of("cloudwatch/metricAlarm:MetricAlarm")
        if cloudwatch.alarm_states(name)[-1]
    }
    assert ringing == {"reconciler-not-running"}


def test_no_alarm_is_kept_quiet_or_ringing_by_what_fills_in_for_late_data(
    program: Declared, cloudwatch: CloudWatch
) -> None:
    """ "FILL ... can result in the alarm being stuck in either OK state or ALARM state" if the
    newest data is always late: unless the one period that is filled does not decide.
    """
    for name, alarm in program.of("cloudwatch/metricAlarm:MetricAlarm").items():
        if any("FILL" in query.get("expression", "") for query in alarm.inputs["metricQueries"]):
            found = cloudwatch.alarm(name)
            assert found.datapoints == found.periods > 1
            assert found.missing == "breaching"
