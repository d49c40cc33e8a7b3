"""Kills somebody after every call of a life, and watches what becomes of the jobs."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import NamedTuple

from local.server import serving_aws
from tests.chaos.crashes.job_run import Trial
from tests.chaos.crashes.outcome import Ending, check
from tests.chaos.crashes.processes import Call, Fleet, WatchedFaults
from tests.chaos.crashes.report import Row
from tests.chaos.crashes.scenarios import Life
from tests.chaos.crashes.stack import Stack
from zipjobs.jobs.job import Status

LANES = 2
"""So many lives are led at a time: while moto answers one, a worker of another may ask."""

MOST_MISSES = 5
"""How often a life may be over before the call that somebody was to die after: of reads that go on
at once, and are not needed any more, there are sometimes fewer."""

_numbers = itertools.count()
_clients = threading.Lock()


class Lab(NamedTuple):
    """An endpoint of moto with faults of its own, for one life at a time."""

    url: str
    faults: WatchedFaults


Labs = SimpleQueue[Lab]
NewTrial = Callable[[int | Call | None], Trial]


@contextmanager
def opened_labs() -> Iterator[Labs]:
    """As many labs as there are lanes, of one and the same moto."""
    labs: Labs = SimpleQueue()
    with ExitStack() as servers:
        for _ in range(LANES):
            faults = WatchedFaults()
            serving = serving_aws(faults, services=("s3", "dynamodb", "sqs", "events"))
            labs.put(Lab(servers.enter_context(serving), faults))
        yield labs


@contextmanager
def living(life: Life, labs: Labs) -> Iterator[NewTrial]:
    """A stack for a life. Yields what makes a job there, of which somebody dies after a call."""
    lab = labs.get()
    prefix = f"crash-{next(_numbers)}"
    with _clients:  # boto3 makes them in one thread at a time only
        stack = Stack(lab.url, prefix, life.segment_mib)
    fleet = Fleet(stack.environment, lab.faults)
    names = (f"{prefix}-{number}" for number in itertools.count())
    try:
        for key, body in life.bodies.items():
            stack.put("source", key, body)
        yield lambda dies_after: Trial(
            next(names), life.request, stack, fleet, lab.faults, dies_after
        )
    finally:
        fleet.stop()
        stack.empty()
        labs.put(lab)


def lead(life: Life, job: Trial) -> Ending:
    """Tell the story of a job; how it ended. Raises AssertionError if anything is wrong then."""
    try:
        life.story(job)
        job.end_count()
        ending = check(job, life)
    except BaseException:
        job.end_count()
        job.stack.reset()
        raise
    job.stack.forget_archives()
    return ending


def kill_after_every_call(life: Life, labs: Labs) -> Row:
    """Lead a life undisturbed, and then once more for each of its calls: that one is the last.

    Calls that go on at once come in any order. So a kind of call that has not had its turn by its
    number has it by its name.
    """
    row = Row(life.name)
    killed_after: set[Call] = set()
    misses = 0
    with living(life, labs) as new_trial:
        undisturbed = new_trial(None)
        good = {lead(life, undisturbed), *(Ending(end) for end in life.ends - {Status.READY})}
        row.calls = len(undisturbed.calls)
        kinds = set(undisturbed.calls)
        assert life.operation is None or life.operation in {kind.operation for kind in kinds}
        while row.kills < row.calls or kinds - killed_after:
            in_turn = row.kills < row.calls
            job = new_trial(row.kills + 1 if in_turn else min(kinds - killed_after, key=str))
            mistake, end = None, ""
            try:
                ending = lead(life, job)
                assert ending in good, f"{ending} is none of {good}"
                end = ending.status
            except AssertionError as error:
                mistake = job.told(error)
            if job.killed_after is not None:
                killed_after.add(job.killed_after)
                row.note(end, mistake)
                continue
            misses += 1
            if mistake is not None or misses > MOST_MISSES:
                raise AssertionError(mistake or f"{life.name} has not always that many calls")
    return row
