"""The dashboard: rows of widgets on CloudWatch's grid of 24 columns.

Its shape is that of "Dashboard Body Structure and Syntax" in the CloudWatch API Reference.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import pulumi

from infra.config.settings import Settings
from infra.monitoring import prices
from infra.monitoring.metrics import Metric, Watched, of_queue
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
"""Creating the upload, completing it, and the receipt, besides the parts."""


def dashboard(
    watched: Watched, settings: Settings, alarm_arns: Sequence[pulumi.Input[str]]
) -> dict[str, Any]:
    """The dashboard's body, in which names may be outputs."""
    widgets = [
        *_jobs(watched),
        *_throughput(watched),
        *_queues(watched, settings),
        *_functions(watched, settings),
        *_api(watched),
        _throttles(watched),
        _cost(watched),
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


def _jobs(watched: Watched) -> list[Widget]:
    ends = (
        ("JobsReady", "READY", GREEN),
        ("JobsFailed", "FAILED", RED),
        ("JobsCancelled", "CANCELLED", GREY),
    )
    return [
        graph(
            "Jobs by end",
            [watched.jobs(name).row(label=label, color=color) for name, label, color in ends],
            "jobs",
            stacked=True,
        ),
        graph(
            "READY jobs: time in the queue",
            _percentiles(partial(watched.jobs, "QueuedSeconds")),
            "seconds",
        ),
        graph(
            "READY jobs: time at work",
            _percentiles(partial(watched.jobs, "RunningSeconds")),
            "seconds",
        ),
    ]


def _percentiles(of: Callable[[str], Metric]) -> list[Row]:
    """Of a metric by its statistic."""
    colors = (("p50", GREEN), ("p90", ORANGE), ("p99", RED))
    return [of(stat).row(label=stat, color=color) for stat, color in colors]


def _throughput(watched: Watched) -> list[Widget]:
    return [
        graph(
            "Bytes zipped",
            [
                watched.jobs("BytesZipped").row(id="zipped", visible=False),
                watched.jobs("BytesCopied").row(id="copied", visible=False),
                math("FILL(zipped, 0) / PERIOD(zipped) / 1000000", "all", color=BLUE),
                math("FILL(copied, 0) / PERIOD(zipped) / 1000000", "copied by S3", color=GREEN),
            ],
            "MB per second",
        ),
        graph(
            "Entries zipped",
            [
                watched.jobs("Entries").row(id="entries", visible=False),
                watched.jobs("Skipped").row(id="skipped", visible=False),
                math("FILL(entries, 0) / PERIOD(entries)", "zipped", color=BLUE),
                math("FILL(skipped, 0) / PERIOD(entries)", "skipped: missing", color=ORANGE),
            ],
            "entries per second",
        ),
        graph(
            "Parts and segments",
            [
                watched.jobs("Parts").row(label="parts of archives", color=BLUE),
                watched.jobs("Segments").row(label="segments of jobs", color=GREEN),
            ],
            "count",
        ),
    ]


def _queues(watched: Watched, settings: Settings) -> list[Widget]:
    visible, hidden = "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"
    age, arrived = "ApproximateAgeOfOldestMessage", "NumberOfMessagesReceived"
    return [
        graph(
            "Job queue",
            [
                of_queue(watched.queue, visible, "Maximum").row(label="waiting", color=ORANGE),
                of_queue(watched.queue, hidden, "Maximum").row(label="at work", color=BLUE),
            ],
            "messages",
            stacked=True,
        ),
        graph(
            "Job queue: oldest message",
            [of_queue(watched.queue, age, "Maximum").row(label="age", color=BLUE)],
            "seconds",
            limit=("oldest-message", settings.alarm_oldest_message_seconds),
        ),
        graph(
            "Needs attention",
            [
                of_queue(watched.dead_letters, arrived).row(label="dead letters", color=RED),
                of_queue(watched.dead_letters, visible, "Maximum").row(
                    label="dead letters waiting", color=ORANGE
                ),
                watched.jobs("JobsStuck").row(label="jobs stuck", color=GREY),
                *(
                    watched.rule(called, "FailedInvocations").row(label=f"undelivered: {called}")
                    for called in watched.rules
                ),
            ],
            "count",
        ),
    ]


def _functions(watched: Watched, settings: Settings) -> list[Widget]:
    def of_each(name: str, stat: str = "Sum") -> list[Row]:
        return [one.metric(name, stat).row(label=f) for f, one in watched.functions.items()]

    zipper = watched.functions["zipper"]
    return [
        graph("Functions: errors", of_each("Errors"), "invocations", stacked=True),
        graph("Functions: duration, p99", of_each("Duration", "p99"), "milliseconds"),
        graph(
            "Zipper concurrency",
            [zipper.metric("ConcurrentExecutions", "Maximum").row(label="zippers", color=BLUE)],
            "executions",
            limit=("zipperMaxConcurrency", settings.zipper_max_concurrency),
        ),
    ]


def _api(watched: Watched) -> list[Widget]:
    return [
        graph(
            "API: requests",
            [
                watched.api("Count").row(label="all", color=BLUE),
                watched.api("4xx").row(label="4xx, with 429", color=ORANGE),
                watched.api("5xx").row(label="5xx", color=RED),
            ],
            "requests",
        ),
        graph("API: latency", _percentiles(partial(watched.api, "Latency")), "milliseconds"),
    ]


def _throttles(watched: Watched) -> Widget:
    """Whom AWS made wait: functions, and who uses the table and its indexes."""
    tables = {"table": None, **{f"index {name}": name for name in watched.indexes}}
    return graph(
        "Throttles",
        [
            *(
                one.metric("Throttles").row(label=called)
                for called, one in watched.functions.items()
            ),
            *(
                watched.of_table(f"{kind}ThrottleEvents", index).row(
                    label=f"{called}: {kind.lower()}s"
                )
                for called, index in tables.items()
                for kind in ("Read", "Write")
            ),
        ],
        "invocations, reads and writes",
        stacked=True,
    )


def _cost(watched: Watched) -> Widget:
    """What it would cost to go on like this for an hour, at the prices of us-east-1.

    Reads of S3 are taken to be one for each entry, writes one for each part and a few for each job.
    Without storage, logs, metrics and transfer.
    """
    rows: list[Row] = []

    def of(metric: Metric) -> str:
        """The metric, hidden, and where nothing is known of it nothing."""
        id_ = f"m{len(rows)}"
        rows.append(metric.row(id=id_, visible=False))
        return f"FILL({id_}, 0)"

    def total(metrics: Iterable[Metric]) -> str:
        return " + ".join(of(metric) for metric in metrics)

    functions = watched.functions.values()
    gb_seconds = " + ".join(
        f"{of(one.metric('Duration'))} * {one.memory_mb / 1024:g} / 1000" for one in functions
    )
    invocations = total(one.metric("Invocations") for one in functions)
    puts = f"{of(watched.jobs('Parts'))} + {PUTS_PER_JOB} * {of(watched.jobs('JobsReady'))}"
    gets = of(watched.jobs("Entries"))
    messages = total(
        of_queue(queue, f"NumberOf{what}")
        for queue in (watched.queue, watched.dead_letters)
        for what in ("MessagesSent", "MessagesReceived", "MessagesDeleted", "EmptyReceives")
    )
    tables = (None, *watched.indexes)
    reads = total(watched.of_table("ConsumedReadCapacityUnits", one) for one in tables)
    writes = total(watched.of_table("ConsumedWriteCapacityUnits", one) for one in tables)
    asked = of(watched.api("Count"))
    events = total(watched.jobs(name) for name in ("JobsReady", "JobsFailed", "JobsCancelled"))
    hour = "* 3600 / PERIOD(m0)"
    parts = {
        "Lambda": [_at(prices.PER_GB_SECOND, gb_seconds), _at(prices.PER_INVOCATION, invocations)],
        "S3": [_at(prices.PER_GET, gets), _at(prices.PER_PUT, puts)],
        "SQS, DynamoDB, API, events": [
            _at(prices.PER_SQS_REQUEST, messages),
            _at(prices.PER_READ_UNIT, reads),
            _at(prices.PER_WRITE_UNIT, writes),
            _at(prices.PER_API_REQUEST, asked),
            _at(prices.PER_EVENT, events),
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


def _at(dollars: float, units: str) -> str:
    """What ``units`` cost. Metric math knows no exponents."""
    return f"({units}) * {dollars:.10f}".rstrip("0")
