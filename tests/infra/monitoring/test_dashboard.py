"""The values that the dashboard's graphs show for reported metrics."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import Declared
from tests.support.cloudwatch.simulation import CloudWatch, graphs

ROOT = Path(__file__).resolve().parents[3]
PRICES: dict[str, Any] = json.loads((ROOT / "zipjobs/worker/prices.json").read_text())

FUNCTIONS = ("enqueue", "status", "cancel", "docs", "zipper", "dead-letter", "reconciler")
RECEIVED = "NumberOfMessagesReceived"
WAITING, AT_WORK = "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"
AGE = "ApproximateAgeOfOldestMessage"
MINUTES_IN_AN_HOUR = 60

PERCENTILES = {  # of 1 to 100
    "p50": pytest.approx(50.5),
    "p90": pytest.approx(90.1),
    "p99": pytest.approx(99.01),
}


@pytest.fixture
def cloudwatch(program: Declared) -> CloudWatch:
    return CloudWatch(program)


def test_jobs_are_counted_by_final_status(cloudwatch: CloudWatch) -> None:
    cloudwatch.report_jobs("JobsReady", 1, 1, 1)
    cloudwatch.report_jobs("JobsFailed", 1, 1)
    cloudwatch.report_jobs("JobsCancelled", 1)
    assert cloudwatch.graph_values("Jobs by final status") == {
        "READY": 3,
        "FAILED": 2,
        "CANCELLED": 1,
    }


@pytest.mark.parametrize(
    ("metric", "title"),
    [
        ("QueuedSeconds", "READY jobs: time in the queue"),
        ("RunningSeconds", "READY jobs: run time"),
    ],
)
def test_durations_are_shown_as_percentiles(
    cloudwatch: CloudWatch, metric: str, title: str
) -> None:
    cloudwatch.report_jobs(metric, *range(1, 101))
    assert cloudwatch.graph_values(title) == PERCENTILES
    assert unit(cloudwatch, title) == "seconds"


def test_bytes_are_shown_per_second(cloudwatch: CloudWatch) -> None:
    cloudwatch.report_jobs("BytesZipped", 100_000_000, 20_000_000)
    cloudwatch.report_jobs("BytesCopied", 60_000_000, 0)
    assert cloudwatch.graph_values("Bytes zipped") == {"all": 2, "copied by S3": 1}
    assert unit(cloudwatch, "Bytes zipped") == "MB per second"


def test_entries_are_shown_per_second(cloudwatch: CloudWatch) -> None:
    cloudwatch.report_jobs("Entries", 500, 100)
    cloudwatch.report_jobs("Skipped", 6, 0)
    assert cloudwatch.graph_values("Entries zipped") == {"zipped": 10, "skipped": 0.1}


def test_parts_and_segments_are_counted(cloudwatch: CloudWatch) -> None:
    cloudwatch.report_jobs("Parts", 30, 4)
    cloudwatch.report_jobs("Segments", 3, 1)
    shown = {"parts uploaded": 34, "segments": 4}
    assert cloudwatch.graph_values("Parts and segments") == shown


def test_queue_length_and_age_have_separate_graphs(cloudwatch: CloudWatch) -> None:
    cloudwatch.report_queue("jobs", WAITING, 3, 70, 5)
    cloudwatch.report_queue("jobs", AT_WORK, 1, 8, 2)
    cloudwatch.report_queue("jobs", AGE, 100, 1700, 10)
    cloudwatch.report_queue("dead-letters", WAITING, 1000)
    assert cloudwatch.graph_values("Job queue") == {"waiting": 70, "in progress": 8}
    assert cloudwatch.graph_values("Job queue: oldest message") == {"age": 1700}


def test_problems_are_shown_by_kind(cloudwatch: CloudWatch) -> None:
    cloudwatch.report_queue("dead-letters", RECEIVED, 1, 1)
    cloudwatch.report_queue("dead-letters", WAITING, 5, 1)
    cloudwatch.report_jobs("JobsStuck", 3)
    cloudwatch.report_rule("manifest-uploads", "FailedInvocations", 4)
    cloudwatch.report_rule("reconciler", "FailedInvocations", 6)
    cloudwatch.report_rule("completed", "FailedInvocations", 7)
    assert cloudwatch.graph_values("Needs attention") == {
        "dead letters": 2,
        "dead letters waiting": 5,
        "stuck jobs": 3,
        "undelivered: manifests": 4,
        "undelivered: reconciler": 6,
        "undelivered: completions": 7,
    }


def test_errors_and_duration_are_shown_for_each_function(cloudwatch: CloudWatch) -> None:
    for number, function in enumerate(FUNCTIONS):
        cloudwatch.report_invocations(function, 10, errors=number, throttles=50)
        cloudwatch.report_function(function, "Duration", *[1000 * number] * 100)
    of_each = {function: number for number, function in enumerate(FUNCTIONS)}
    assert cloudwatch.graph_values("Functions: errors") == of_each
    assert cloudwatch.graph_values("Functions: duration, p99") == {
        function: 1000 * number for function, number in of_each.items()
    }


def test_one_slow_invocation_in_fifty_shows_in_p99(cloudwatch: CloudWatch) -> None:
    cloudwatch.report_function("zipper", "Duration", *[100] * 49, 900_000)
    assert cloudwatch.graph_values("Functions: duration, p99")["zipper"] > 400_000


def test_throttles_of_functions_table_and_indexes_are_shown(
    cloudwatch: CloudWatch,
) -> None:
    for number, function in enumerate(FUNCTIONS):
        cloudwatch.report_invocations(function, 10, errors=5, throttles=number)
    for number, index in enumerate((None, "sweep", "owner")):
        cloudwatch.report_table("ReadThrottleEvents", 1, number, index=index)
        cloudwatch.report_table("WriteThrottleEvents", 10, number, index=index)
    assert cloudwatch.graph_values("Throttles") == {
        **{function: number for number, function in enumerate(FUNCTIONS)},
        "table: reads": 1,
        "table: writes": 10,
        "index sweep: reads": 2,
        "index sweep: writes": 11,
        "index owner: reads": 3,
        "index owner: writes": 12,
    }


def test_throttles_of_all_declared_indexes_are_shown(program: Declared) -> None:
    (table,) = program.of("dynamodb/table:Table").values()
    indexes = {one["name"] for one in table.inputs["globalSecondaryIndexes"]}
    labels = [row[-1]["label"] for row in CloudWatch(program).graph("Throttles")["metrics"]]
    assert {one for one in labels if one.startswith("index ")} == {
        f"index {name}: {kind}" for name in indexes for kind in ("reads", "writes")
    }


def test_the_maximum_zipper_concurrency_is_shown(cloudwatch: CloudWatch) -> None:
    cloudwatch.report_function("zipper", "ConcurrentExecutions", 1, 7, 3)
    cloudwatch.report_function("reconciler", "ConcurrentExecutions", 9)
    assert cloudwatch.graph_values("Zipper concurrency") == {"zipper": 7}


def test_responses_are_shown_by_status_and_latency(
    cloudwatch: CloudWatch,
) -> None:
    cloudwatch.report_responses(100, of_4xx=20, of_5xx=3)
    cloudwatch.report_api("Latency", *range(1, 101))
    assert cloudwatch.graph_values("API: requests") == {
        "all": 100,
        "4xx (including 429)": 20,
        "5xx": 3,
    }
    assert cloudwatch.graph_values("API: latency") == PERCENTILES
    assert unit(cloudwatch, "API: latency") == "milliseconds"


def test_thresholds_are_drawn_as_lines(program: Declared, cloudwatch: CloudWatch) -> None:
    zippers = program.of("lambda/eventSourceMapping:EventSourceMapping")["zipper"]
    most = zippers.inputs["scalingConfig"]["maximumConcurrency"]
    oldest = cloudwatch.alarm("oldest-message").threshold
    assert limits(cloudwatch, "Job queue: oldest message") == [("oldest-message", oldest)]
    assert limits(cloudwatch, "Zipper concurrency") == [("zipperMaxConcurrency", most)]


def limits(cloudwatch: CloudWatch, title: str) -> list[tuple[str, float]]:
    lines = cloudwatch.graph(title)["annotations"]["horizontal"]
    return [(one["label"], one["value"]) for one in lines]


def unit(cloudwatch: CloudWatch, title: str) -> str:
    label: str = cloudwatch.graph(title)["yAxis"]["left"]["label"]
    return label


# Cost


LAMBDA, S3, OTHERS = "Lambda", "S3", "SQS, DynamoDB, API, events"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_time_costs_gb_seconds(
    program: Declared, cloudwatch: CloudWatch, function: str
) -> None:
    memory = program.of("lambda/function:Function")[function].inputs["memorySize"]
    cloudwatch.report_function(function, "Duration", 20_000, 10_000)
    dollars = memory / 1024 * 30 * PRICES["lambda"]["gbSecond"]
    assert costs(cloudwatch) == {LAMBDA: per_hour(dollars), S3: 0, OTHERS: 0}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_invocations_cost(cloudwatch: CloudWatch, function: str) -> None:
    cloudwatch.report_invocations(function, 1000)
    dollars = 1000 * PRICES["lambda"]["invocation"]
    assert costs(cloudwatch) == {LAMBDA: per_hour(dollars), S3: 0, OTHERS: 0}


def test_a_job_costs_reads_per_entry_and_writes_per_part(
    cloudwatch: CloudWatch,
) -> None:
    cloudwatch.report_jobs("Entries", 700, 300)
    cloudwatch.report_jobs("Parts", 40, 10)
    cloudwatch.report_jobs("JobsReady", 1, 1)
    dollars = 1000 * PRICES["s3"]["read"] + (50 + 2 * 3) * PRICES["s3"]["write"]
    events = 2 * PRICES["events"]["event"]
    assert costs(cloudwatch) == {LAMBDA: 0, S3: per_hour(dollars), OTHERS: per_hour(events)}


def test_requests_of_all_other_services_cost(cloudwatch: CloudWatch) -> None:
    for queue in ("jobs", "dead-letters"):
        for name in ("MessagesSent", "MessagesReceived", "MessagesDeleted", "EmptyReceives"):
            cloudwatch.report_queue(queue, f"NumberOf{name}", 100)
    for index in (None, "sweep", "owner"):
        cloudwatch.report_table("ConsumedReadCapacityUnits", 1000, index=index)
        cloudwatch.report_table("ConsumedWriteCapacityUnits", 10_000, index=index)
    cloudwatch.report_responses(500)
    cloudwatch.report_jobs("JobsFailed", 1)
    cloudwatch.report_jobs("JobsCancelled", 1)
    dollars = (
        800 * PRICES["sqs"]["request"]
        + 3000 * PRICES["dynamodb"]["readUnit"]
        + 30_000 * PRICES["dynamodb"]["writeUnit"]
        + 500 * PRICES["apigateway"]["request"]
        + 2 * PRICES["events"]["event"]
    )
    assert costs(cloudwatch) == {LAMBDA: 0, S3: 0, OTHERS: per_hour(dollars)}


def costs(cloudwatch: CloudWatch) -> dict[str, float]:
    """Return the estimated cost that the reported minute shows."""
    assert unit(cloudwatch, "Estimated cost") == "dollars per hour"
    return cloudwatch.graph_values("Estimated cost")


def per_hour(dollars_in_a_minute: float) -> Any:
    return pytest.approx(dollars_in_a_minute * MINUTES_IN_AN_HOUR)


# All graphs


def test_every_graph_has_a_region_and_starts_at_zero(program: Declared) -> None:
    """CloudWatch requires a region."""
    for one in graphs(program):
        assert one["region"] == "us-east-1"
        assert one["view"] == "timeSeries"
        assert one["yAxis"]["left"]["min"] == 0
