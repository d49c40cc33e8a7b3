"""``python -m bench cost``: what jobs cost, by what they are charged for.

The requests are those that the service's own planner and layout come to; GB-seconds are of the
model's times, which hang on CPU times measured at the start (``bench.fanout``).
"""

import argparse
import json
import sys
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from bench.fanout import Row, simulate
from bench.pieces import Scenario, lay_out, lay_out_whole
from bench.planning import measure_planning
from bench.prices import PRICES
from bench.profile import KB, MB, WORKLOADS
from bench.scale import PLANNED_FOR_A_FIGURE, measure_inputs
from bench.written import markdown, write_between

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
"""What is looked at, and on how many functions. One makes it all, if it is let to."""

S3_READS = ("GET", "HEAD")
S3_WRITES = ("PUT", "CREATE", "UPLOAD_PART", "COMPLETE", "LIST")
S3_COPIES = ("COPY_PART",)

HEADINGS = (
    *("job", "functions", "seconds", "reads", "writes", "copies"),
    *("S3 reads $", "S3 writes and copies $", "other requests $", "GB-seconds $", "all $"),
)

PUBLISHED = (
    ("many Lambdas under an orchestrator, Go, some 1,500 workers", 6, 0.054),
    ("chain of copies only, Rust, one Lambda, some 22,000 calls", 11, 0.096),
    ("UploadPartCopy, Rust, one Lambda", 106, 0.017),
    ("streaming, Rust, one Lambda of 512 MB", 212, 0.011),
    ("streaming, free-threaded Python 3.13, one Lambda of 1 GB", 243, 0.013),
)
"""Zippers of the race set: wall seconds and dollars, as their authors measured them on AWS."""


@dataclass(frozen=True)
class Bill:
    """What one job is charged."""

    row: Row
    reads: int
    writes: int
    copies: int
    reads_usd: float
    writes_usd: float
    others_usd: float
    compute_usd: float


def main(arguments: list[str]) -> int:
    """Measure what the model needs, count, report."""
    parser = argparse.ArgumentParser(prog="python -m bench cost", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the results as JSON on stdout")
    parser.add_argument("--write", action="store_true", help="write the tables of docs/cost.md")
    options = parser.parse_args(arguments)
    Console(stderr=True).print("Measuring CPU times …")
    inputs = measure_inputs(measure_planning(PLANNED_FOR_A_FIGURE))
    bills = []
    for scenario, workers in JOBS:
        alone = lay_out_whole(scenario) if workers == 1 else None
        bills.append(bill_of(simulate(alone or lay_out(scenario), workers, inputs)))
    if options.write:
        tables = markdown(HEADINGS, list(map(_cells, bills)), 1), _compared(bills)
        write_between("cost.md", COMMAND, "\n\n".join(tables))
    if options.json:
        sys.stdout.write(json.dumps([_fields(bill) for bill in bills], indent=1) + "\n")
        return 0
    table = Table(*HEADINGS, box=box.SIMPLE_HEAD)
    for bill in bills:
        table.add_row(*_cells(bill))
    Console(width=160).print(table)
    return 0


def bill_of(row: Row) -> Bill:
    """Split what a job is charged by what it is charged for."""
    asked = row.requests_by_kind

    def count(kinds: tuple[str, ...]) -> int:
        return sum(asked.get(kind, 0) for kind in kinds)

    def usd(kinds: tuple[str, ...]) -> float:
        return sum(PRICES[kind] * asked.get(kind, 0) for kind in kinds)

    s3 = S3_READS + S3_WRITES + S3_COPIES
    others = usd(tuple(kind for kind in asked if kind not in s3))
    requests = usd(tuple(asked))
    return Bill(
        row=row,
        reads=count(S3_READS),
        writes=count(S3_WRITES),
        copies=count(S3_COPIES),
        reads_usd=usd(S3_READS),
        writes_usd=usd(S3_WRITES + S3_COPIES),
        others_usd=others,
        compute_usd=row.usd - requests,
    )


def _functions(row: Row) -> int:
    return min(row.workers, row.segments) if row.segments else 1


def _cells(bill: Bill) -> list[str]:
    row = bill.row
    charged = (bill.reads_usd, bill.writes_usd, bill.others_usd, bill.compute_usd, row.usd)
    return [
        row.scenario,
        str(_functions(row)),
        f"{row.wall_s:,.0f}",
        *(f"{number:,}" for number in (bill.reads, bill.writes, bill.copies)),
        *(f"{usd:.5f}" for usd in charged),
    ]


def _fields(bill: Bill) -> dict[str, object]:
    names = ("job", "functions", "seconds", "reads", "writes", "copies", "usd")
    row = bill.row
    values = row.scenario, _functions(row), row.wall_s, bill.reads, bill.writes, bill.copies
    return {
        **dict(zip(names, (*values, row.usd), strict=True)),
        "usdBy": {
            "s3Reads": bill.reads_usd,
            "s3Writes": bill.writes_usd,
            "otherRequests": bill.others_usd,
            "compute": bill.compute_usd,
        },
    }


def _compared(bills: list[Bill]) -> str:
    """The race set beside what others have published of it."""
    rows = [
        [f"this one, {_functions(bill.row)} of 512 MB, simulated", bill.row.wall_s, bill.row.usd]
        for bill in bills
        if bill.row.scenario.startswith("race set")
    ]
    rows += [list(one) for one in PUBLISHED]
    cells = [[str(name), f"{seconds:.0f} s", f"{usd:.4f}"] for name, seconds, usd in rows]
    return markdown(("zipper", "wall", "dollars"), cells, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
