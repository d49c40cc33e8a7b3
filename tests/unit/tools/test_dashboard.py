"""The dashboard's picture: what is measured, and that the declared dashboard can be drawn."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tools.declared import declared
from tools.pictures.board import Board
from tools.pictures.measuring import Measured
from tools.pictures.metric_math import Window

REPORT = "REPORT RequestId: 0f0f-1\tDuration: 12.50 ms\tBilled Duration: 13 ms"
LAMBDA = {"FunctionName": "zipper"}


def values(measured: Measured, name: str) -> list[float]:
    return [value for _, value in measured.of("AWS/Lambda", name, LAMBDA)]


def test_an_invocation_is_measured_by_its_log() -> None:
    measured = Measured()
    measured.log("zipper", "START RequestId: 0f0f-1 Version: $LATEST")
    measured.log("zipper", "START RequestId: 0f0f-2 Version: $LATEST")
    measured.log("zipper", REPORT)
    assert values(measured, "Invocations") == [1, 1]
    assert values(measured, "ConcurrentExecutions") == [1, 2]
    assert values(measured, "Duration") == [12.5]
    assert values(measured, "Errors") == [0]


def test_one_that_is_killed_is_an_error() -> None:
    measured = Measured()
    measured.log("zipper", "5a0c0f6e-0000-4000-8000-0123456789ab Runtime.ExitError: signal 9")
    assert values(measured, "Errors") == [1]


def test_a_line_in_the_embedded_metric_format_is_its_metrics() -> None:
    measured = Measured()
    line = {
        "_aws": {
            "Timestamp": 1_700_000_000_500,
            "CloudWatchMetrics": [
                {
                    "Namespace": "S3ZipJobs",
                    "Dimensions": [["service"]],
                    "Metrics": [{"Name": "Entries", "Unit": "Count"}],
                }
            ],
        },
        "service": "here",
        "job_id": "job-1",
        "Entries": [3.0],
    }
    measured.log("zipper", json.dumps(line, separators=(",", ":")))
    assert measured.of("S3ZipJobs", "Entries", {"service": "here"}) == [(1_700_000_000.5, 3.0)]


def test_the_declared_dashboard_can_be_drawn_with_and_without_data(tmp_path: Path) -> None:
    (declaration,) = [one for one in declared("dev").values() if one.type.endswith(":Dashboard")]
    measured = Measured()
    measured.points["S3ZipJobs", "JobsReady", frozenset({("service", "s3-zip-jobs-dev")})] = [
        (1003.0, 1.0),
        (1004.0, 1.0),
    ]
    board = Board(
        body=json.loads(declaration.inputs["dashboardBody"]),
        measured=measured,
        window=Window(1000, 5, 3),
        title="A dashboard",
        caption="Of two jobs",
        shaded=(5, 10),
        alarms={"dead-letters": False, "stuck-jobs": True},
    )
    (jobs,) = [
        one["properties"]
        for one in board.body["widgets"]
        if one["properties"]["title"] == "Jobs by end"
    ]
    ready = next(line for line in board.lines(jobs) if line.label == "READY")
    assert np.array_equal(ready.values, [2, np.nan, np.nan], equal_nan=True)
    board.draw(tmp_path / "board.png", {"Of": "a dashboard"})
    with Image.open(tmp_path / "board.png") as picture:
        assert picture.width > 1000
        assert picture.height > 1000
        assert picture.info["Of"] == "a dashboard"
