"""``python -m bench coldstart``: what each function costs before it does anything.

Builds the package for this machine and this Python, then starts each function in fresh processes
that can import the package and the standard library only. CPU seconds, not wall seconds: a
machine that does other things at the same time hardly changes them.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from bench.written import markdown, write_between
from infra.package import add_bytecode, pack, stage

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "coldstart"
MACHINE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"
COMMAND = "python -m bench coldstart --write"

ROOTS = {
    "enqueue": "zipjobs.wiring.submitting",
    "status": "zipjobs.wiring.answering",
    "cancel": "zipjobs.running.wiring.canceling",
    "docs": "zipjobs.wiring.documenting",
    "zipper": "zipjobs.running.wiring.zipping",
    "dead_letter": "zipjobs.running.wiring.ending",
    "sweeper": "zipjobs.running.wiring.sweeping",
}
"""What each function asks for in its first invocation."""

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": "us-east-1",
    "ACCOUNT_ID": "123456789012",
    "BUCKET_OWNERS": "{}",
    "TABLE_NAME": "jobs",
    "JOB_RETENTION_SECONDS": "3600",
    "SWEEP_GRACE_SECONDS": "1800",
    "SOURCE_BUCKET": "source",
    "TARGET_BUCKET": "target",
    "TARGET_PREFIX": "zips/",
    "MANIFEST_PREFIX": "manifests/",
    "ALLOWED_SOURCES": '["source/"]',
    "ALLOWED_TARGETS": '["target/zips/"]',
    "QUEUE_URL": "https://queue",
    "REQUESTS_BUCKET": "manifests",
    "REQUESTS_PREFIX": "requests/",
    "PRESIGN_TTL_SECONDS": "3600",
    "WORK_BUCKET": "manifests",
    "WORK_PREFIX": "work/",
    "EVENT_BUS_NAME": "bus",
    "SERVICE_NAME": "zip-jobs",
    "SEGMENT_MIB": "1024",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "API_AUTH": "iam",
}

SCRIPT = """
import sys, time
sys.path.insert(0, {folder!r})
bare = set(sys.modules)
start = time.process_time()
import handlers.{handler}
imported = time.process_time()
import zipjobs
{root}()
ready = time.process_time()
import json, resource
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([imported - start, ready - imported, peak, len(set(sys.modules) - bare)]))
"""


@dataclass(frozen=True)
class Start:
    """The medians of a function's starts. ``import_s`` and ``clients_s`` are of CPU."""

    function: str
    has_bytecode: bool
    import_s: float
    clients_s: float
    peak_mb: float
    modules: int


def main(arguments: list[str]) -> int:
    """Build, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m bench coldstart", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the results as JSON on stdout")
    parser.add_argument("--rounds", type=int, default=9, help="starts a function (default 9)")
    parser.add_argument("--write", action="store_true", help="write them into docs/packaging.md")
    options = parser.parse_args(arguments)
    Console(stderr=True).print("Building the package …")
    stage(FOLDER, HERE, MACHINE, bytecode=False)
    starts = measure_all(options.rounds, has_bytecode=False)
    add_bytecode(FOLDER, HERE)
    starts += measure_all(options.rounds, has_bytecode=True)
    pack(FOLDER, FOLDER.with_suffix(".zip"))
    if options.write:
        _write(starts, options.rounds)
    if options.json:
        sys.stdout.write(json.dumps([asdict(start) for start in starts], indent=1) + "\n")
        return 0
    table = Table(*_HEADINGS, box=box.SIMPLE_HEAD)
    for start in starts:
        table.add_row(*_cells(start))
    Console(width=120).print(table)
    return 0


def measure_all(rounds: int, *, has_bytecode: bool) -> list[Start]:
    """Start every function of the package that is built."""
    return [measure(function, rounds, has_bytecode=has_bytecode) for function in ROOTS]


def measure(function: str, rounds: int, *, has_bytecode: bool) -> Start:
    """Start a function so many times; return the medians."""
    script = SCRIPT.format(folder=str(FOLDER), handler=function, root=ROOTS[function])
    command = [sys.executable, "-I", "-S", "-B", "-c", script]
    found = [
        json.loads(subprocess.check_output(command, env=ENVIRONMENT))  # noqa: S603
        for _ in range(rounds)
    ]
    import_s, clients_s, peak_mb, modules = map(statistics.median, zip(*found, strict=True))
    return Start(function, has_bytecode, import_s, clients_s, peak_mb, int(modules))


_HEADINGS = ("function", "bytecode", "import, CPU ms", "clients, CPU ms", "peak MB", "modules")


def _cells(start: Start) -> list[str]:
    return [
        start.function,
        "shipped" if start.has_bytecode else "none",
        f"{start.import_s * 1000:.0f}",
        f"{start.clients_s * 1000:.0f}",
        f"{start.peak_mb:.0f}",
        str(start.modules),
    ]


def _write(starts: list[Start], rounds: int) -> None:
    table = markdown(_HEADINGS, list(map(_cells, starts)), 2)
    size = FOLDER.with_suffix(".zip").stat().st_size / 1e6
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {MACHINE}"
    said = f"Medians of {rounds} starts, {machine}. The package with bytecode has {size:.1f} MB."
    write_between("packaging.md", COMMAND, f"{table}\n\n{said}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
