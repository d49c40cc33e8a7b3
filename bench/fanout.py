"""A model of a job on AWS: who makes what, when, with which requests, and for how much.

Segments, parts and requests are those that the service's own planner and layout come to. Times are
arithmetic on a few constants, and on CPU times that were measured.
"""

import heapq
from collections import Counter
from dataclasses import dataclass

from bench.pieces import ALONE_SHARE, ENGINE, Plan, Work
from bench.prices import PRICES
from bench.profile import MB
from infra.monitoring.prices import PER_GB_SECOND
from zipjobs.s3.probe_objects import WINDOW
from zipjobs.s3.ranged_file import RANGE_BYTES

FULL_CORE_MB = 1_769
"""Memory of a function that has one vCPU: "Configure Lambda function memory"."""

SEGMENT_CALLS = 9
"""One after the other: the queue's delivery, job, plan, whether it is made, entries, two objects
that tell what was made, progress, and how many have been made."""

PLANNING_CALLS = 8
"""claim, request, describe, the upload and its note, plan, its note, release."""

FINISHING_CALLS = 8
"""The last part, completion, record, abort, listing and deletion of what was left, event, note."""

ALONE_CALLS = 9
"""claim, request, describe, the upload and its note, completion, record, event, note."""

PROGRESS_SECONDS = 2.0


@dataclass(frozen=True)
class Inputs:
    """What the model takes for granted. CPU seconds are this machine's."""

    cpu_per_get: float
    cpu_per_mb: float
    cpu_per_copy: float
    cpu_per_question: float
    cpu_per_planned: float
    cpu_per_read: float
    list_bytes_per_entry: float
    network: float = 75.0 * MB
    answer_seconds: float = 0.025
    copy_seconds: float = 0.050
    copy_rate: float = 200.0 * MB
    cold_start: float = 1.0
    memory_mb: int = 512

    def on_function(self, cpu_seconds: float) -> float:
        """How long a function takes for what takes ``cpu_seconds`` here."""
        return cpu_seconds / min(1.0, self.memory_mb / FULL_CORE_MB)


@dataclass(frozen=True)
class Row:
    """What a job took. ``longest_s``: the longest that one invocation takes."""

    scenario: str
    workers: int
    wall_s: float
    usd: float
    requests: int
    requests_by_kind: dict[str, int]
    segments: int
    planning_s: float
    longest_s: float


def simulate(plan: Plan, workers: int, inputs: Inputs) -> Row:
    """Let ``workers`` functions make it."""
    asked: Counter[str] = Counter(SQS=3, EVENT=2, INVOKE=1)  # a manifest's event, and the last
    if not plan.is_cut:
        wall = inputs.cold_start + _alone(plan, asked, inputs)
        return _row(plan, 1, asked, inputs, wall=wall, billed=wall, planning=0.0, longest=wall)
    planning = inputs.cold_start + _planning(plan, asked, inputs)
    times = [_segment(work, len(plan.works), asked, inputs) for work in plan.works]
    finishing = _finishing(plan, asked, inputs)
    free = [planning] + [planning + inputs.cold_start] * (workers - 1)
    heapq.heapify(free)
    ends = []
    for seconds in times:
        ends.append(heapq.heappop(free) + seconds)
        heapq.heappush(free, ends[-1])
    more = min(workers, len(times)) - 1
    return _row(
        plan,
        workers,
        asked,
        inputs,
        wall=max(ends) + finishing,
        billed=planning + more * inputs.cold_start + sum(times) + finishing,
        planning=planning,
        longest=max(planning, inputs.cold_start + max(times) + finishing),
    )


def _row(
    plan: Plan,
    workers: int,
    asked: Counter[str],
    inputs: Inputs,
    *,
    wall: float,
    billed: float,
    planning: float,
    longest: float,
) -> Row:
    dollars = sum(PRICES[kind] * count for kind, count in asked.items())
    return Row(
        scenario=plan.scenario.name,
        workers=workers,
        wall_s=round(wall, 2),
        usd=round(dollars + billed * PER_GB_SECOND * inputs.memory_mb / 1024, 6),
        requests=asked.total(),
        requests_by_kind={kind: asked[kind] for kind in PRICES if asked[kind]},
        segments=len(plan.works) if plan.is_cut else 0,
        planning_s=round(planning, 2),
        longest_s=round(longest, 2),
    )


def _alone(plan: Plan, asked: Counter[str], inputs: Inputs) -> float:
    (work,) = plan.works
    seconds = ALONE_CALLS * inputs.answer_seconds + _making(work, inputs)
    asked.update(GET=1 + work.gets, CREATE=1, COMPLETE=1, UPLOAD_PART=work.puts)
    asked.update(COPY_PART=work.copies, WRITE=5 + int(seconds / PROGRESS_SECONDS))
    return seconds


def _planning(plan: Plan, asked: Counter[str], inputs: Inputs) -> float:
    count, pieces, scenario = len(plan.scenario.sizes), len(plan.works), plan.scenario
    batches = -(-pieces // 10)
    list_gets = -(-int(count * inputs.list_bytes_per_entry) // RANGE_BYTES)
    list_gets = list_gets if scenario.in_list else 0
    asked.update(GET=1 + list_gets, PUT=pieces + 1, CREATE=1, WRITE=5)
    asked.update(SQS=batches + 2 * pieces, INVOKE=pieces)
    calls = PLANNING_CALLS + list_gets + pieces + batches
    cpu = count * inputs.cpu_per_planned
    seconds = calls * inputs.answer_seconds + inputs.on_function(cpu)
    if scenario.are_known:
        return seconds
    asked.update(GET=count)
    questions = inputs.on_function(count * inputs.cpu_per_question)
    seconds += max(count * inputs.answer_seconds / WINDOW, questions)
    if not ALONE_SHARE.is_full(count // 2, 0, 0):
        # The runner begins alone, and finds by the first sizes that it is too much.
        tried, copies = min(ENGINE.probes, count), sum(work.copies for work in plan.works)
        asked.update(CREATE=1, ABORT=1, WRITE=1, GET=tried, COPY_PART=min(ENGINE.copies, copies))
        seconds += 4 * inputs.answer_seconds + _copying(plan.works[0], inputs, waves=1)
    return seconds


def _segment(work: Work, pieces: int, asked: Counter[str], inputs: Inputs) -> float:
    seconds = SEGMENT_CALLS * inputs.answer_seconds + _making(work, inputs)
    seconds += inputs.on_function(work.entries * inputs.cpu_per_read)
    asked.update(READ=1, GET=3 + work.gets, UPLOAD_PART=work.puts, COPY_PART=work.copies, PUT=2)
    asked.update(WRITE=1 + int(seconds / PROGRESS_SECONDS), LIST=-(-pieces // 1000))
    return seconds


def _finishing(plan: Plan, asked: Counter[str], inputs: Inputs) -> float:
    pieces = len(plan.works)
    left = -(-(3 * pieces + 1) // 1000)
    asked.update(GET=2 * pieces, UPLOAD_PART=1, COMPLETE=1, ABORT=1, WRITE=2, LIST=left)
    asked.update(DELETE=left)
    sent = sum(work.records_bytes for work in plan.works)
    return (FINISHING_CALLS + 2 * pieces) * inputs.answer_seconds + sent / inputs.network


def _making(work: Work, inputs: Inputs) -> float:
    """How long a worker takes: as long as the scarcest of what it needs."""
    cpu = work.gets * inputs.cpu_per_get + work.read_bytes / MB * inputs.cpu_per_mb
    return max(
        max(work.read_bytes, work.sent_bytes) / inputs.network,
        inputs.answer_seconds * max(work.gets / ENGINE.probes, work.puts / ENGINE.uploads),
        inputs.on_function(cpu + work.copies * inputs.cpu_per_copy),
        _copying(work, inputs, -(-work.copies // ENGINE.copies)),
    )


def _copying(work: Work, inputs: Inputs, waves: int) -> float:
    if not work.copies:
        return 0.0
    return waves * (inputs.copy_seconds + work.copied_bytes / work.copies / inputs.copy_rate)
