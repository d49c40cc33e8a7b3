"""The dashboard: rows of widgets on CloudWatch's grid of 24 columns.

Its shape is that of "Dashboard Body Structure and Syntax" in the CloudWatch API Reference.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import pulumi

from infra import prices
from infra.settings import Settings
from infra.watched import Watched, of_queue

Row = list[Any]
Widget = dict[str, Any]

COLUMNS = 3
WIDTH = 24 // COLUMNS
HEIGHT = 6
ALARMS_HEIGHT = 2

GREEN, RED, GREY, BLUE, ORANGE = "#2ca02c", "#d62728", "#7f7f7f", "#1f77b4", "#ff7f0e"

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
        *_cost(watched),
    ]
    for number, widget in enumerate(widgets):
        widget["x"] = number % COLUMNS * WIDTH
        widget["y"] = number // COLUMNS * HEIGHT + ALARMS_HEIGHT
        widget["properties"]["region"] = settings.region
    alarms = {
        "type": "alarm",
        "x": 0,
        "y": 0,
        "width": 24,
        "height": ALARMS_HEIGHT,
        "properties": {"title": "Alarms (docs/operations.md)", "alarms": list(alarm_arns)},
    }
    return {"start": "-PT3H", "periodOverride": "auto", "widgets": [alarms, *widgets]}


def _widget(
    title: str,
    rows: Iterable[Row],
    unit: str,
    stacked: bool = False,
    limit: tuple[str, float] | None = None,
) -> Widget:
    """A graph. ``limit`` is a line across it."""
    lines = [] if limit is None else [{"label": limit[0], "value": limit[1], "color": RED}]
    return {
        "type": "metric",
        "width": WIDTH,
        "height": HEIGHT,
        "properties": {
            "title": title,
            "view": "timeSeries",
            "stacked": stacked,
            "period": 60,
            "yAxis": {"left": {"label": unit, "showUnits": False, "min": 0}},
            "metrics": list(rows),
            **({"annotations": {"horizontal": lines}} if lines else {}),
        },
    }


def _math(expression: str, label: str, **options: Any) -> Row:
    return [{"expression": expression, "label": label, **options}]


def _jobs(watched: Watched) -> list[Widget]:
    ends = (
        ("JobsReady", "READY", GREEN),
        ("JobsFailed", "FAILED", RED),
        ("JobsCancelled", "CANCELLED", GREY),
    )
    return [
        _widget(
            "Jobs by end",
            [watched.jobs(name).row(label=label, color=color) for name, label, color in ends],
            "jobs",
            stacked=True,
        ),
        _widget("READY jobs: time in the queue", _percentiles(watched, "QueuedSeconds"), "seconds"),
        _widget("READY jobs: time at work", _percentiles(watched, "RunningSeconds"), "seconds"),
    ]


def _percentiles(watched: Watched, name: str) -> list[Row]:
    colors = (("p50", GREEN), ("p90", ORANGE), ("p99", RED))
    return [watched.jobs(name, stat).row(label=stat, color=color) for stat, color in colors]


def _throughput(watched: Watched) -> list[Widget]:
    return [
        _widget(
            "Bytes zipped",
            [
                watched.jobs("BytesZipped").row(id="zipped", visible=False),
                watched.jobs("BytesCopied").row(id="copied", visible=False),
                _math("FILL(zipped, 0) / PERIOD(zipped) / 1000000", "all", color=BLUE),
                _math("FILL(copied, 0) / PERIOD(zipped) / 1000000", "copied by S3", color=GREEN),
            ],
            "MB per second",
        ),
        _widget(
            "Entries zipped",
            [
                watched.jobs("Entries").row(id="entries", visible=False),
                watched.jobs("Skipped").row(id="skipped", visible=False),
                _math("FILL(entries, 0) / PERIOD(entries)", "zipped", color=BLUE),
                _math("FILL(skipped, 0) / PERIOD(entries)", "skipped: missing", color=ORANGE),
            ],
            "entries per second",
        ),
        _widget(
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
        _widget(
            "Job queue",
            [
                of_queue(watched.queue, visible, "Maximum").row(label="waiting", color=ORANGE),
                of_queue(watched.queue, hidden, "Maximum").row(label="at work", color=BLUE),
            ],
            "messages",
            stacked=True,
        ),
        _widget(
            "Job queue: oldest message",
            [of_queue(watched.queue, age, "Maximum").row(label="age", color=BLUE)],
            "seconds",
            limit=("oldest-message", settings.alarm_oldest_message_seconds),
        ),
        _widget(
            "What needs somebody",
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
        _widget(
            "Functions: errors and throttles",
            [
                *of_each("Errors"),
                *(
                    one.metric("Throttles").row(label=f"{called}, throttled")
                    for called, one in watched.functions.items()
                ),
            ],
            "invocations",
            stacked=True,
        ),
        _widget("Functions: duration, p99", of_each("Duration", "p99"), "milliseconds"),
        _widget(
            "Zippers at work",
            [zipper.metric("ConcurrentExecutions", "Maximum").row(label="zippers", color=BLUE)],
            "executions",
            limit=("zipperMaxConcurrency", settings.zipper_max_concurrency),
        ),
    ]


def _api(watched: Watched) -> list[Widget]:
    return [
        _widget(
            "API: requests",
            [
                watched.api("Count").row(label="all", color=BLUE),
                watched.api("4xx").row(label="4xx", color=ORANGE),
                watched.api("5xx").row(label="5xx", color=RED),
            ],
            "requests",
        ),
        _widget(
            "API: latency",
            [
                watched.api("Latency", stat).row(label=stat, color=color)
                for stat, color in (("p50", GREEN), ("p90", ORANGE), ("p99", RED))
            ],
            "milliseconds",
        ),
    ]


def _cost(watched: Watched) -> list[Widget]:
    """What it would cost to go on like this for an hour, at the prices of us-east-1.

    Reads of S3 are taken to be one for each entry, writes one for each part and a few for each job.
    Without storage, logs, metrics and transfer.
    """
    rows: list[Row] = []

    def of(metric: Any) -> str:
        """The metric, hidden, and where nothing is known of it nothing."""
        id_ = f"m{len(rows)}"
        rows.append(metric.row(id=id_, visible=False))
        return f"FILL({id_}, 0)"

    def total(metrics: Iterable[Any]) -> str:
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
    places = (None, *watched.indexes)
    reads = total(watched.capacity("ConsumedReadCapacityUnits", one) for one in places)
    writes = total(watched.capacity("ConsumedWriteCapacityUnits", one) for one in places)
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
        _math(f"({' + '.join(terms)}) {hour}", label, color=color)
        for (label, terms), color in zip(parts.items(), colors, strict=True)
    ]
    return [_widget("Estimated cost", [*rows, *costs], "dollars per hour", stacked=True)]


def _at(dollars: float, units: str) -> str:
    """What ``units`` cost. Metric math knows no exponents."""
    return f"({units}) * {dollars:.10f}".rstrip("0")
