"""Runs a scenario once for each of its calls, and kills a process after that call."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import NamedTuple

from local.server import serving_aws
from tests.chaos.crashes.job_run import JobRun
from tests.chaos.crashes.outcome import Outcome, check
from tests.chaos.crashes.processes import Call, RecordingFaultInjector, WorkerPool
from tests.chaos.crashes.report import Row
from tests.chaos.crashes.scenarios import Scenario
from tests.chaos.crashes.stack import Stack
from zipjobs.jobs.job import Status

CONCURRENT_SCENARIOS = 2
"""How many scenarios run at a time: workers of one run while moto answers another."""

MAX_MISSES = 5
"""How often a run may end before the call after which a process was to die. Concurrent reads that
are no longer needed are not always made, so the number of calls varies."""

_numbers = itertools.count()
_clients = threading.Lock()


class Endpoint(NamedTuple):
    """A moto endpoint with its own faults, for one scenario at a time."""

    url: str
    faults: RecordingFaultInjector


Endpoints = SimpleQueue[Endpoint]
NewJobRun = Callable[[int | Call | None], JobRun]


@contextmanager
def serving_endpoints() -> Iterator[Endpoints]:
    """Serve one endpoint of the same moto for each concurrent scenario."""
    endpoints: Endpoints = SimpleQueue()
    with ExitStack() as servers:
        for _ in range(CONCURRENT_SCENARIOS):
            faults = RecordingFaultInjector()
            serving = serving_aws(faults, services=("s3", "dynamodb", "sqs", "events"))
            endpoints.put(Endpoint(servers.enter_context(serving), faults))
        yield endpoints


@contextmanager
def new_job_runs(scenario: Scenario, endpoints: Endpoints) -> Iterator[NewJobRun]:
    """Create a stack. Yield a function that starts a job there; a process dies after a call."""
    endpoint = endpoints.get()
    prefix = f"crash-{next(_numbers)}"
    with _clients:  # boto3 makes them in one thread at a time only
        stack = Stack(endpoint.url, prefix, scenario.segment_mib)
    workers = WorkerPool(stack.environment, endpoint.faults)
    names = (f"{prefix}-{number}" for number in itertools.count())
    try:
        for key, body in scenario.bodies.items():
            stack.put("source", key, body)
        yield lambda dies_after: JobRun(
            next(names), scenario.request, stack, workers, endpoint.faults, dies_after
        )
    finally:
        workers.stop()
        stack.empty()
        endpoints.put(endpoint)


def lead(scenario: Scenario, job: JobRun) -> Outcome:
    """Run a scenario and return its outcome. Raises AssertionError if anything is wrong."""
    try:
        scenario.story(job)
        job.end_count()
        ending = check(job, scenario)
    except BaseException:
        job.end_count()
        job.stack.reset()
        raise
    job.stack.forget_archives()
    return ending


def crash_after_every_call(scenario: Scenario, endpoints: Endpoints) -> Row:
    """Run a scenario undisturbed, and then once for each call, after which its process is killed.

    Concurrent calls come in any order. So kinds of calls that no number has reached are selected
    by name at the end.
    """
    row = Row(scenario.name)
    killed_after: set[Call] = set()
    misses = 0
    with new_job_runs(scenario, endpoints) as new_run:
        undisturbed = new_run(None)
        good = {
            lead(scenario, undisturbed),
            *(Outcome(end) for end in scenario.ends - {Status.READY}),
        }
        row.calls = len(undisturbed.calls)
        kinds = set(undisturbed.calls)
        assert scenario.operation is None or scenario.operation in {
            kind.operation for kind in kinds
        }
        while row.kills < row.calls or kinds - killed_after:
            in_turn = row.kills < row.calls
            job = new_run(row.kills + 1 if in_turn else min(kinds - killed_after, key=str))
            mistake, end = None, ""
            try:
                ending = lead(scenario, job)
                assert ending in good, f"{ending} is none of {good}"
                end = ending.status
            except AssertionError as error:
                mistake = job.told(error)
            if job.killed_after is not None:
                killed_after.add(job.killed_after)
                row.note(end, mistake)
                continue
            misses += 1
            if mistake is not None or misses > MAX_MISSES:
                raise AssertionError(
                    mistake or f"{scenario.name} does not always make that many calls"
                )
    return row
