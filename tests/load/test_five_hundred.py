"""500 jobs at once while AWS fails at random. Takes minutes: ``make load`` prints the figures."""

import os
import random
import statistics
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from local.faults.plan import SEEDS, FaultPlan
from local.stack import running_stack
from tests.chaos.random_faults.checks import EXHAUSTED, FINAL, RunResult
from tests.chaos.random_faults.client import RetryingClient
from tests.chaos.random_faults.fault_run import FaultRun
from tests.chaos.random_faults.requested_jobs import RequestedJob

JOBS = 500
RATE = 0.05
SECONDS = 900
PREFIX = "load/"
SOURCES = {f"{n:02}.pdf": random.Random(n).randbytes(1 + n * n * 40) for n in range(40)}
"""From 1 byte to 60 KB."""

MAX_EXHAUSTED = 5


def orders() -> Iterator[RequestedJob]:
    """Yield jobs by API and by manifest in turn. Some use other features of requests."""
    for number in range(JOBS):
        trigger = ("api", "manifest")[number % 2]
        names = random.Random(number).sample(sorted(SOURCES), 1 + number % 5)
        members = {name: SOURCES[name] for name in names}
        body: dict[str, Any]
        keys, gone = [PREFIX + name for name in names], f"{PREFIX}gone.pdf"
        name = f"number {number}"
        match number // 2 % 25:
            case 0:
                body = {"keys": [*keys, gone]}
                yield RequestedJob(name, trigger, body, "FAILED", code="SOURCE_NOT_FOUND")
            case 1:
                body = {"keys": [gone, *keys], "onMissing": "skip"}
                yield RequestedJob(name, trigger, body, members=members, skipped=("gone.pdf",))
            case 2 if trigger == "api":
                yield RequestedJob(
                    name, trigger, {"keys": keys}, "CANCELLED", members=members, is_cancelled=True
                )
            case 2:
                body = {"keys": keys, "compression": "deflate"}
                yield RequestedJob(name, trigger, body, members=members)
            case 3 if trigger == "api":
                yield RequestedJob(
                    name, trigger, {"keys": keys}, members=members, is_sent_twice=True
                )
            case _:
                yield RequestedJob(name, trigger, {"keys": keys}, members=members)


@pytest.mark.load
@pytest.mark.timeout(3 * SECONDS)
def test_500_jobs_all_reach_their_expected_status() -> None:
    seed = int(os.environ.get("LOAD_SEED") or random.randrange(SEEDS))
    console = Console(highlight=False, width=100)
    console.print(f"\nseed {seed} (to repeat it: make load SEED={seed})")
    log: list[str] = []
    with running_stack(
        overrides={"resourcePrefix": "load", "zipperTimeoutSeconds": 60, "zipperMaxConcurrency": 6},
        log=lambda function, line: log.append(line),
    ) as stack:
        fault_run = FaultRun(stack, log, skips_waits=False)
        put_sources(fault_run.client)
        result = fault_run.run(FaultPlan.random(seed, RATE), orders(), SECONDS)
        console.print(figures(fault_run, result))
        problems = list(result.problems())
        assert not problems, "\n".join([*problems, *result.log_of(problems)])
        assert len(result.exhausted) <= MAX_EXHAUSTED


def put_sources(client: RetryingClient) -> None:
    for name, body in SOURCES.items():
        client.s3.put_object(Bucket=client.outputs["sourceBucket"], Key=PREFIX + name, Body=body)


def figures(fault_run: FaultRun, result: RunResult) -> Table:
    """Return a table with the figures of the run."""
    table = Table(title="500 jobs with random faults", show_header=False)
    triggers = Counter(submitted.requested.trigger for submitted in result.submitted)
    statuses = Counter(str(job.status) for job in result.records.values())
    faults = Counter(str(injected.effect) for injected in result.injected)
    seconds = sorted(durations(result))
    by_20 = statistics.quantiles(seconds, n=20)
    deliveries = fault_run.deliveries
    rows = {
        "jobs submitted": ", ".join(f"{count} by {trigger}" for trigger, count in triggers.items()),
        **{status: str(statuses[status]) for status in FINAL},
        EXHAUSTED: str(len(result.exhausted)),
        "events": f"{len(result.events)} of {len(result.records)} jobs",
        "messages delivered twice": str(faults["duplicate"]),
        "faults injected": str(len(result.injected)),
        **{f"  {effect}": str(count) for effect, count in faults.most_common()},
        "functions killed": str(deliveries.kills),
        "largest receive count": str(deliveries.largest_receive_count),
        "dead letters": str(len(deliveries.dead_letters)),
        "runs of the reconciler": str(fault_run.reconciler_runs),
        "seconds until all jobs were finished": f"{result.all_final_seconds:.0f}",
        "jobs per second": f"{len(result.records) / result.all_final_seconds:.1f}",
        "seconds from submission to final status": f"p50 {statistics.median(seconds):.1f}, "
        f"p95 {by_20[-1]:.1f}, longest {seconds[-1]:.1f}",
        "seconds until the queue was empty": f"{result.seconds:.0f}",
    }
    for row in rows.items():
        table.add_row(*row)
    return table


def durations(result: RunResult) -> Iterator[float]:
    """Yield the seconds from each job's submission to its final status."""
    for submitted in result.submitted:
        finished_at = result.records[submitted.job_id].finished_at
        assert finished_at is not None
        yield (finished_at - submitted.at).total_seconds()
