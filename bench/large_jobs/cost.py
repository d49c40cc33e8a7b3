"""Calculate what jobs cost: ``python -m bench cost``.

The service's own planner and layout determine the requests. GB-seconds come from the model's
durations, which depend on CPU times measured at the start. See ``bench.large_jobs.model``.
"""

import argparse
import json
import sys
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from bench.large_jobs.layout import Scenario, plan_job, plan_unsplit
from bench.large_jobs.model import Estimate, simulate
from bench.large_jobs.planning import QUICK_ENTRIES, measure_planning
from bench.large_jobs.scale import measure_model_inputs
from bench.request_kinds import dollars
from bench.tables import markdown, write_section
from bench.workloads import KB, MB, WORKLOADS

COMMAND = "python -m bench cost --write"
RACE = WORKLOADS["r"]
JOBS = (
    (Scenario("200 PDFs of 500 KB", [500 * KB] * 200), 1),
    (Scenario("2,000 of 20 KB", WORKLOADS["b"]), 1),
    (Scenario("1 of 10 GB", [10_000 * MB]), 1),
    (Scenario("race set", RACE), 1),
    (Scenario("race set", RACE), 16),
    (Scenario("race set, segmentMib 256", RACE, segment_mib=256), 64),
)
"""The jobs, each with the number of functions."""

S3_READS = ("GET", "HEAD")
S3_WRITES = ("PUT", "CREATE", "UPLOAD_PART", "COMPLETE", "LIST")
S3_COPIES = ("COPY_PART",)

HEADINGS = (
    *("job", "functions", "seconds", "reads", "writes", "copies"),
    *("S3 reads $", "S3 writes and copies $", "other requests $", "GB-seconds $", "all $"),
)


@dataclass(frozen=True)
class Bill:
    """The cost of one job by kind of charge."""

    estimate: Estimate
    reads: int
    writes: int
    copies: int
    reads_usd: float
    writes_usd: float
    others_usd: float
    compute_usd: float


def main(arguments: list[str]) -> int:
    """Measure CPU times, calculate and report."""
    parser = argparse.ArgumentParser(prog="python -m bench cost", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the results as JSON on stdout")
    parser.add_argument("--write", action="store_true", help="write the table of docs/cost.md")
    options = parser.parse_args(arguments)
    Console(stderr=True).print("Measuring CPU times …")
    inputs = measure_model_inputs(measure_planning(QUICK_ENTRIES))
    bills = []
    for scenario, workers in JOBS:
        plan = plan_unsplit(scenario) if workers == 1 else None
        bills.append(bill_of(simulate(plan or plan_job(scenario), workers, inputs)))
    if options.write:
        write_section("cost.md", COMMAND, markdown(HEADINGS, list(map(_cells, bills))))
    if options.json:
        sys.stdout.write(json.dumps([_fields(bill) for bill in bills], indent=1) + "\n")
        return 0
    table = Table(*HEADINGS, box=box.SIMPLE_HEAD)
    for bill in bills:
        table.add_row(*_cells(bill))
    Console(width=160).print(table)
    return 0


def bill_of(estimate: Estimate) -> Bill:
    """Split the cost of a job by kind of charge."""
    requests = estimate.requests_by_kind

    def only(kinds: tuple[str, ...]) -> dict[str, int]:
        return {kind: requests[kind] for kind in kinds if kind in requests}

    reads, writes, copies = only(S3_READS), only(S3_WRITES), only(S3_COPIES)
    s3 = S3_READS + S3_WRITES + S3_COPIES
    return Bill(
        estimate=estimate,
        reads=sum(reads.values()),
        writes=sum(writes.values()),
        copies=sum(copies.values()),
        reads_usd=dollars(reads),
        writes_usd=dollars({**writes, **copies}),
        others_usd=dollars(only(tuple(kind for kind in requests if kind not in s3))),
        compute_usd=estimate.usd - dollars(requests),
    )


def _functions(estimate: Estimate) -> int:
    return min(estimate.workers, estimate.segments) if estimate.segments else 1


def _cells(bill: Bill) -> list[str]:
    estimate = bill.estimate
    charged = (bill.reads_usd, bill.writes_usd, bill.others_usd, bill.compute_usd, estimate.usd)
    return [
        estimate.scenario,
        str(_functions(estimate)),
        f"{estimate.wall_s:,.0f}",
        *(f"{number:,}" for number in (bill.reads, bill.writes, bill.copies)),
        *(f"{usd:.5f}" for usd in charged),
    ]


def _fields(bill: Bill) -> dict[str, object]:
    names = ("job", "functions", "seconds", "reads", "writes", "copies", "usd")
    estimate = bill.estimate
    values = (
        estimate.scenario,
        _functions(estimate),
        estimate.wall_s,
        bill.reads,
        bill.writes,
        bill.copies,
    )
    return {
        **dict(zip(names, values, strict=True)),
        "usdBy": {
            "s3Reads": bill.reads_usd,
            "s3Writes": bill.writes_usd,
            "otherRequests": bill.others_usd,
            "compute": bill.compute_usd,
        },
    }
