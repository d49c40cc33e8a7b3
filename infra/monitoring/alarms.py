"""The CloudWatch alarms. docs/operations.md says what to do about each.

CloudWatch metrics arrive minutes late. An alarm that must not miss an event looks at several
periods. ``FILL`` would replace the latest period before its data has arrived, and so hide an event
("Using metric math" in the CloudWatch User Guide). In arithmetic over several metrics, a metric
without data counts as 0 even without ``FILL``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi_aws as aws

from infra.config.settings import Settings
from infra.monitoring.metrics import Metric, StackMetrics

MINUTE = 60
FIVE_MINUTES = 300

GUIDE = "docs/operations.md"

ERROR_PERCENT = 5
"""The highest accepted percentage of failed invocations or API responses."""

LATE_PERIODS = 3
"""The periods that an alarm looks back for a single event, because metrics arrive late."""

WORKERS = ("zipper", "dead-letter", "reconciler")
"""The functions whose errors no caller sees. Errors of the other functions are 5xx of the API."""


UNDELIVERED = ("FailedInvocations", "InvocationsFailedToBeSentToDlq")
"""The metrics of a rule about events that did not arrive. The first one does not count events that
go to a dead-letter queue ("Monitoring Amazon EventBridge" in its User Guide)."""


@dataclass(frozen=True)
class Alarm:
    """An alarm on ``expression``, which is metric math over ``metrics`` by ID.

    Without ``expression`` there is one metric, and the alarm watches that. The alarm is raised if
    the value is beyond ``threshold`` in ``datapoints`` of the last ``periods``. ``missing`` says
    how a period without data counts.
    """

    name: str
    summary: str
    metrics: Mapping[str, Metric]
    threshold: float
    missing: str
    expression: str | None = None
    period_seconds: int = FIVE_MINUTES
    periods: int = 1
    datapoints: int = 1
    comparison: str = "GreaterThanThreshold"

    @property
    def description(self) -> str:
        return f"{self.summary} What to do: {GUIDE}, {self.name}."

    def queries(self) -> list[aws.cloudwatch.MetricAlarmMetricQueryArgs]:
        """Return the alarm's queries. The alarm watches the last one."""
        queries = [
            metric.query(id_, self.period_seconds, return_data=self.expression is None)
            for id_, metric in self.metrics.items()
        ]
        if self.expression is not None:
            queries.append(
                aws.cloudwatch.MetricAlarmMetricQueryArgs(
                    id="watched", expression=self.expression, label=self.name, return_data=True
                )
            )
        return queries


def alarms(stack: StackMetrics, settings: Settings) -> list[Alarm]:
    """Return all alarms, in the order of the dashboard."""
    reconcile_seconds = settings.reconcile_minutes * MINUTE
    workers = [stack.functions[name] for name in WORKERS]
    undelivered = {
        f"{name[0].lower()}{number}": stack.rule(rule, name)
        for name in UNDELIVERED
        for number, rule in enumerate(stack.rules)
    }
    return [
        Alarm(
            "dead-letters",
            "A message is on the dead-letter queue: all attempts at a job failed, or EventBridge "
            "could not deliver an event.",
            {
                # SQS does not count messages that it moves to this queue as sent, and the
                # dead-letter function removes them at once.
                "received": stack.dead_letters.metric("NumberOfMessagesReceived"),
                "waiting": stack.dead_letters.metric(
                    "ApproximateNumberOfMessagesVisible", "Maximum"
                ),
            },
            expression="received + waiting",
            threshold=0,
            missing="notBreaching",  # a queue that is idle for hours reports nothing
            periods=LATE_PERIODS,
        ),
        Alarm(
            "oldest-message",
            "Jobs wait too long in the queue, or a job fails on every attempt.",
            {"age": stack.job_queue.metric("ApproximateAgeOfOldestMessage", "Maximum")},
            threshold=settings.alarm_oldest_message_seconds,
            missing="notBreaching",  # reported only while there is a message
        ),
        Alarm(
            "worker-errors",
            "Functions behind the queues and the schedule crash, run out of memory or time out.",
            {
                **{f"e{n}": one.metric("Errors") for n, one in enumerate(workers)},
                **{f"i{n}": one.metric("Invocations") for n, one in enumerate(workers)},
            },
            expression="100 * (e0 + e1 + e2) / (i0 + i1 + i2)",
            threshold=ERROR_PERCENT,
            missing="notBreaching",  # no invocations, so no errors
            periods=3,
            datapoints=2,  # a single crash is retried
        ),
        Alarm(
            "undelivered-events",
            "EventBridge gave up on events: manifests start no job, the reconciler does not run, "
            "or completion events are lost.",
            undelivered,
            expression=" + ".join(undelivered),
            threshold=0,
            missing="notBreaching",  # reported only if it is not zero
            periods=LATE_PERIODS,
        ),
        Alarm(
            "stuck-jobs",
            "The reconciler found jobs without a heartbeat.",
            {"stuck": stack.job("JobsStuck")},
            threshold=0,
            missing="ignore",  # the state changes only when the reconciler runs
            period_seconds=reconcile_seconds,
        ),
        Alarm(
            "reconciler-not-running",
            "The reconciler has not run for three of its intervals, so stuck jobs stay stuck.",
            {"checks": stack.job("JobsStuck", "SampleCount")},
            # Without FILL, CloudWatch evaluates older data instead of missing data, and the alarm
            # would be late. One period that is filled too early does not raise the alarm.
            expression="FILL(checks, 0)",
            threshold=1,
            missing="breaching",  # missing data is what this alarm is about
            period_seconds=reconcile_seconds,
            periods=3,
            datapoints=3,
            comparison="LessThanThreshold",
        ),
        Alarm(
            "api-errors",
            "The API returns 5xx responses.",
            {"errors": stack.api("5xx"), "all": stack.api("Count")},
            expression="100 * errors / all",
            threshold=ERROR_PERCENT,
            missing="notBreaching",  # no requests, so no errors
            periods=3,
            datapoints=2,
        ),
    ]
