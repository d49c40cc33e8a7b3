"""Jobs of all kinds run at once while requests to AWS fail at random.

Three seeds run here. ``make chaos SEEDS=20`` runs 20 new ones, ``make chaos SEED=123`` that one.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from rich.console import Console

from local.faults.plan import SEEDS, FaultPlan
from local.stack import running_stack
from tests.chaos.random_faults.checks import EXHAUSTED, FINAL, RunResult
from tests.chaos.random_faults.fault_run import FaultRun
from tests.chaos.random_faults.requested_jobs import SEGMENT_MIB, all_kinds_of_jobs, put_sources
from tests.support.waiting import WAIT_SECONDS

FIXED_SEEDS = (11, 23, 58)
RATE = 0.05
MAX_EXHAUSTED = 1
"""Jobs per run. One in twenty requests fails, and a job has five attempts."""


def seeds() -> list[int]:
    if seed := os.environ.get("CHAOS_SEED"):
        return [int(seed)]
    new = int(os.environ.get("CHAOS_SEEDS", "0"))
    return random.sample(range(SEEDS), new) if new else list(FIXED_SEEDS)


@pytest.fixture(scope="module")
def fault_run() -> Iterator[FaultRun]:
    log: list[str] = []
    with running_stack(
        overrides={
            "resourcePrefix": "chaos",
            "zipperTimeoutSeconds": 300,
            "segmentMib": SEGMENT_MIB,
            "zipperMaxConcurrency": 4,
        },
        log=lambda function, line: log.append(line),
    ) as stack:
        fault_run = FaultRun(stack, log)
        put_sources(fault_run.client)
        yield fault_run


@pytest.mark.parametrize("seed", seeds())
def test_every_job_reaches_its_expected_status(fault_run: FaultRun, seed: int) -> None:
    show(f"\nseed {seed} (repeat it: make chaos SEED={seed})")
    result = fault_run.run(FaultPlan.random(seed, RATE), all_kinds_of_jobs(), WAIT_SECONDS)
    show(f"seed {seed}: {summary(fault_run, result)}")
    problems = list(result.problems())
    fault_run.empty_target()
    assert not problems, "\n".join([*problems, *result.log_of(problems)])
    assert len(result.exhausted) <= MAX_EXHAUSTED


def summary(fault_run: FaultRun, result: RunResult) -> str:
    statuses = Counter(str(job.status) for job in result.records.values())
    deliveries, faults = fault_run.deliveries, len(result.injected)
    return (
        f"{', '.join(f'{statuses[status]} {status}' for status in FINAL)}"
        f" ({len(result.exhausted)} {EXHAUSTED}) in {result.seconds:.1f} s;"
        f" {faults} faults, {deliveries.kills} killed, receive count up to"
        f" {deliveries.largest_receive_count}, {len(deliveries.dead_letters)} dead letters,"
        f" {len(result.events)} events, reconciler runs: {fault_run.reconciler_runs}"
    )


def show(line: str) -> None:
    Console(highlight=False, soft_wrap=True).print(line)
