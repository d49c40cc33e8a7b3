"""Measure the HTTP clients: CPU time per request, with boto3's beside it."""

import argparse
import json
import sys
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from bench.measure import make_certificate, measure, running_simulator
from bench.s3_simulator.profiles import PROFILES
from bench.workloads import WORKLOADS

REQUESTS = [
    ("GET of 20 KB", "b", ("reads", "boto3-reads")),
    ("GET of 100 KB", "a", ("reads", "boto3-reads")),
    ("GET of 1 MB", "s", ("reads", "boto3-reads")),
    ("part of 8 MiB, sent while it is assembled", "s", ("parts",)),
    ("part of 8 MiB, complete in memory", "s", ("parts-in-memory", "boto3-parts")),
]
"""The requests, the workloads that consist of them, and the systems that send them."""


@dataclass(frozen=True)
class ClientResult:
    """The medians of one client for one kind of request."""

    request: str
    is_tls: bool
    client: str
    cpu_us: float
    wall_us: float
    above_idle_mb: float


def main(arguments: list[str]) -> int:
    """Measure and report. Return 0."""
    parser = argparse.ArgumentParser(prog="python -m bench client", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the results as JSON on stdout")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per client (default: 5)")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="default")
    options = parser.parse_args(arguments)
    results: list[ClientResult] = []
    for certificate in (None, make_certificate()):
        with running_simulator(options.profile, certificate) as url:
            for request, workload, clients in REQUESTS:
                for client in clients:
                    measured = measure(url, client, workload, options.rounds, certificate)
                    per_request = 1e6 / len(WORKLOADS[workload])
                    results.append(
                        ClientResult(
                            request,
                            certificate is not None,
                            "boto3 on threads" if "boto3" in client else "libcurl",
                            round(measured.cpu_s * per_request, 1),
                            round(measured.wall_s * per_request, 1),
                            round(measured.peak_rss_mb - measured.idle_rss_mb, 1),
                        )
                    )
    if options.json:
        sys.stdout.write(json.dumps([asdict(result) for result in results], indent=1) + "\n")
        return 0
    table = Table("request", "TLS", "client", "CPU µs", "wall µs", "MB above idle")
    for result in results:
        tls = "yes" if result.is_tls else "no"
        figures = f"{result.cpu_us:,.0f}", f"{result.wall_us:,.0f}", f"{result.above_idle_mb:.0f}"
        table.add_row(result.request, tls, result.client, *figures)
    Console(width=140).print(table)
    return 0
