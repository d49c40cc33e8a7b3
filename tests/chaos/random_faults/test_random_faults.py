"""Jobs of every kind at once, while AWS fails at random: each has the end that it must have.

Three seeds run here. ``make chaos SEEDS=20`` runs 20 fresh ones, ``make chaos SEED=123`` that one.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from rich.console import Console

from local.faults.plan import SEEDS, FaultPlan
from local.stack import running_stack
from tests.chaos.random_faults.checks import EXHAUSTED, FINAL, Aftermath
from tests.chaos.random_faults.fault_run import Storm
from tests.chaos.random_faults.requested_jobs import SEGMENT_MIB, orders, put_sources
from tests.support.waiting import PATIENCE_SECONDS

FIXED_SEEDS = (11, 23, 58)
RATE = 0.05
MOST_EXHAUSTED = 1
"""Of the jobs of a storm. One in twenty requests fails, and a job has five tries."""


def seeds() -> list[int]:
    if seed := os.environ.get("CHAOS_SEED"):
        return [int(seed)]
    fresh = int(os.environ.get("CHAOS_SEEDS", "0"))
    return random.sample(range(SEEDS), fresh) if fresh else list(FIXED_SEEDS)


@pytest.fixture(scope="module")
def storm() -> Iterator[Storm]:
    log: list[str] = []
    with running_stack(
        overrides={
            "resourcePrefix": "storm",
            "zipperTimeoutSeconds": 300,
            "segmentMib": SEGMENT_MIB,
            "zipperMaxConcurrency": 4,
        },
        log=lambda function, line: log.append(line),
    ) as stack:
        storm = Storm(stack, log)
        put_sources(storm.client)
        yield storm


@pytest.mark.parametrize("seed", seeds())
def test_every_job_reaches_its_expected_status(storm: Storm, seed: int) -> None:
    say(f"\nseed {seed} (once more: make chaos SEED={seed})")
    aftermath = storm.pass_over(FaultPlan.random(seed, RATE), orders(), PATIENCE_SECONDS)
    say(f"seed {seed}: {summary(storm, aftermath)}")
    problems = list(aftermath.problems())
    storm.clear_up()
    assert not problems, "\n".join([*problems, *aftermath.story(problems)])
    assert len(aftermath.exhausted) <= MOST_EXHAUSTED


def summary(storm: Storm, aftermath: Aftermath) -> str:
    ends = Counter(record["status"]["S"] for record in aftermath.records.values())
    deliveries, faults = storm.deliveries, len(aftermath.injected)
    return (
        f"{', '.join(f'{ends[status]} {status}' for status in FINAL)}"
        f" ({len(aftermath.exhausted)} {EXHAUSTED}) in {aftermath.seconds:.1f} s;"
        f" {faults} faults, {deliveries.deaths} deaths, at most"
        f" {deliveries.largest_receive_count} deliveries, {len(deliveries.dead_letters)} dead"
        f" letters, {len(aftermath.events)} events, {storm.sweeps} sweeps"
    )


def say(line: str) -> None:
    Console(highlight=False, soft_wrap=True).print(line)
