"""A model of a job on AWS: its requests, duration and cost.

The service's own planner and layout determine segments, parts and requests. Durations are
calculated from constants and from measured CPU times.
"""

import heapq
from collections import Counter
from dataclasses import dataclass

from bench.large_jobs.layout import ENGINE, UNSPLIT_QUOTA, Plan, Work
from bench.request_kinds import OPERATIONS, dollars
from bench.workloads import MB
from infra.config.settings import EXECUTIONS_PER_POLLER
from zipjobs.s3.probe_objects import WINDOW
from zipjobs.s3.ranged_file import RANGE_BYTES

FULL_CORE_MB = 1_769
"""The memory of a function with one vCPU. See "Configure Lambda function memory"."""

SEGMENT_CALLS = 9
"""Sequential requests of a segment: receive the message, read job, plan, result and entries, write
the result (two objects) and the progress, list the results."""

PLANNING_CALLS = 8
"""Claim, read the request, describe the job, create and record the upload, store and record the
plan, release the job."""

FINISHING_CALLS = 8
"""Upload the last part, complete, update the job, abort, list and delete temporary objects, send
and record the event."""

UNSPLIT_CALLS = 9
"""Claim, read the request, describe the job, create and record the upload, complete it, update the
job, send and record the event."""

PROGRESS_SECONDS = 2.0


@dataclass(frozen=True)
class ModelInputs:
    """The assumptions of the model. CPU seconds are those of this machine."""

    cpu_per_get: float
    cpu_per_mb: float
    cpu_per_copy: float
    cpu_per_probe: float
    cpu_per_planned_entry: float
    cpu_per_segment_entry: float
    list_bytes_per_entry: float
    network: float = 75.0 * MB
    response_seconds: float = 0.025
    copy_seconds: float = 0.050
    copy_rate: float = 200.0 * MB
    cold_start: float = 1.0
    memory_mb: int = 512
    first_workers: int = 5
    more_workers_per_minute: int = 300

    def ramp_seconds(self, worker: int, pollers: int) -> float:
        """Return when a worker can start after the first one, which has the number 0.

        See "Configuring scaling behavior for SQS event source mappings" in the Lambda Developer
        Guide. Each of the ``pollers`` of provisioned mode starts 10 workers at once; further
        workers are not simulated.
        """
        if pollers:
            return 0.0 if worker < pollers * EXECUTIONS_PER_POLLER else float("inf")
        return max(0, worker - self.first_workers + 1) * 60 / self.more_workers_per_minute

    def on_function(self, cpu_seconds: float) -> float:
        """Return how long a function needs for ``cpu_seconds`` of this machine."""
        return cpu_seconds / min(1.0, self.memory_mb / FULL_CORE_MB)


@dataclass(frozen=True)
class Estimate:
    """A job on so many workers. ``longest_s`` is the duration of the longest invocation."""

    scenario: str
    workers: int
    wall_s: float
    usd: float
    requests: int
    requests_by_kind: dict[str, int]
    segments: int
    planning_s: float
    longest_s: float


def simulate(plan: Plan, workers: int, inputs: ModelInputs) -> Estimate:
    """Simulate a job on ``workers`` functions."""
    requests: Counter[str] = Counter(
        SQS=3, EVENT=2, INVOKE=1
    )  # the manifest's event and the completion event
    if not plan.is_split:
        wall = inputs.cold_start + _unsplit(plan, requests, inputs)
        return _estimate(
            plan, 1, requests, inputs, wall=wall, billed=wall, planning=0.0, longest=wall
        )
    planning = inputs.cold_start + _planning(plan, requests, inputs)
    times = [_segment(work, len(plan.work), requests, inputs) for work in plan.work]
    finishing = _finishing(plan, requests, inputs)
    free = [planning] + [
        planning + inputs.ramp_seconds(worker, plan.scenario.pollers) + inputs.cold_start
        for worker in range(1, workers)
    ]
    heapq.heapify(free)
    ends = []
    for seconds in times:
        ends.append(heapq.heappop(free) + seconds)
        heapq.heappush(free, ends[-1])
    more = min(workers, len(times)) - 1
    return _estimate(
        plan,
        workers,
        requests,
        inputs,
        wall=max(ends) + finishing,
        billed=planning + more * inputs.cold_start + sum(times) + finishing,
        planning=planning,
        longest=max(planning, inputs.cold_start + max(times) + finishing),
    )


def _estimate(
    plan: Plan,
    workers: int,
    requests: Counter[str],
    inputs: ModelInputs,
    *,
    wall: float,
    billed: float,
    planning: float,
    longest: float,
) -> Estimate:
    return Estimate(
        scenario=plan.scenario.name,
        workers=workers,
        wall_s=round(wall, 2),
        usd=round(dollars(requests, billed, inputs.memory_mb), 6),
        requests=requests.total(),
        requests_by_kind={kind: requests[kind] for kind in OPERATIONS if requests[kind]},
        segments=len(plan.work) if plan.is_split else 0,
        planning_s=round(planning, 2),
        longest_s=round(longest, 2),
    )


def _unsplit(plan: Plan, requests: Counter[str], inputs: ModelInputs) -> float:
    (work,) = plan.work
    seconds = UNSPLIT_CALLS * inputs.response_seconds + _processing(work, inputs)
    requests.update(GET=1 + work.gets, CREATE=1, COMPLETE=1, UPLOAD_PART=work.puts)
    requests.update(COPY_PART=work.copies, WRITE=5 + int(seconds / PROGRESS_SECONDS))
    return seconds


def _planning(plan: Plan, requests: Counter[str], inputs: ModelInputs) -> float:
    count, segments, scenario = len(plan.scenario.sizes), len(plan.work), plan.scenario
    batches = -(-segments // 10)
    list_gets = -(-int(count * inputs.list_bytes_per_entry) // RANGE_BYTES)
    list_gets = list_gets if scenario.in_list else 0
    requests.update(GET=1 + list_gets, PUT=segments + 1, CREATE=1, WRITE=5)
    requests.update(SQS=batches + 2 * segments, INVOKE=segments)
    calls = PLANNING_CALLS + list_gets + segments + batches
    cpu = count * inputs.cpu_per_planned_entry
    seconds = calls * inputs.response_seconds + inputs.on_function(cpu)
    if scenario.has_sizes:
        return seconds
    requests.update(GET=count)
    probing = inputs.on_function(count * inputs.cpu_per_probe)
    seconds += max(count * inputs.response_seconds / WINDOW, probing)
    if not UNSPLIT_QUOTA.is_full(count // 2, 0, 0):
        # The worker starts the archive itself until the first sizes exceed its quota.
        tried, copies = min(ENGINE.probes, count), sum(work.copies for work in plan.work)
        requests.update(CREATE=1, ABORT=1, WRITE=1, GET=tried, COPY_PART=min(ENGINE.copies, copies))
        seconds += 4 * inputs.response_seconds + _copying(plan.work[0], inputs, waves=1)
    return seconds


def _segment(work: Work, segments: int, requests: Counter[str], inputs: ModelInputs) -> float:
    seconds = SEGMENT_CALLS * inputs.response_seconds + _processing(work, inputs)
    seconds += inputs.on_function(work.entries * inputs.cpu_per_segment_entry)
    requests.update(READ=1, GET=3 + work.gets, UPLOAD_PART=work.puts, COPY_PART=work.copies, PUT=2)
    requests.update(WRITE=1 + int(seconds / PROGRESS_SECONDS), LIST=-(-segments // 1000))
    return seconds


def _finishing(plan: Plan, requests: Counter[str], inputs: ModelInputs) -> float:
    segments = len(plan.work)
    left = -(-(3 * segments + 1) // 1000)
    requests.update(GET=2 * segments, UPLOAD_PART=1, COMPLETE=1, ABORT=1, WRITE=2, LIST=left)
    requests.update(DELETE=left)
    sent = sum(work.records_bytes for work in plan.work)
    return (FINISHING_CALLS + 2 * segments) * inputs.response_seconds + sent / inputs.network


def _processing(work: Work, inputs: ModelInputs) -> float:
    """Return the duration of a worker's run, which the scarcest resource determines."""
    cpu = work.gets * inputs.cpu_per_get + work.read_bytes / MB * inputs.cpu_per_mb
    return max(
        max(work.read_bytes, work.sent_bytes) / inputs.network,
        inputs.response_seconds * max(work.gets / ENGINE.probes, work.puts / ENGINE.uploads),
        inputs.on_function(cpu + work.copies * inputs.cpu_per_copy),
        _copying(work, inputs, -(-work.copies // ENGINE.copies)),
    )


def _copying(work: Work, inputs: ModelInputs, waves: int) -> float:
    if not work.copies:
        return 0.0
    return waves * (inputs.copy_seconds + work.copied_bytes / work.copies / inputs.copy_rate)
