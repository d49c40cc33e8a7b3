"""Measure one system on one workload for several rounds, in a separate process.

``python -m bench.rounds SYSTEM ENDPOINT WORKLOAD ROUNDS [CA_BUNDLE]`` starts a round for each line
on stdin and prints its result as a JSON line.
"""

import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.workloads import WORKLOADS, key

MODULES = {
    "original": "bench.systems.original",
    "boto3-threads": "bench.systems.boto3_threads",
    "zipjobs": "bench.systems.engine",
    "zipjobs-no-copy": "bench.systems.engine_without_copies",
    "probes": "bench.systems.probes",
    "reads": "bench.systems.reads",
    "boto3-reads": "bench.systems.boto3_reads",
    "parts": "bench.systems.parts",
    "parts-in-memory": "bench.systems.parts_in_memory",
    "boto3-parts": "bench.systems.boto3_parts",
    "smart_open + stream-zip": "bench.peers.smart_open_stream_zip",
}


@dataclass(frozen=True)
class ZipTask:
    """The objects to zip, the archive to write, and the endpoint."""

    endpoint_url: str
    ca_bundle: str | None
    keys: list[str]
    source_bucket: str = "src"
    target_bucket: str = "dst"
    target_key: str = "archive.zip"


Run = Callable[[], object]


def cpu_seconds() -> float:
    """Return the user and system time of this process, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_mb() -> float:
    """Return the current resident memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def peak_mb() -> float:
    """Return the peak resident memory since ``reset_peak`` in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def reset_peak() -> None:
    """Reset the peak of resident memory. See "clear_refs" in proc(5)."""
    Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    """Run the rounds."""
    name, endpoint_url, workload, rounds, *rest = sys.argv[1:]
    keys = [key(index) for index in range(len(WORKLOADS[workload]))]
    task = ZipTask(endpoint_url, rest[0] if rest else None, keys)
    run: Run = importlib.import_module(MODULES[name]).prepare(task)
    idle = resident_mb()
    for _ in range(int(rounds)):
        if not sys.stdin.readline():
            return
        reset_peak()
        wall, cpu = time.perf_counter(), cpu_seconds()
        run()
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
        measured = {"wall_s": wall, "cpu_s": cpu, "peak_rss_mb": peak_mb(), "idle_rss_mb": idle}
        sys.stdout.write(json.dumps(measured) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
