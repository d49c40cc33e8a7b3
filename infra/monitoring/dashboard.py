"""The CloudWatch dashboard: rows of widgets on a grid of 24 columns.

"Dashboard Body Structure and Syntax" in the CloudWatch API Reference has the format.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import pulumi

from infra.config.settings import Settings
from infra.monitoring import prices
from infra.monitoring.metrics import Metric, StackMetrics
from infra.monitoring.widgets import (
    ALL_COLUMNS,
    BLUE,
    GREEN,
    GREY,
    HEIGHT,
    ORANGE,
    RED,
    Row,
    Widget,
    graph,
    math,
)

ALARMS_HEIGHT = 2

PUTS_PER_JOB = 3
"""Write requests of a job besides its parts: create and complete the upload, put the receipt."""


def dashboard(
    stack: StackMetrics, settings: Settings, alarm_arns: Sequence[pulumi.Input[str]]
) -> dict[str, Any]:
    """Return the dashboard's body. It may contain outputs."""
    widgets = [
        *_jobs(stack),
        *_throughput(stack),
        *_queues(stack, settings),
        *_functions(stack, settings),
        *_api(stack),
        _throttles(stack),
        _cost(stack),
    ]
    x, y = 0, ALARMS_HEIGHT
    for widget in widgets:
        widget["x"], widget["y"] = x, y
        widget["properties"]["region"] = settings.region
        x += widget["width"]
        if x == ALL_COLUMNS:
            x, y = 0, y + HEIGHT
    alarms = {
        "type": "alarm",
        "x": 0,
        "y": 0,
        "width": ALL_COLUMNS,
        "height": ALARMS_HEIGHT,
        "properties": {"title": "Alarms (docs/operations.md)", "alarms": list(alarm_arns)},
    }
    return {"start": "-PT3H", "periodOverride": "auto", "widgets": [alarms, *widgets]}


def _jobs(stack: StackMetrics) -> list[Widget]:
    statuses = (
        ("JobsReady", "READY", GREEN),
        ("JobsFailed", "FAILED", RED),
        ("JobsCancelled", "CANCELLED", GREY),
    )
    return [
        graph(
            "Jobs by final status",
            [stack.job(name).row(label=label, color=color) for name, label, color in statuses],
            "jobs",
            stacked=True,
        ),
        graph(
            "READY jobs: time in the queue",
            _percentiles(partial(stack.job, "QueuedSeconds")),
            "seconds",
        ),
        graph(
            "READY jobs: run time",
            _percentiles(partial(stack.job, "RunningSeconds")),
            "seconds",
        ),
    ]


def _percentiles(metric: Callable[[str], Metric]) -> list[Row]:
    """Return a row for each percentile. ``metric`` takes the statistic."""
    colors = (("p50", GREEN), ("p90", ORANGE), ("p99", RED))
    return [metric(stat).row(label=stat, color=color) for stat, color in colors]


def _throughput(stack: StackMetrics) -> list[Widget]:
    return [
        graph(
            "Bytes zipped",
            [
                stack.job("BytesZipped").row(id="zipped", visible=False),
                stack.job("BytesCopied").row(id="copied", visible=False),
                math("FILL(zipped, 0) / PERIOD(zipped) / 1000000", "all", color=BLUE),
                math("FILL(copied, 0) / PERIOD(zipped) / 1000000", "copied by S3", color=GREEN),
            ],
            "MB per second",
        ),
        graph(
            "Entries zipped",
            [
                stack.job("Entries").row(id="entries", visible=False),
                stack.job("Skipped").row(id="skipped", visible=False),
                math("FILL(entries, 0) / PERIOD(entries)", "zipped", color=BLUE),
                math("FILL(skipped, 0) / PERIOD(entries)", "skipped", color=ORANGE),
            ],
            "entries per second",
        ),
        graph(
            "Parts and segments",
            [
                stack.job("Parts").row(label="parts uploaded", color=BLUE),
                stack.job("Segments").row(label="segments", color=GREEN),
            ],
            "count",
        ),
    ]


def _queues(stack: StackMetrics, settings: Settings) -> list[Widget]:
    visible, in_flight = (
        "ApproximateNumberOfMessagesVisible",
        "ApproximateNumberOfMessagesNotVisible",
    )
    age, received = "ApproximateAgeOfOldestMessage", "NumberOfMessagesReceived"
    return [
        graph(
            "Job queue",
            [
                stack.job_queue.metric(visible, "Maximum").row(label="waiting", color=ORANGE),
                stack.job_queue.metric(in_flight, "Maximum").row(label="in progress", color=BLUE),
            ],
            "messages",
            stacked=True,
        ),
        graph(
            "Job queue: oldest message",
            [stack.job_queue.metric(age, "Maximum").row(label="age", color=BLUE)],
            "seconds",
            limit=("oldest-message", settings.alarm_oldest_message_seconds),
        ),
        graph(
            "Needs attention",
            [
                stack.dead_letters.metric(received).row(label="dead letters", color=RED),
                stack.dead_letters.metric(visible, "Maximum").row(
                    label="dead letters waiting", color=ORANGE
                ),
                stack.job("JobsStuck").row(label="stuck jobs", color=GREY),
                *(
                    stack.rule(rule, "FailedInvocations").row(label=f"undelivered: {rule}")
                    for rule in stack.rules
                ),
            ],
            "count",
        ),
    ]


def _functions(stack: StackMetrics, settings: Settings) -> list[Widget]:
    def each(name: str, stat: str = "Sum") -> list[Row]:
        return [
            function.metric(name, stat).row(label=label)
            for label, function in stack.functions.items()
        ]

    zipper = stack.functions["zipper"]
    return [
        graph("Functions: errors", each("Errors"), "invocations", stacked=True),
        graph("Functions: duration, p99", each("Duration", "p99"), "milliseconds"),
        graph(
            "Zipper concurrency",
            [zipper.metric("ConcurrentExecutions", "Maximum").row(label="zipper", color=BLUE)],
            "executions",
            limit=settings.zippers,
        ),
    ]


def _api(stack: StackMetrics) -> list[Widget]:
    return [
        graph(
            "API: requests",
            [
                stack.api("Count").row(label="all", color=BLUE),
                stack.api("4xx").row(label="4xx (including 429)", color=ORANGE),
                stack.api("5xx").row(label="5xx", color=RED),
            ],
            "requests",
        ),
        graph("API: latency", _percentiles(partial(stack.api, "Latency")), "milliseconds"),
    ]


def _throttles(stack: StackMetrics) -> Widget:
    """Graph the throttled invocations, and the throttled requests to the table and its indexes."""
    tables = {"table": None, **{f"index {name}": name for name in stack.indexes}}
    return graph(
        "Throttles",
        [
            *(
                function.metric("Throttles").row(label=label)
                for label, function in stack.functions.items()
            ),
            *(
                stack.table(f"{kind}ThrottleEvents", index).row(label=f"{label}: {kind.lower()}s")
                for label, index in tables.items()
                for kind in ("Read", "Write")
            ),
        ],
        "invocations, reads and writes",
        stacked=True,
    )


def _cost(stack: StackMetrics) -> Widget:
    """Graph the estimated cost per hour at the current rate, at the prices of us-east-1.

    The estimate assumes one S3 read per entry, and one S3 write per part plus a few per job. It
    does not include storage, logs, metrics and data transfer.
    """
    rows: list[Row] = []

    def value(metric: Metric) -> str:
        """Add a hidden row for the metric. Return its value, or 0 without data."""
        id_ = f"m{len(rows)}"
        rows.append(metric.row(id=id_, visible=False))
        return f"FILL({id_}, 0)"

    def total(metrics: Iterable[Metric]) -> str:
        return " + ".join(value(metric) for metric in metrics)

    functions = stack.functions.values()
    gb_seconds = " + ".join(
        f"{value(one.metric('Duration'))} * {one.memory_mb / 1024:g} / 1000" for one in functions
    )
    invocations = total(one.metric("Invocations") for one in functions)
    puts = f"{value(stack.job('Parts'))} + {PUTS_PER_JOB} * {value(stack.job('JobsReady'))}"
    gets = value(stack.job("Entries"))
    messages = total(
        queue.metric(f"NumberOf{name}")
        for queue in (stack.job_queue, stack.dead_letters)
        for name in ("MessagesSent", "MessagesReceived", "MessagesDeleted", "EmptyReceives")
    )
    tables = (None, *stack.indexes)
    reads = total(stack.table("ConsumedReadCapacityUnits", index) for index in tables)
    writes = total(stack.table("ConsumedWriteCapacityUnits", index) for index in tables)
    requests = value(stack.api("Count"))
    events = total(stack.job(name) for name in ("JobsReady", "JobsFailed", "JobsCancelled"))
    hour = "* 3600 / PERIOD(m0)"
    parts = {
        "Lambda": [
            _price(prices.PER_GB_SECOND, gb_seconds),
            _price(prices.PER_INVOCATION, invocations),
        ],
        "S3": [_price(prices.PER_GET, gets), _price(prices.PER_PUT, puts)],
        "SQS, DynamoDB, API, events": [
            _price(prices.PER_SQS_REQUEST, messages),
            _price(prices.PER_READ_UNIT, reads),
            _price(prices.PER_WRITE_UNIT, writes),
            _price(prices.PER_API_REQUEST, requests),
            _price(prices.PER_EVENT, events),
        ],
    }
    colors = (ORANGE, GREEN, BLUE)
    costs = [
        math(f"({' + '.join(terms)}) {hour}", label, color=color)
        for (label, terms), color in zip(parts.items(), colors, strict=True)
    ]
    return graph(
        "Estimated cost", [*rows, *costs], "dollars per hour", stacked=True, width=ALL_COLUMNS
    )


def _price(dollars: float, units: str) -> str:
    """Return the price of ``units``. Metric math has no exponent notation."""
    return f"({units}) * {dollars:.10f}".rstrip("0")
