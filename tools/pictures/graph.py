"""Draw ``docs/graph.svg``: the declared resources.

Each function is a row, with its triggers on the left. The resources that roles allow access to are
columns on the right. A mark where row and column cross is a permission.
"""

import json
from pathlib import Path

from tools.declared import Resource, declared
from tools.pictures.flow import (
    ALARM,
    API,
    BUCKET,
    BUS,
    DASHBOARD,
    QUEUE,
    TABLE,
    Flow,
    Function,
    flow,
)
from tools.pictures.svg import FAINT, INK, Point, Svg

GRAPH = Path(__file__).resolve().parents[2] / "docs" / "graph.svg"

WIDTH, HEIGHT = 150, 40
ROW, TOP, MARGIN = 66, 112, 44
RULES_X, QUEUES_X, FUNCTIONS_X = MARGIN, 262, 512
COLUMNS_X, COLUMN = 744, 104
CHANNEL = 22

COMPONENTS = {
    "HttpApi": "#dbeafe",
    "JobQueues": "#fde68a",
    "Functions": "#fed7aa",
    "CompletionBus": "#fbcfe8",
    "Storage": "#bbf7d0",
    "Monitoring": "#e5e7eb",
}
NO_COMPONENT = "#ddd6fe"
KINDS = {BUCKET: "bucket", BUS: "event bus", QUEUE: "queue", TABLE: "table"}
COLUMN_TYPES = (QUEUE, TABLE, BUCKET, BUS)
"""The order of the columns."""


def write_graph() -> list[Path]:
    """Write the graph and return its path."""
    GRAPH.write_text(graph())
    return [GRAPH]


def graph() -> str:
    """Return the graph of the stack ``dev`` as SVG."""
    return _Drawing(flow(declared("dev"))).drawn()


class _Drawing:
    def __init__(self, found: Flow) -> None:
        self._flow = found
        self._svg = Svg("Resources that the Pulumi program declares")
        self._rows = {one.resource.key: n for n, one in enumerate(found.functions)}
        used = {key for one in found.functions for key in one.access}
        self._columns = sorted(
            (found.resources[key] for key in used),
            key=lambda one: (COLUMN_TYPES.index(one.type), one.name),
        )
        self._positions: dict[str, Point] = {}
        self._bottom: float = TOP + len(found.functions) * ROW
        self._channels = 0
        (dashboard,) = found.of(DASHBOARD)
        self._prefix = f"{dashboard.name}-"

    def drawn(self) -> str:
        self._draw_columns()
        self._draw_api()
        for function in self._flow.functions:
            self._draw_trigger(function)
        for function in self._flow.functions:
            self._draw_function(function)
        self._draw_dead_letters()
        self._return_lines()
        self._draw_bus_rules()
        width = COLUMNS_X + len(self._columns) * COLUMN + 10
        return self._svg.drawn(width, self._draw_footer(width))

    # Right: permissions

    def _draw_columns(self) -> None:
        for n, column in enumerate(self._columns):
            x = COLUMNS_X + n * COLUMN + COLUMN / 2
            self._svg.line([(x, TOP - 26), (x, self._bottom)], FAINT, arrow=False, width=3)
            self._box(column, x, TOP - 48, COLUMN - 10, KINDS[column.type])

    def _draw_function(self, function: Function) -> None:
        y = self._y(function.resource)
        places = [n for n, column in enumerate(self._columns) if column.key in function.access]
        if places:
            end = COLUMNS_X + places[-1] * COLUMN + COLUMN / 2
            self._svg.line([(FUNCTIONS_X + WIDTH, y), (end, y)], INK, arrow=False)
        for n in places:
            x = COLUMNS_X + n * COLUMN + COLUMN / 2
            verbs = function.access[self._columns[n].key]
            self._svg.dot(x, y, 5, "white" if verbs == ("read",) else INK)
            self._svg.text(x + 9, y - 6, ", ".join(verbs), 10, FAINT, anchor="start")
        seconds, mb = function.resource.inputs["timeout"], function.resource.inputs["memorySize"]
        limits = f"{seconds:g} s, {mb:,.0f} MB"
        self._node(function.resource, FUNCTIONS_X + WIDTH / 2, y, WIDTH, limits)

    # Left: triggers

    def _draw_api(self) -> None:
        rows = [self._y(one.resource) for one in self._flow.functions if one.routes]
        (api,) = self._flow.of(API)
        top, bottom = rows[0] - HEIGHT / 2, rows[-1] + HEIGHT / 2
        self._svg.box(RULES_X, top, WIDTH, bottom - top, self._color(api))
        middle = (top + bottom) / 2
        self._svg.text(RULES_X + WIDTH / 2, middle, "HTTP API", bold=True)
        auth = self._flow.of("aws:apigatewayv2/route:Route")[0].inputs["authorizationType"]
        self._svg.text(RULES_X + WIDTH / 2, middle + 15, f"authorization {auth}", 10, FAINT)

    def _draw_trigger(self, function: Function) -> None:
        y = self._y(function.resource)
        if function.routes:
            self._svg.line([(RULES_X + WIDTH, y), (FUNCTIONS_X, y)])
            for n, route in enumerate(function.routes):
                x, line = RULES_X + WIDTH + 12, y - 6 if n == 0 else y + 14
                self._svg.text(x, line, route, 11, anchor="start")
        if function.queue is not None:
            self._queue(function.queue, y)
        if function.rule is not None:
            when = function.rule.inputs["scheduleExpression"]
            self._node(function.rule, RULES_X + WIDTH / 2, y, WIDTH, when)
            self._svg.line([(RULES_X + WIDTH, y), (FUNCTIONS_X, y)])

    def _queue(self, queue: Resource, y: float) -> None:
        seconds = queue.inputs["visibilityTimeoutSeconds"]
        self._node(queue, QUEUES_X + WIDTH / 2, y, WIDTH, f"queue, invisible {seconds:g} s")
        self._svg.line([(QUEUES_X + WIDTH, y), (FUNCTIONS_X, y)])
        for rule in self._flow.rules_to.get(queue.key, []):
            self._node(rule, RULES_X + WIDTH / 2, y, WIDTH, "rule")
            self._svg.line([(RULES_X + WIDTH, y), (QUEUES_X, y)])

    def _draw_dead_letters(self) -> None:
        for key, dead in self._flow.dead_letters.items():
            x, y = self._positions[key]
            to_x, to_y = self._positions[dead.key]
            if x == to_x:
                self._svg.line([(x, y + HEIGHT / 2), (x, to_y - HEIGHT / 2)], dashed=True)
                policy = json.loads(self._flow.resources[key].inputs["redrivePolicy"])
                attempts = f"after {policy['maxReceiveCount']} attempts"
                self._svg.text(x + 8, (y + to_y) / 2 + 4, attempts, 10, FAINT, anchor="start")
            else:
                entry = (to_x - WIDTH / 2, to_y)
                self._svg.line([(x, y + HEIGHT / 2), (x, to_y), entry], dashed=True)
                self._svg.text(x + 8, to_y - 6, "undeliverable", 10, FAINT, anchor="start")

    # Below: lines from columns back to queues and rules

    def _return_lines(self) -> None:
        """Draw lines from the column of a queue to the queue, and of a bucket to its rules."""
        for n, column in enumerate(self._columns):
            x = COLUMNS_X + n * COLUMN + COLUMN / 2
            if column.key in self._positions and column.type == QUEUE:
                to_x, to_y = self._positions[column.key]
                left = to_x - WIDTH / 2
                self._return_line(x, left - 22, (left, to_y + 11))
            for rule in self._flow.rules_from.get(column.key, []):
                if column.type == BUCKET:
                    to_x, to_y = self._positions[rule.key]
                    left = to_x - WIDTH / 2
                    self._return_line(x, left - 22, (left, to_y))

    def _return_line(self, from_x: float, up_x: float, to: Point) -> None:
        y = self._bottom + CHANNEL * self._channels
        self._channels += 1
        self._svg.line([(from_x, self._bottom), (from_x, y), (up_x, y), (up_x, to[1]), to])

    def _draw_bus_rules(self) -> None:
        y = self._bottom + CHANNEL * self._channels + HEIGHT / 2 + 8
        for n, column in enumerate(self._columns):
            for rule in self._flow.rules_from.get(column.key, []) if column.type == BUS else []:
                x = COLUMNS_X + n * COLUMN + COLUMN / 2
                self._svg.line([(x, self._bottom), (x, y - HEIGHT / 2)])
                self._node(rule, x, y, COLUMN - 10, "rule")
                for queue in self._flow.of(QUEUE):
                    if rule in self._flow.rules_to.get(queue.key, []):
                        to_x = x - COLUMN * 2
                        self._svg.line([(x - COLUMN / 2 + 5, y), (to_x + WIDTH / 2, y)])
                        self._node(queue, to_x, y, WIDTH, "queue")
                y += ROW
        self._bottom = y

    def _draw_footer(self, width: float) -> float:
        """Draw the alarms, the legend and the list of omitted resources. Return the height."""
        y = self._bottom + 8
        alarms = [self._short(one) for one in self._flow.of(ALARM)]
        self._svg.box(MARGIN, y, width - 2 * MARGIN, 30, COMPONENTS["Monitoring"])
        text = f"Dashboard and {len(alarms)} alarms: {', '.join(alarms)}"
        self._svg.text(width / 2, y + 20, text)
        y += 48
        x: float = MARGIN
        for name, color in [*COMPONENTS.items(), ("no component", NO_COMPONENT)]:
            self._svg.box(x, y, 14, 14, color)
            self._svg.text(x + 20, y + 11, name, 11, anchor="start")
            x += 44 + 7 * len(name)
        self._svg.text(x, y + 11, "○ reads only   ● writes, sends or publishes", 11, anchor="start")
        omitted = ", ".join(f"{count} {name}" for name, count in self._flow.omitted.items())
        for n, line in enumerate(_wrapped(f"Not shown: {omitted}.", 170)):
            self._svg.text(MARGIN, y + 36 + 15 * n, line, 11, FAINT, anchor="start")
            bottom = y + 36 + 15 * n
        return bottom + 20

    # Shared

    def _node(self, resource: Resource, x: float, y: float, width: float, detail: str) -> None:
        """Draw a box around ``x``, ``y`` and remember its position for arrows."""
        self._positions[resource.key] = (x, y)
        self._box(resource, x, y, width, detail)

    def _box(self, resource: Resource, x: float, y: float, width: float, detail: str) -> None:
        self._svg.box(x - width / 2, y - HEIGHT / 2, width, HEIGHT, self._color(resource))
        self._svg.text(x, y - 2, self._short(resource), bold=True)
        self._svg.text(x, y + 13, detail, 10, FAINT)

    def _color(self, resource: Resource) -> str:
        return (
            COMPONENTS[resource.component.rpartition(":")[2]]
            if resource.component
            else NO_COMPONENT
        )

    def _short(self, resource: Resource) -> str:
        return resource.name.removeprefix(self._prefix)

    def _y(self, function: Resource) -> float:
        return TOP + self._rows[function.key] * ROW + 24


def _wrapped(text: str, chars: int) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        if len(lines[-1]) + len(word) > chars:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
