"""The widgets of a dashboard, in the format of the dashboard's body."""

from collections.abc import Iterable
from typing import Any

Row = list[Any]
Widget = dict[str, Any]

ALL_COLUMNS = 24
WIDTH = ALL_COLUMNS // 3
HEIGHT = 6

GREEN, RED, GREY, BLUE, ORANGE = "#2ca02c", "#d62728", "#7f7f7f", "#1f77b4", "#ff7f0e"


def graph(
    title: str,
    rows: Iterable[Row],
    unit: str,
    stacked: bool = False,
    limit: tuple[str, float] | None = None,
    width: int = WIDTH,
) -> Widget:
    """Return a graph. ``limit`` is a labelled horizontal line. ``width`` is in columns."""
    lines = [] if limit is None else [{"label": limit[0], "value": limit[1], "color": RED}]
    return {
        "type": "metric",
        "width": width,
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


def math(expression: str, label: str, **options: Any) -> Row:
    """Return a row of metric math over the rows of the same graph, by their IDs."""
    return [{"expression": expression, "label": label, **options}]
