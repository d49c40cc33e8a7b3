"""``docs/dashboard.png``: the dashboard, as if CloudWatch had watched the embedded AWS."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from local.names import logical_name
from local.stack import running_stack
from pictures.board import Board
from pictures.measuring import Measured, watching_queues
from pictures.metric_math import Series, Window
from pictures.scenario import SECONDS, SETTINGS, TROUBLE, Traffic

DASHBOARD = Path(__file__).resolve().parent.parent / "docs" / "dashboard.png"

PERIOD_SECONDS = 5
"""In place of the widgets' minute."""

ALARMS_SECONDS = 30
"""In place of the alarms' five minutes. The sweeper's interval is what it is."""

SWEEP_SECONDS = 60 * SETTINGS["sweepMinutes"]

COMPARED = {"GreaterThanThreshold": np.greater, "LessThanThreshold": np.less}


def write_dashboard() -> Path:
    """Let the embedded AWS live through the scenario, and draw it. Takes four minutes."""
    measured = Measured()
    with running_stack(overrides=SETTINGS, log=measured.log) as stack:
        traffic = Traffic(stack, measured)
        traffic.upload()
        with watching_queues(measured, stack):
            began = traffic.run()
        name = stack.outputs["dashboardName"]
        cloudwatch = stack.client("cloudwatch")
        body = json.loads(cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"])
        shown = body["widgets"][0]["properties"]["alarms"]
        alarms = cloudwatch.describe_alarms()["MetricAlarms"]
        window = Window(began, PERIOD_SECONDS, SECONDS // PERIOD_SECONDS)
        board = Board(
            body=body,
            measured=measured,
            window=window,
            title=name,
            caption=(
                "Drawn from the dashboard's own definition by `python -m pictures dashboard`: "
                f"{SECONDS} seconds of the embedded AWS, in periods of {PERIOD_SECONDS}. "
                "In the grey span zippers are killed, and S3 and SQS refuse requests."
            ),
            shaded=TROUBLE,
            alarms={
                logical_name(one["AlarmName"]).removeprefix(f"{name}-"): _rang(
                    one, measured, window
                )
                for one in sorted(alarms, key=lambda one: shown.index(one["AlarmArn"]))
            },
        )
    board.draw(DASHBOARD)
    return DASHBOARD


def _rang(alarm: Mapping[str, Any], measured: Measured, window: Window) -> bool:
    """Whether an alarm, as the CloudWatch API has it, would have rung."""
    series: dict[str, Series] = {}
    own = window
    for query in alarm["Metrics"]:
        if stat := query.get("MetricStat"):
            period = stat["Period"] if stat["Period"] == SWEEP_SECONDS else ALARMS_SECONDS
            own = Window(window.start, period, SECONDS // period)
            metric = stat["Metric"]
            dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
            points = measured.of(metric["Namespace"], metric["MetricName"], dimensions)
            watched = own.statistic(points, stat["Stat"])
        else:
            watched = own.evaluate(query["Expression"], series)
        series[query["Id"]] = watched
    beyond = COMPARED[alarm["ComparisonOperator"]](watched, alarm["Threshold"])
    silent = alarm["TreatMissingData"] == "breaching"
    rings = np.where(np.isnan(watched), silent, beyond)
    looked_at = np.lib.stride_tricks.sliding_window_view(rings, alarm["EvaluationPeriods"])
    return bool((looked_at.sum(axis=1) >= alarm["DatapointsToAlarm"]).any())
