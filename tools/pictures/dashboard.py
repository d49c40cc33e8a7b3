"""``docs/dashboard.png``: the dashboard, as if CloudWatch had watched the embedded AWS."""

import hashlib
import json
from pathlib import Path

from local.names import logical_name
from local.stack import running_stack
from tools.declared import declared
from tools.pictures.alarm import Alarm, described_alarm
from tools.pictures.board import Board
from tools.pictures.measuring import Measured, watching_queues
from tools.pictures.metric_math import Window
from tools.pictures.scenario import SECONDS, SETTINGS, TROUBLE, Traffic

DASHBOARD = Path(__file__).resolve().parents[2] / "docs" / "dashboard.png"

PERIOD_SECONDS = 5
"""In place of the widgets' minute."""

ALARMS_SECONDS = 30
"""In place of the alarms' five minutes. The reconciler's interval is what it is."""

RECONCILE_SECONDS = 60 * SETTINGS["reconcileMinutes"]

DECIDING = (
    "comparisonOperator",
    "datapointsToAlarm",
    "evaluationPeriods",
    "metricQueries",
    "threshold",
    "treatMissingData",
)
"""Of an alarm's inputs those that decide whether it rings."""

DEFINITION = "Definition"
"""What the digest of the definition is called among the picture's own texts."""


def write_dashboard() -> Path:
    """Let the embedded AWS live through the scenario, and draw it. Takes four minutes."""
    measured = Measured()
    digest = definition_digest()
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
                "Drawn from its definition by `python -m tools.pictures dashboard`: "
                f"{SECONDS} seconds of the embedded AWS, in periods of {PERIOD_SECONDS}. "
                "In the grey span zippers are killed, and S3 and SQS refuse requests."
            ),
            shaded=TROUBLE,
            alarms={
                logical_name(one["AlarmName"]).removeprefix(f"{name}-"): _rang(
                    described_alarm(one), measured, began
                )
                for one in sorted(alarms, key=lambda one: shown.index(one["AlarmArn"]))
            },
        )
    board.draw(DASHBOARD, {DEFINITION: digest})
    return DASHBOARD


def _rang(alarm: Alarm, measured: Measured, start: float) -> bool:
    """Whether an alarm would have rung, once it had all the periods that it looks at."""
    seconds = alarm.period_seconds
    period = seconds if seconds == RECONCILE_SECONDS else ALARMS_SECONDS
    values = alarm.values(measured, Window(start, period, SECONDS // period))
    return any(alarm.rings(values)[alarm.periods - 1 :])


def definition_digest() -> str:
    """Of what the program declares, for the picture's settings: the dashboard, and what decides
    whether alarms ring. With another digest than the picture's own, the picture is stale.
    """
    resources = declared("dev", SETTINGS)
    (board,) = [one for one in resources.values() if one.type.endswith(":Dashboard")]
    definition = {
        "dashboard": json.loads(board.inputs["dashboardBody"]),
        **{
            one.name: {name: one.inputs[name] for name in DECIDING}
            for one in resources.values()
            if one.type.endswith(":MetricAlarm")
        },
    }
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()
