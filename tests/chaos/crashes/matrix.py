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
"""Scenarios that run at a time: workers of one run while moto responds to another's."""

MAX_MISSES = 5
"""Runs that may end before the call after which a process was to be killed. Concurrent reads that
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
    """Create a stack, and yield a function that creates a job on it."""
    endpoint = endpoints.get()
    prefix = f"crash-{next(_numbers)}"
    with _clients:  # boto3's default session is not thread-safe
        stack = Stack(endpoint.url, prefix, scenario.has_segments)
    workers = WorkerPool(stack.environment, endpoint.faults)
    names = (f"{prefix}-{number}" for number in itertools.count())
    try:
        for key, body in scenario.bodies.items():
            stack.put("source", key, body)
        yield lambda kill_after: JobRun(
            next(names), scenario.request, stack, workers, endpoint.faults, kill_after
        )
    finally:
        workers.stop()
        stack.empty()
        endpoints.put(endpoint)


def run_scenario(scenario: Scenario, job: JobRun) -> Outcome:
    """Run a scenario and return its outcome. Raises AssertionError if anything is wrong."""
    try:
        for step in scenario.before:
            step(job)
        job.start_counting(scenario.function)
        try:
            for step in scenario.counted:
                step(job)
        finally:
            job.stop_counting(scenario.function)
        for step in scenario.after:
            step(job)
        outcome = check(job, scenario)
    except BaseException:
        job.stack.reset()
        raise
    job.stack.delete_archives()
    return outcome


def crash_after_every_call(scenario: Scenario, endpoints: Endpoints) -> Row:
    """Run a scenario without a crash, then once for each call with a kill after that call.

    Concurrent calls come in any order. So kinds of calls that no number has reached are selected
    by name at the end.
    """
    row = Row(scenario.name)
    killed_after: set[Call] = set()
    misses = 0
    with new_job_runs(scenario, endpoints) as new_job_run:
        job = new_job_run(None)
        expected = {
            run_scenario(scenario, job),
            *(Outcome(status) for status in scenario.final_statuses - {Status.READY}),
        }
        row.calls = len(job.calls)
        kinds = set(job.calls)
        assert scenario.operation in {None, *(kind.operation for kind in kinds)}
        while row.kills < row.calls or kinds - killed_after:
            is_by_number = row.kills < row.calls
            job = new_job_run(row.kills + 1 if is_by_number else min(kinds - killed_after, key=str))
            error_report = ""
            try:
                outcome = run_scenario(scenario, job)
                assert outcome in expected, f"{outcome} is not in {expected}"
            except AssertionError as error:
                error_report = job.report(error)
            if job.killed_after is None:
                misses += 1
                assert not error_report, error_report
                assert misses <= MAX_MISSES, f"{scenario.name} often makes fewer calls"
                continue
            killed_after.add(job.killed_after)
            if error_report:
                row.errors.append(error_report)
            else:
                row.final_statuses[outcome.status] += 1
    return row
