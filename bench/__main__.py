"""Compare the engine with the original algorithm and other tools: ``python -m bench``.

Then measure the engine's memory for archives of 100 MB to 10 GB.

Other commands: ``scale`` simulates large jobs on many functions, ``plan`` plans a job of a million
entries, ``coldstart`` starts each function, ``client`` compares HTTP clients, and ``cost``
calculates what jobs cost.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict

from rich.console import Console

from bench import client, coldstart
from bench.large_jobs import cost, planning, scale
from bench.measure import (
    OURS,
    PEER_SYSTEMS,
    SYSTEMS,
    compare,
    install_peers,
    make_certificate,
    measure,
    running_simulator,
)
from bench.report import print_table, write_document
from bench.s3_simulator.profiles import PROFILES
from bench.workloads import COMPARED, MEMORY, WORKLOADS

COMMANDS = {
    "scale": scale.main,
    "plan": planning.main,
    "coldstart": coldstart.main,
    "client": client.main,
    "cost": cost.main,
}


def main() -> int:
    """Measure and report. Return 0, or 1 if a system failed."""
    if len(sys.argv) > 1 and (command := COMMANDS.get(sys.argv[1])):
        return command(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the results as JSON on stdout")
    parser.add_argument("--rounds", type=int, default=3, help="rounds per system (default: 3)")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="default")
    parser.add_argument(
        "--workloads", default=COMPARED + MEMORY, help=f"some of {' '.join(WORKLOADS)}"
    )
    parser.add_argument("--tls", action="store_true", help="use TLS; implies --no-peers")
    parser.add_argument("--systems", help="comma-separated (default: all)")
    parser.add_argument("--no-peers", action="store_true", help="skip systems that need installing")
    parser.add_argument(
        "--write", action="store_true", help="write docs/performance.md and its plot"
    )
    options = parser.parse_args()
    err = Console(stderr=True)
    peers = () if options.no_peers or options.systems or options.tls else PEER_SYSTEMS
    systems = options.systems.split(",") if options.systems else [*SYSTEMS, *peers]
    if any(system in PEER_SYSTEMS for system in systems):
        err.print("Installing the peers from PyPI and npm …")
        install_peers()
    results, failed = [], False
    certificate = make_certificate() if options.tls else None
    with running_simulator(options.profile, certificate) as url:
        for workload in [w for w in WORKLOADS if w in options.workloads]:
            for system in [s for s in systems if workload not in MEMORY or s in OURS]:
                rounds = 1 if workload in MEMORY else options.rounds
                try:
                    result = measure(url, system, workload, rounds, certificate)
                except (subprocess.SubprocessError, OSError) as error:
                    err.print(f"[red]{workload} {system}: {error}[/]")
                    failed = True
                    continue
                results.append(result)
                err.print(
                    f"{workload} {system:24} {result.wall_s:8.3f} s {result.cpu_s:7.3f} s CPU"
                )
    results = compare(results)
    if options.write:
        write_document(results, options.profile, options.rounds)
    if options.json:
        sys.stdout.write(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    else:
        print_table(Console(width=140), results)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
