"""Measure the cold start of each function: ``python -m bench coldstart``.

Builds the package for this machine and starts each function in new processes, which can import only
the package and the standard library. They run the runtime's Python version if it is installed.
Measures CPU seconds, because other processes on the machine hardly affect them.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from bench.tables import markdown, write_section
from tools.declared import declared
from tools.package import add_bytecode, installed_python, pack, stage

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "coldstart"
MACHINE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
COMMAND = "python -m bench coldstart --write"

ROOTS = {
    "enqueue": "zipjobs.wiring.api.enqueue_dependencies",
    "status": "zipjobs.wiring.api.status_dependencies",
    "cancel": "zipjobs.wiring.lifecycle.cancel_dependencies",
    "docs": "zipjobs.settings.DocsSettings.from_environment",
    "zipper": "zipjobs.wiring.worker.zipper_dependencies",
    "dead_letter": "zipjobs.wiring.lifecycle.finalizer",
    "reconciler": "zipjobs.wiring.lifecycle.reconciler",
}
"""The composition root that each function calls in its first invocation."""

RUNTIME_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
}
"""The variables that Lambda sets. The Pulumi program declares the others."""

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
import json, re
# Not ru_maxrss, which includes the process before exec.
peak = int(re.search("VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024
print(json.dumps([imported - start, ready - imported, peak, len(set(sys.modules) - bare)]))
"""


@dataclass(frozen=True)
class Start:
    """The minimum of each measure over all starts of a function. Times are CPU seconds."""

    function: str
    has_bytecode: bool
    import_s: float
    clients_s: float
    peak_mb: float
    modules: int


def main(arguments: list[str]) -> int:
    """Build, measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench coldstart", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the results as JSON on stdout")
    parser.add_argument("--rounds", type=int, default=9, help="starts per function (default: 9)")
    parser.add_argument("--write", action="store_true", help="write the table of docs/packaging.md")
    options = parser.parse_args(arguments)
    version, python = installed_python()
    Console(stderr=True).print(f"Building the package for {version}; starting it with {python} …")
    stage(FOLDER, version, MACHINE, bytecode=False)
    sizes = [_packed_mb()]
    starts = measure_all(python, options.rounds, has_bytecode=False)
    add_bytecode(FOLDER, version)
    starts += measure_all(python, options.rounds, has_bytecode=True)
    sizes.append(_packed_mb())
    if options.json:
        sys.stdout.write(json.dumps([asdict(start) for start in starts], indent=1) + "\n")
        return 0
    rows = [_cells(start) for start in starts]
    description = _description(options.rounds, python, sizes)
    if options.write:
        write_section("packaging.md", COMMAND, f"{markdown(_HEADINGS, rows, 2)}\n\n{description}")
    table = Table(*_HEADINGS, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table, description)
    return 0


def environments() -> dict[str, dict[str, str]]:
    """Return the environment of each function by the name of its module."""
    functions = [one for one in declared().values() if one.type.endswith(":Function")]
    return {
        one.inputs["handler"].split(".")[1]: {
            **RUNTIME_ENVIRONMENT,
            **one.inputs["environment"]["variables"],
        }
        for one in functions
    }


def measure_all(python: str, rounds: int, *, has_bytecode: bool) -> list[Start]:
    """Start each function of the package."""
    environment = environments()
    return [
        measure(python, function, environment[function], rounds, has_bytecode=has_bytecode)
        for function in ROOTS
    ]


def measure(
    python: str, function: str, environment: dict[str, str], rounds: int, *, has_bytecode: bool
) -> Start:
    """Start a function ``rounds`` times. Return the minimum of each measure."""
    script = SCRIPT.format(folder=str(FOLDER), handler=function, root=ROOTS[function])
    command = [python, "-I", "-S", "-B", "-c", script]
    found = [
        json.loads(subprocess.check_output(command, env=environment))  # noqa: S603
        for _ in range(rounds)
    ]
    import_s, clients_s, peak_mb, modules = map(min, zip(*found, strict=True))
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


def _packed_mb() -> float:
    """Return the size of the zipped package in MB."""
    archive = FOLDER.with_suffix(".zip")
    pack(FOLDER, archive)
    return archive.stat().st_size / 1e6


def _description(rounds: int, python: str, sizes: list[float]) -> str:
    """Describe the measurement."""
    command = [python, "-I", "-c", "import platform; print(platform.python_version())"]
    version = subprocess.check_output(command, text=True).strip()  # noqa: S603
    without, size = sizes
    machine = f"{os.cpu_count()} cores, Python {version}, {MACHINE}"
    return (
        f"The minimum of {rounds} starts, {machine}.\n"
        f"The package is {without:.1f} MB, and {size:.1f} MB with bytecode."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
