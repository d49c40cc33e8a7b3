"""Simulate large jobs on 1 to 64 functions: ``python -m bench scale``."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace

from rich import box
from rich.console import Console
from rich.table import Table

from bench.large_jobs.layout import ENGINE, SEGMENT_MIB, Plan, Scenario, plan_job, plan_unsplit
from bench.large_jobs.model import Estimate, ModelInputs, simulate
from bench.large_jobs.planning import (
    ENTRIES,
    PLANNING_HEADINGS,
    QUICK_ENTRIES,
    PlanningResult,
    cells,
    measure_planning,
)
from bench.measure import Result, make_certificate, measure, running_simulator
from bench.tables import DOCS, markdown, write_from_template
from bench.workloads import KB, MB, WORKLOADS
from infra.config.settings import EXECUTIONS_PER_POLLER
from zipjobs.s3.probe_objects import WINDOW

WORKERS = (1, 2, 4, 8, 16, 32, 64)
POLLERS = 7
"""Enough pollers for 64 workers."""

TIMEOUT_SECONDS = 900
_MILLION = [100 * KB] * 1_000_000
SCENARIOS = (
    Scenario("race set", WORKLOADS["r"]),
    Scenario("race set, segmentMib 256", WORKLOADS["r"], segment_mib=256),
    Scenario("race set, segmentMib 256, pollers", WORKLOADS["r"], segment_mib=256, pollers=POLLERS),
    Scenario("a million of 100 KB", _MILLION, in_list=True),
    Scenario("a million of 100 KB, listed", _MILLION, has_sizes=True, in_list=True),
    Scenario("10 x 100 GB", [100_000 * MB] * 10),
)
HEADINGS = (
    *("scenario", "workers", "segments", "wall s", "dollars", "requests", "planning s"),
    "longest invocation s",
)


def main(arguments: list[str]) -> int:
    """Measure CPU times, simulate and report."""
    parser = argparse.ArgumentParser(prog="python -m bench scale", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the results as JSON on stdout")
    parser.add_argument("--write", action="store_true", help="write docs/scale.md and its plot")
    options = parser.parse_args(arguments)
    err = Console(stderr=True)
    err.print("Measuring CPU times …")
    planned = measure_planning(ENTRIES if options.write else QUICK_ENTRIES)
    inputs = measure_model_inputs(planned)
    err.print("Simulating …")
    estimates = list(simulate_all(SCENARIOS, inputs))
    if options.write:
        _write(estimates, inputs, planned)
    if options.json:
        sys.stdout.write(json.dumps([asdict(one) for one in estimates], indent=1) + "\n")
        return 0
    table = Table(*HEADINGS, box=box.SIMPLE_HEAD)
    for one in estimates:
        table.add_row(*_cells(one))
    Console(width=120).print(table)
    Console(width=120).print("\n".join(map(" · ".join, _input_rows(inputs))))
    return 0


def measure_model_inputs(planned: PlanningResult) -> ModelInputs:
    """Measure CPU times on the S3 simulator, over TLS."""
    certificate = make_certificate()
    with running_simulator("default", certificate) as url:
        small = measure(url, "zipjobs", "b", 3, certificate)
        read = measure(url, "zipjobs-no-copy", "c", 3, certificate)
        copied = measure(url, "zipjobs", "x", 1, certificate)
        probed = measure(url, "probes", "b", 3, certificate)
    per_get, per_mb = _solve(small, read)
    copies = copied.requests["COPY_PART"]
    rest = copied.requests["GET"] * per_get + copied.bytes_in / MB * per_mb
    return ModelInputs(
        cpu_per_get=per_get,
        cpu_per_mb=per_mb,
        cpu_per_copy=max(0.0, copied.cpu_s - rest) / copies,
        cpu_per_probe=probed.cpu_s / probed.requests["GET"],
        cpu_per_planned_entry=planned.cpu_s / planned.entries,
        cpu_per_segment_entry=planned.read_cpu_s,
        list_bytes_per_entry=planned.list_bytes / planned.entries,
    )


def _solve(small: Result, read: Result) -> tuple[float, float]:
    """Return CPU seconds per GET and per MB, from two measurements."""
    gets, more_gets = small.requests["GET"], read.requests["GET"]
    mb, more_mb = small.bytes_in / MB, read.bytes_in / MB
    determinant = gets * more_mb - more_gets * mb
    per_get = (small.cpu_s * more_mb - read.cpu_s * mb) / determinant
    per_mb = (gets * read.cpu_s - more_gets * small.cpu_s) / determinant
    return max(0.0, per_get), max(0.0, per_mb)


def simulate_all(scenarios: tuple[Scenario, ...], inputs: ModelInputs) -> Iterator[Estimate]:
    """Simulate each scenario on one worker, unsplit if possible, and on more."""
    plans: dict[tuple[int, int], Plan] = {}
    for scenario in scenarios:
        key = (id(scenario.sizes), scenario.segment_mib)
        if key not in plans:
            plans[key] = plan_job(scenario)
        split = replace(plans[key], scenario=scenario)
        is_default = scenario.segment_mib == SEGMENT_MIB
        unsplit = (plan_unsplit(scenario) if is_default else None) or split
        for workers in WORKERS:
            yield simulate(unsplit if workers == 1 else split, workers, inputs)


def _cells(estimate: Estimate) -> list[str]:
    return [
        estimate.scenario,
        str(estimate.workers),
        str(estimate.segments or "unsplit"),
        f"{estimate.wall_s:,.1f}",
        f"{estimate.usd:.4f}",
        f"{estimate.requests:,}",
        f"{estimate.planning_s:,.1f}",
        f"{estimate.longest_s:,.1f}" + (" (!)" if estimate.longest_s > TIMEOUT_SECONDS else ""),
    ]


def _input_rows(inputs: ModelInputs) -> list[tuple[str, str]]:
    def micros(seconds: float) -> str:
        return f"{seconds * 1e6:,.0f} µs of CPU, measured"

    return [
        ("read an object", micros(inputs.cpu_per_get)),
        ("read and send an MB", micros(inputs.cpu_per_mb)),
        ("copy a part", micros(inputs.cpu_per_copy)),
        ("request the size of an object", micros(inputs.cpu_per_probe)),
        ("plan an entry", micros(inputs.cpu_per_planned_entry)),
        ("read a planned entry in a worker", micros(inputs.cpu_per_segment_entry)),
        (
            "size of a function",
            f"{inputs.memory_mb} MB, {inputs.memory_mb}/1,769 of a vCPU",
        ),
        ("network of a function", f"{inputs.network / MB:.0f} MB/s in each direction"),
        ("latency of a response", f"{inputs.response_seconds * 1000:.0f} ms, for all services"),
        (
            "server-side copy",
            f"{inputs.copy_seconds * 1000:.0f} ms, and {inputs.copy_rate / MB:.0f} MB/s",
        ),
        ("cold start", f"{inputs.cold_start:.0f} s, billed"),
        (
            "start of workers",
            f"{inputs.first_workers} at once, then {inputs.more_workers_per_minute} per minute; "
            f"with zipperPollers: {POLLERS}, {POLLERS * EXECUTIONS_PER_POLLER} at once",
        ),
    ]


def _write(estimates: list[Estimate], inputs: ModelInputs, planned: PlanningResult) -> None:
    _plot(estimates)
    kinds = [
        [one.scenario, str(one.workers), ", ".join(f"{n:,} {k}" for k, n in requests.items())]
        for one in estimates
        if (requests := one.requests_by_kind) and one.workers in (1, 2)
    ]
    values = {
        "table": markdown(HEADINGS, [_cells(one) for one in estimates]),
        "model": markdown(("assumption", "value"), _input_rows(inputs), text_columns=2),
        "kinds": markdown(("scenario", "workers", "requests"), kinds, text_columns=3),
        "plan": markdown(PLANNING_HEADINGS, [cells(planned)], text_columns=0),
        "ours": "\n".join("| " + " | ".join(row) + " |" for row in _race_rows(estimates)),
        "entries": f"{planned.entries:,}",
        "probes": str(ENGINE.probes),
        "uploads": str(ENGINE.uploads),
        "copies": str(ENGINE.copies),
        "window": str(WINDOW),
    }
    write_from_template("scale", values)


def _race_rows(estimates: list[Estimate]) -> list[list[str]]:
    """Return the race set on one function, and its fastest estimate in each scenario."""
    scenarios = [scenario for scenario in SCENARIOS if scenario.sizes is WORKLOADS["r"]]
    single = next(one for one in estimates if one.scenario == scenarios[0].name)
    rows = [("one Lambda of 512 MB", single)]
    for scenario in scenarios:
        mine = [one for one in estimates if one.scenario == scenario.name]
        fastest = min(mine, key=lambda one: one.wall_s)
        pollers = f", zipperPollers: {scenario.pollers}" if scenario.pollers else ""
        workers = min(fastest.workers, fastest.segments)
        rows.append((f"{workers} Lambdas of 512 MB{pollers}", fastest))
    return [
        [f"this one, {name}, simulated", f"{one.wall_s:.0f} s", f"{one.usd:.4f}"]
        for name, one in rows
    ]


def _plot(estimates: list[Estimate]) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "scale"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(10, 4.5))
    for name in dict.fromkeys(one.scenario for one in estimates):
        walls = [one.wall_s for one in estimates if one.scenario == name]
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
