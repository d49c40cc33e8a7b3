"""``python -m bench scale``: a simulation of large jobs on 1 to 64 functions (``bench.fanout``)."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace

from rich import box
from rich.console import Console
from rich.table import Table

from bench.fanout import Inputs, Row, simulate
from bench.pieces import ENGINE, SEGMENT_MIB, Plan, Scenario, lay_out, lay_out_whole
from bench.planning import ENTRIES, Planned, cells, measure_planning
from bench.profile import KB, MB, WORKLOADS
from bench.report import DOCS
from bench.run import Result, make_certificate, measure, stand_in
from zipjobs.s3.probe_objects import WINDOW

WORKERS = (1, 2, 4, 8, 16, 32, 64)
PLANNED_FOR_A_FIGURE = 50_000
TIMEOUT_SECONDS = 900
_MILLION = [100 * KB] * 1_000_000
SCENARIOS = (
    Scenario("race set", WORKLOADS["r"]),
    Scenario("race set, segmentMib 256", WORKLOADS["r"], segment_mib=256),
    Scenario("a million of 100 KB", _MILLION, in_list=True),
    Scenario("a million of 100 KB, listed", _MILLION, are_known=True, in_list=True),
    Scenario("10 x 100 GB", [100_000 * MB] * 10),
)
HEADINGS = (
    *("scenario", "workers", "segments", "wall s", "dollars", "requests", "planning s"),
    "longest invocation s",
)


def main(arguments: list[str]) -> int:
    """Measure what the model needs, simulate, report."""
    parser = argparse.ArgumentParser(prog="python -m bench scale", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the results as JSON on stdout")
    parser.add_argument("--write", action="store_true", help="write docs/scale.md and its plot")
    options = parser.parse_args(arguments)
    err = Console(stderr=True)
    err.print("Measuring CPU times …")
    planned = measure_planning(ENTRIES if options.write else PLANNED_FOR_A_FIGURE)
    inputs = measure_inputs(planned)
    err.print("Simulating …")
    rows = list(simulate_all(SCENARIOS, inputs))
    if options.write:
        _write(rows, inputs, planned)
    if options.json:
        sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
        return 0
    table = Table(*HEADINGS, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*_cells(row))
    Console(width=120).print(table)
    Console(width=120).print("\n".join(map(" · ".join, _input_rows(inputs))))
    return 0


def measure_inputs(planned: Planned) -> Inputs:
    """Measure CPU times on the stand-in, over TLS, the machine's speed at this moment."""
    certificate = make_certificate()
    with stand_in("default", certificate) as url:
        small = measure(url, "zipjobs", "b", 3, certificate)
        read = measure(url, "zipjobs-no-copy", "c", 3, certificate)
        copied = measure(url, "zipjobs", "x", 1, certificate)
        asked = measure(url, "survey", "b", 3, certificate)
    per_get, per_mb = _solve(small, read)
    copies = copied.requests["COPY_PART"]
    rest = copied.requests["GET"] * per_get + copied.bytes_in / MB * per_mb
    return Inputs(
        cpu_per_get=per_get,
        cpu_per_mb=per_mb,
        cpu_per_copy=max(0.0, copied.cpu_s - rest) / copies,
        cpu_per_question=asked.cpu_s / asked.requests["GET"],
        cpu_per_planned=planned.cpu_s / planned.entries,
        cpu_per_read=planned.read_cpu_s,
        list_bytes_per_entry=planned.list_bytes / planned.entries,
    )


def _solve(small: Result, read: Result) -> tuple[float, float]:
    """CPU seconds per GET and per MB: two measurements, two unknowns."""
    gets, more_gets = small.requests["GET"], read.requests["GET"]
    mb, more_mb = small.bytes_in / MB, read.bytes_in / MB
    determinant = gets * more_mb - more_gets * mb
    per_get = (small.cpu_s * more_mb - read.cpu_s * mb) / determinant
    per_mb = (gets * read.cpu_s - more_gets * small.cpu_s) / determinant
    return max(0.0, per_get), max(0.0, per_mb)


def simulate_all(scenarios: tuple[Scenario, ...], inputs: Inputs) -> Iterator[Row]:
    """Each scenario on one worker, which is told not to cut it if it need not, and on more."""
    plans: dict[tuple[int, int], Plan] = {}
    for scenario in scenarios:
        same = (id(scenario.sizes), scenario.segment_mib)
        if same not in plans:
            plans[same] = lay_out(scenario)
        cut = replace(plans[same], scenario=scenario)
        is_default = scenario.segment_mib == SEGMENT_MIB
        alone = (lay_out_whole(scenario) if is_default else None) or cut
        for workers in WORKERS:
            yield simulate(alone if workers == 1 else cut, workers, inputs)


def _cells(row: Row) -> list[str]:
    return [
        row.scenario,
        str(row.workers),
        str(row.segments or "uncut"),
        f"{row.wall_s:,.1f}",
        f"{row.usd:.4f}",
        f"{row.requests:,}",
        f"{row.planning_s:,.1f}",
        f"{row.longest_s:,.1f}" + (" (!)" if row.longest_s > TIMEOUT_SECONDS else ""),
    ]


def _input_rows(inputs: Inputs) -> list[tuple[str, str]]:
    def micros(seconds: float) -> str:
        return f"{seconds * 1e6:,.0f} µs of CPU, measured"

    return [
        ("an object read", micros(inputs.cpu_per_get)),
        ("an MB read and sent", micros(inputs.cpu_per_mb)),
        ("a part copied", micros(inputs.cpu_per_copy)),
        ("an object asked for its size", micros(inputs.cpu_per_question)),
        ("an entry planned", micros(inputs.cpu_per_planned)),
        ("a planned entry taken up by its worker", micros(inputs.cpu_per_read)),
        ("a function", f"{inputs.memory_mb} MB, {inputs.memory_mb}/1,769 of a vCPU"),
        ("a function's network", f"{inputs.network / MB:.0f} MB/s each way"),
        ("an answer's first byte", f"{inputs.answer_seconds * 1000:.0f} ms, S3's and any other's"),
        (
            "a copy by S3",
            f"{inputs.copy_seconds * 1000:.0f} ms, and {inputs.copy_rate / MB:.0f} MB/s",
        ),
        ("a cold start", f"{inputs.cold_start:.0f} s, billed"),
    ]


def _write(rows: list[Row], inputs: Inputs, planned: Planned) -> None:
    _plot(rows)
    table = _markdown(HEADINGS, [_cells(row) for row in rows], names=1)
    model = _markdown(("what", "taken for"), [list(row) for row in _input_rows(inputs)], names=2)
    kinds = _markdown(
        ("scenario", "workers", "requests"),
        [
            [row.scenario, str(row.workers), ", ".join(f"{n:,} {k}" for k, n in kinds.items())]
            for row in rows
            if (kinds := row.requests_by_kind) and row.workers in (1, 2)
        ],
        names=3,
    )
    headings = ("entries", "segments", "wall s", "CPU s", "MB above idle")
    plan = _markdown(headings, [cells(planned)], names=0)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    text = (DOCS / "scale.template.md").read_text()
    filled = {
        "table": table,
        "model": model,
        "kinds": kinds,
        "plan": plan,
        "machine": machine,
        "ours": "\n".join(map(_markdown_row, _ours(rows))),
        "entries": f"{planned.entries:,}",
        "probes": str(ENGINE.probes),
        "uploads": str(ENGINE.uploads),
        "copies": str(ENGINE.copies),
        "window": str(WINDOW),
    }
    for name, content in filled.items():
        text = text.replace("{{" + name + "}}", content)
    (DOCS / "scale.md").write_text(text)


def _ours(rows: list[Row]) -> list[list[str]]:
    """The race set on one function, and on as many as its segments have use for."""
    names = [scenario.name for scenario in SCENARIOS if scenario.sizes is WORKLOADS["r"]]
    alone = next(row for row in rows if row.scenario in names)
    shared = [
        min((row for row in rows if row.scenario == name), key=lambda row: row.wall_s)
        for name in names
    ]
    return [_our_row("one Lambda", alone)] + [
        _our_row(f"{min(row.workers, row.segments)} Lambdas", row) for row in shared
    ]


def _our_row(name: str, row: Row) -> list[str]:
    return [f"this one, {name} of 512 MB, simulated", f"{row.wall_s:.0f} s", f"{row.usd:.4f}"]


def _markdown(headings: tuple[str, ...], rows: list[list[str]], names: int) -> str:
    """A table whose first ``names`` columns are text."""
    rule = "|" + "---|" * names + "---:|" * (len(headings) - names)
    return "\n".join(["| " + " | ".join(headings) + " |", rule, *map(_markdown_row, rows)])


def _markdown_row(row: list[str]) -> str:
    return "| " + " | ".join(row) + " |"


def _plot(rows: list[Row]) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "scale"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(10, 4.5))
    for name in dict.fromkeys(row.scenario for row in rows):
        walls = [row.wall_s for row in rows if row.scenario == name]
        axes.plot(WORKERS, walls, marker="o", label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(WORKERS, [str(workers) for workers in WORKERS])
    axes.set_xlabel("workers")
    axes.set_ylabel("wall seconds (log), simulated")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(DOCS / "scale.svg", metadata={"Date": None})
