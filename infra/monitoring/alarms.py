"""The alarms: what each watches, when it rings, and what silence means. docs/operations.md says
what to do.

Metrics come late, by minutes. ``FILL`` would make the latest period of one what it is filled with,
and so keep an alarm quiet ("Using metric math" in the CloudWatch User Guide). Arithmetic takes what
is missing from one of several metrics to be 0 without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi_aws as aws

from infra.config.settings import Settings
from infra.monitoring.metrics import Metric, Watched, of_queue

MINUTE = 60
FIVE_MINUTES = 300

GUIDE = "docs/operations.md"

LATE = 3
"""Periods in any of which one event makes an alarm ring: news of it may come after the latest."""

WORKERS = ("zipper", "dead-letter", "reconciler")
"""The functions whose errors nobody else would learn of; the others' are 5xx of the API."""


@dataclass(frozen=True)
class Alarm:
    """It watches ``expression``, metric math over ``metrics`` by id, or the only metric there is.
    It rings when that is beyond ``threshold`` in ``datapoints`` of the last ``periods``.

    ``missing`` is what a period without data counts as.
    """

    name: str
    says: str
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
        return f"{self.says} What to do: {GUIDE}, {self.name}."

    def queries(self) -> list[aws.cloudwatch.MetricAlarmMetricQueryArgs]:
        """The metric queries of a MetricAlarm, of which it watches the last."""
        queries = [
            metric.query(id_, self.period_seconds, is_watched=self.expression is None)
            for id_, metric in self.metrics.items()
        ]
        if self.expression is not None:
            queries.append(
                aws.cloudwatch.MetricAlarmMetricQueryArgs(
                    id="watched", expression=self.expression, label=self.name, return_data=True
                )
            )
        return queries


def alarms(watched: Watched, settings: Settings) -> list[Alarm]:
    """All of them."""
    reconcile_seconds = settings.reconcile_minutes * MINUTE
    workers = [watched.functions[name] for name in WORKERS]
    return [
        Alarm(
            "dead-letters",
            "The queue gave up on a message, or EventBridge could not deliver one.",
            {
                # What is moved there does not count as sent, and is taken off at once.
                "received": of_queue(watched.dead_letters, "NumberOfMessagesReceived"),
                "waiting": of_queue(
                    watched.dead_letters, "ApproximateNumberOfMessagesVisible", "Maximum"
                ),
            },
            expression="received + waiting",
            threshold=0,
            missing="notBreaching",  # a queue that is idle for hours reports nothing
            periods=LATE,
        ),
        Alarm(
            "oldest-message",
            "Jobs wait too long, or one is not getting on.",
            {"age": of_queue(watched.queue, "ApproximateAgeOfOldestMessage", "Maximum")},
            threshold=settings.alarm_oldest_message_seconds,
            missing="notBreaching",  # reported only while there is a message
        ),
        Alarm(
            "worker-errors",
            "Functions that work through the queues crash, run out of memory or time out.",
            {
                **{f"e{n}": one.metric("Errors") for n, one in enumerate(workers)},
                **{f"i{n}": one.metric("Invocations") for n, one in enumerate(workers)},
            },
            expression="100 * (e0 + e1 + e2) / (i0 + i1 + i2)",
            threshold=settings.alarm_error_percent,
            missing="notBreaching",  # nothing ran, so nothing failed
            periods=3,
            datapoints=2,  # one that is killed is made up for by the next
        ),
        Alarm(
            "undelivered-events",
            "EventBridge gave up on events: manifests that start no job, sweeps that do not run, "
            "or completion events that are lost.",
            {
                f"r{n}": watched.rule(called, "FailedInvocations")
                for n, called in enumerate(watched.rules)
            },
            expression=" + ".join(f"r{n}" for n in range(len(watched.rules))),
            threshold=0,
            missing="notBreaching",  # reported only if it is not zero
            periods=LATE,
        ),
        Alarm(
            "stuck-jobs",
            "The reconciler found jobs that nobody worked on.",
            {"stuck": watched.jobs("JobsStuck")},
            threshold=0,
            missing="ignore",  # between two sweeps nothing is known: it stays as it was
            period_seconds=reconcile_seconds,
        ),
        Alarm(
            "reconciler-not-running",
            "The reconciler has not run for three of its intervals: jobs that get lost stay lost.",
            {"checks": watched.jobs("JobsStuck", "SampleCount")},
            # Without it, older data would stand in for what is missing: it would ring too late. One
            # period that is filled too soon does not make it ring.
            expression="FILL(checks, 0)",
            threshold=1,
            missing="breaching",  # silence is what this one is about
            period_seconds=reconcile_seconds,
            periods=3,
            datapoints=3,
            comparison="LessThanThreshold",
        ),
        Alarm(
            "api-errors",
            "The API answers with 5xx.",
            {"errors": watched.api("5xx"), "all": watched.api("Count")},
            expression="100 * errors / all",
            threshold=settings.alarm_error_percent,
            missing="notBreaching",  # nobody asked
            periods=3,
            datapoints=2,
        ),
    ]
