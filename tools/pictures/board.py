"""Draws a CloudWatch dashboard from its definition, with points that were measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tools.pictures.measuring import Measured
from tools.pictures.metric_math import Series, Window

mpl.use("Agg")

GRID_COLUMNS = 24
COLUMN_INCHES, ROW_INCHES = 0.64, 0.44
HEAD_INCHES = 0.75
DOTS_PER_INCH = 105
INK, FAINT, PAGE, GRID = "#16191f", "#5f6b7a", "#f4f5f6", "#e3e6ea"
WELL, RANG = "#d6f0d9", "#f8cfcf"
MOST_IN_A_LEGEND = 3
"""Of more, those that are zero all the time are left out of it."""

COLORS = tuple(f"C{number}" for number in range(10))
PALETTE = 256


@dataclass(frozen=True)
class Line:
    """What a widget shows of one metric or of one piece of metric math."""

    label: str
    color: str
    values: Series


@dataclass(frozen=True)
class Board:
    """A dashboard with everything that it takes to draw it. ``shaded`` is a span of time, from and
    to in seconds since the window's start; ``alarms`` says which rang.
    """

    body: Mapping[str, Any]
    measured: Measured
    window: Window
    title: str
    caption: str
    shaded: tuple[float, float]
    alarms: Mapping[str, bool]

    def draw(self, path: Path, texts: Mapping[str, str]) -> None:
        """Write the picture, a PNG that has ``texts`` in it, by their names."""
        widgets = self.body["widgets"]
        rows = max(widget["y"] + widget["height"] for widget in widgets)
        height = rows * ROW_INCHES + HEAD_INCHES
        width = GRID_COLUMNS * COLUMN_INCHES
        with mpl.rc_context({"font.size": 8, "font.family": "DejaVu Sans"}):
            figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor=PAGE)
            top = 1 - 0.22 / height
            figure.text(0.012, top, self.title, size=14, weight="bold", color=INK, va="top")
            figure.text(0.012, top - 0.29 / height, self.caption, color=FAINT, va="top", size=9)
            for widget in widgets:
                place = (
                    widget["x"] / GRID_COLUMNS,
                    1 - (HEAD_INCHES + (widget["y"] + widget["height"]) * ROW_INCHES) / height,
                    widget["width"] / GRID_COLUMNS,
                    widget["height"] * ROW_INCHES / height,
                )
                if widget["type"] == "alarm":
                    self._alarms(figure, place, widget["properties"])
                else:
                    self._graph(figure, place, widget["properties"])
            drawn = BytesIO()
            figure.savefig(drawn, facecolor=PAGE)
        info = PngInfo()
        for name, text in texts.items():
            info.add_text(name, text)
        picture = Image.open(drawn).convert("RGB").quantize(PALETTE)
        picture.save(path, optimize=True, pnginfo=info)

    def lines(self, properties: Mapping[str, Any]) -> list[Line]:
        """What a graph shows, hidden metrics left out."""
        series: dict[str, Series] = {}
        found: list[Line] = []
        for row in properties["metrics"]:
            options = row[-1] if isinstance(row[-1], dict) else {}
            if "expression" in options:
                values = self.window.evaluate(options["expression"], series)
            else:
                namespace, name, *pairs = row[:-1]
                dimensions = dict(zip(pairs[::2], pairs[1::2], strict=True))
                points = self.measured.of(namespace, name, dimensions)
                values = self.window.statistic(points, options["stat"])
            if "id" in options:
                series[options["id"]] = values
            if options.get("visible", True):
                color = options.get("color", COLORS[len(found) % len(COLORS)])
                found.append(Line(options.get("label", ""), color, values))
        return found

    def _alarms(
        self, figure: Figure, place: Sequence[float], properties: Mapping[str, Any]
    ) -> None:
        axes = _card(figure, place, properties["title"], frame=False)
        axes.set(xlim=(0, len(self.alarms)), ylim=(0, 1))
        axes.axis("off")
        for n, (name, rang) in enumerate(self.alarms.items()):
            axes.fill_between([n + 0.02, n + 0.98], 0.1, 0.9, color=RANG if rang else WELL)
            state = "rang" if rang else "OK"
            axes.text(n + 0.5, 0.5, f"{name}: {state}", ha="center", va="center", color=INK)

    def _graph(self, figure: Figure, place: Sequence[float], properties: Mapping[str, Any]) -> None:
        axes = _card(figure, place, properties["title"])
        minutes = (np.arange(self.window.count) + 0.5) * self.window.period_seconds / 60
        lines = [one for one in self.lines(properties) if not np.all(np.isnan(one.values))]
        axes.axvspan(self.shaded[0] / 60, self.shaded[1] / 60, color="#eceef1", zorder=0)
        if properties["stacked"]:
            _stacked(axes, minutes, lines)
        else:
            _separate(axes, minutes, lines)
        for one in properties.get("annotations", {}).get("horizontal", []):
            axes.axhline(one["value"], color=one["color"], linewidth=1, linestyle="--")
            axes.annotate(
                f"{one['label']} {one['value']:,g}",
                (minutes[0], one["value"]),
                color=one["color"],
                size=7,
                xytext=(0, 2),
                textcoords="offset points",
            )
        axes.set_xlim(0, self.window.count * self.window.period_seconds / 60)
        top = axes.get_ylim()[1]
        axes.set_ylim(0, top * 1.05 if lines and top > 0 else 1)
        axes.set_ylabel(properties["yAxis"]["left"]["label"], color=FAINT, size=7)
        if not lines:
            axes.text(0.5, 0.5, "No data", transform=axes.transAxes, ha="center", color=FAINT)
            return
        busy = [one for one in lines if np.nansum(one.values) > 0] or lines
        shown = {one.label for one in (lines if len(lines) <= MOST_IN_A_LEGEND else busy)}
        handles, labels = axes.get_legend_handles_labels()
        chosen = [(h, text) for h, text in zip(handles, labels, strict=True) if text in shown]
        axes.legend(
            *zip(*chosen, strict=True),
            loc="upper center",
            bbox_to_anchor=(0.5, -0.12),
            ncols=4,
            frameon=False,
            fontsize=7,
            handlelength=1.2,
            columnspacing=1.1,
        )


def _card(figure: Figure, place: Sequence[float], title: str, frame: bool = True) -> Axes:
    """A white card with its title; returns the axes in it."""
    left, bottom, width, height = place
    gap_x, gap_y = 0.004, 0.04 / figure.get_figheight() * 2
    card = figure.add_axes((left + gap_x, bottom + gap_y, width - 2 * gap_x, height - 2 * gap_y))
    card.set(xticks=[], yticks=[], facecolor="white")
    card.spines[:].set_color(GRID)
    inch = 1 / figure.get_figheight()
    figure.text(
        left + gap_x + 0.008,
        bottom + height - gap_y - 0.09 * inch,
        title,
        size=9,
        weight="bold",
        color=INK,
        va="top",
    )
    if not frame:
        return figure.add_axes(
            (left + 0.012, bottom + gap_y + 0.06 * inch, width - 0.024, height - 0.48 * inch)
        )
    axes = figure.add_axes(
        (left + 0.045, bottom + 0.62 * inch, width - 0.062, height - 1.08 * inch)
    )
    axes.set_facecolor("white")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=FAINT, labelsize=7, length=2)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(lambda minutes, _: f"{int(minutes)}:{minutes % 1 * 60:02.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    return axes


def _stacked(axes: Axes, minutes: Series, lines: Sequence[Line]) -> None:
    below = np.zeros_like(minutes)
    for one in lines:
        if np.nansum(one.values) == 0:
            continue
        above = below + np.nan_to_num(one.values)
        axes.fill_between(
            minutes, below, above, step="mid", alpha=0.55, color=one.color, label=one.label
        )
        axes.step(minutes, above, where="mid", color=one.color, linewidth=0.9)
        below = above


def _separate(axes: Axes, minutes: Series, lines: Sequence[Line]) -> None:
    """Lines, which end where there is no data, and dots."""
    for one in lines:
        axes.plot(
            minutes,
            one.values,
            color=one.color,
            label=one.label,
            linewidth=1.2,
            marker="o",
            markersize=2,
        )
