"""The work of each worker of a job, by the service's own planner and layout."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from bench.workloads import key
from zipjobs.archive.layout import CopyPart, Layout, PartEnd, Step
from zipjobs.archive.options import EngineOptions
from zipjobs.archive.parts.sizing import HELD_BODY_BYTES, MAX_ARCHIVE_BYTES, MIB, MIN_PART_BYTES
from zipjobs.archive.segment import EntrySize, sized
from zipjobs.s3.source import Entry, Source
from zipjobs.worker.segment_plan import SizeHistogram, WorkerQuota, segments, sizing_for
from zipjobs.zipformat.member_names import basename
from zipjobs.zipformat.records import record_bytes

ENGINE = EngineOptions()
SEGMENT_MIB = 1024
"""The default of the setting ``segmentMib``."""

UNSPLIT_QUOTA = WorkerQuota(read_bytes=16_384 * MIB)
"""The quota with the largest ``segmentMib``, for jobs that one function is to do alone."""


@dataclass(frozen=True)
class Scenario:
    """A job. ``in_list``: its entries are listed in S3. ``has_sizes``: the list contains sizes.

    ``pollers`` is the setting ``zipperPollers`` of its stack.
    """

    name: str
    sizes: list[int]
    has_sizes: bool = False
    in_list: bool = False
    segment_mib: int = SEGMENT_MIB
    pollers: int = 0


@dataclass
class Work:
    """The work of one worker: the requests and bytes for a contiguous run of entries."""

    entries: int = 0
    gets: int = 0
    read_bytes: int = 0
    puts: int = 0
    sent_bytes: int = 0
    copies: int = 0
    copied_bytes: int = 0
    records_bytes: int = 0


@dataclass(frozen=True)
class Plan:
    """A job with the work of each worker. A job that is not split has one."""

    scenario: Scenario
    is_split: bool
    work: list[Work]


def plan_job(scenario: Scenario) -> Plan:
    """Split the job like the planner."""
    histogram = SizeHistogram()
    for entry in sized_entries(scenario.sizes):
        histogram.add(entry)
    quota = histogram.quota(WorkerQuota(read_bytes=scenario.segment_mib * MIB))
    sizing = sizing_for(histogram, ENGINE.sizing, quota, MAX_ARCHIVE_BYTES)
    work, entries = [], sized_entries(scenario.sizes)
    for segment in segments(sized_entries(scenario.sizes), sizing, quota):
        one, layout = Work(), Layout(sizing, segment.first_part, segment.offset)
        _add_entries(one, islice(entries, segment.entries), layout, are_sized=True)
        _count_parts(one, (step for step in layout.cut() if _is_part(step)))
        work.append(one)
    return Plan(scenario, True, work)


def plan_unsplit(scenario: Scenario) -> Plan | None:
    """Plan the job for one worker. Return None if it exceeds the largest quota."""
    copied_bytes = sum(size for size in scenario.sizes if size >= ENGINE.sizing.large_bytes)
    count, read_bytes = len(scenario.sizes), sum(scenario.sizes) - copied_bytes
    if UNSPLIT_QUOTA.is_full(count // 2, read_bytes // 2, copied_bytes // 2):
        return None
    work, layout = Work(), Layout(ENGINE.sizing)
    _add_entries(work, sized_entries(scenario.sizes), layout, are_sized=False)
    _count_parts(work, layout.finish(work.records_bytes))
    return Plan(scenario, False, [work])


def _add_entries(
    work: Work, entries: Iterable[EntrySize], layout: Layout, *, are_sized: bool
) -> None:
    """Add the requests and bytes of ``entries`` to ``work``, except for the end of the last part.

    ``are_sized``: the sizes are known, so a GET for each entry is enough.
    """
    for entry in entries:
        is_large, body = layout.is_large(entry.body_bytes), entry.body_bytes
        steps = layout.add(entry.header_bytes, body, is_large)
        copied = sum(step.length for step in steps if isinstance(step, CopyPart))
        _count_parts(work, steps)
        gets, read = 1 + (not are_sized and body - copied > ENGINE.probe_bytes), body - copied
        if body > HELD_BODY_BYTES and not is_large:  # read twice, first for its CRC-32
            gets, read = 2 + -(-body // ENGINE.range_bytes), 2 * body
        work.entries += 1
        work.gets += gets
        work.read_bytes += read
        work.sent_bytes += entry.header_bytes + body - copied
        work.records_bytes += record_bytes(entry.name) - 28  # without ZIP64


def _count_parts(work: Work, steps: Iterable[Step]) -> None:
    for step in steps:
        if isinstance(step, CopyPart):
            work.copies += 1
            work.copied_bytes += step.length
        elif isinstance(step, PartEnd):
            work.puts += 1


def _is_part(step: Step) -> bool:
    """Return False for a remainder at the end: it is uploaded with the central directory."""
    return not isinstance(step, PartEnd) or step.length >= MIN_PART_BYTES


def sized_entries(sizes: list[int]) -> Iterator[EntrySize]:
    """Yield the entries of a job with the given object sizes."""
    for index, size in enumerate(sizes):
        name = basename(key(index))
        yield EntrySize(name, _header_bytes(len(name), size >> 32 > 0), size)


@lru_cache
def _header_bytes(name_length: int, is_huge: bool) -> int:
    size = is_huge << 33
    return sized(Entry("x" * name_length, Source("", ""), size)).header_bytes
