"""What each worker of a job has to do, by the service's own planner and layout."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from bench.profile import key
from zipjobs.archive.entry_reads import HELD_BODY_BYTES
from zipjobs.archive.layout import CopyPart, Layout, PartEnd, Step
from zipjobs.archive.options import EngineOptions
from zipjobs.archive.part_sizing import MAX_ARCHIVE_BYTES, MIB, MIN_PART_BYTES
from zipjobs.archive.segment import EntrySize, sized
from zipjobs.s3.source import Entry, Source
from zipjobs.worker.segment_plan import SizeHistogram, WorkerQuota, segments, sizing_for
from zipjobs.zipformat.member_names import basename
from zipjobs.zipformat.records import record_bytes

ENGINE = EngineOptions()
SEGMENT_MIB = 1024
"""The stack's default."""

ALONE_SHARE = WorkerQuota(read_bytes=16_384 * MIB)
"""``segmentMib`` at its largest: for who wants one function to make it all."""


@dataclass(frozen=True)
class Scenario:
    """Objects, and whether the list of them, which may be ``in_list`` in S3, says their sizes."""

    name: str
    sizes: list[int]
    are_known: bool = False
    in_list: bool = False
    segment_mib: int = SEGMENT_MIB


@dataclass
class Work:
    """What one worker has to do for a run of entries."""

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
    """Who makes what. A job that is not cut is one piece of work."""

    scenario: Scenario
    is_cut: bool
    works: list[Work]


def lay_out(scenario: Scenario) -> Plan:
    """Cut the job as the planner does."""
    census = SizeHistogram()
    for one in sized_entries(scenario.sizes):
        census.note(one)
    share = census.share(WorkerQuota(read_bytes=scenario.segment_mib * MIB))
    sizing = sizing_for(census, ENGINE.sizing, share, MAX_ARCHIVE_BYTES)
    works, entries = [], sized_entries(scenario.sizes)
    for segment in segments(sized_entries(scenario.sizes), sizing, share):
        work, layout = Work(), Layout(sizing, segment.first_part, segment.offset)
        _walk(work, islice(entries, segment.entries), layout, are_sized=True)
        _count_parts(work, (step for step in layout.cut() if _is_part(step)))
        works.append(work)
    return Plan(scenario, True, works)


def lay_out_whole(scenario: Scenario) -> Plan | None:
    """Not cut, as the runner leaves a job; None if it is too much whatever ``segmentMib`` is."""
    own_bytes = sum(size for size in scenario.sizes if size >= ENGINE.sizing.large_bytes)
    count, read_bytes = len(scenario.sizes), sum(scenario.sizes) - own_bytes
    if ALONE_SHARE.is_full(count // 2, read_bytes // 2, own_bytes // 2):
        return None
    work, layout = Work(), Layout(ENGINE.sizing)
    _walk(work, sized_entries(scenario.sizes), layout, are_sized=False)
    _count_parts(work, layout.finish(work.records_bytes))
    return Plan(scenario, False, [work])


def _walk(work: Work, entries: Iterable[EntrySize], layout: Layout, *, are_sized: bool) -> None:
    """Add what ``entries`` take to ``work``, but for the end of the last part.

    One whose size is known when it is read takes one GET.
    """
    for entry in entries:
        is_large, body = layout.is_large(entry.body_bytes), entry.body_bytes
        steps = layout.add(entry.header_bytes, body, is_large)
        own = sum(step.length for step in steps if isinstance(step, CopyPart))
        _count_parts(work, steps)
        gets, read = 1 + (not are_sized and body - own > ENGINE.probe_bytes), body - own
        if body > HELD_BODY_BYTES and not is_large:  # read once for its CRC-32, and once more
            gets, read = 2 + -(-body // ENGINE.range_bytes), 2 * body
        work.entries += 1
        work.gets += gets
        work.read_bytes += read
        work.sent_bytes += entry.header_bytes + body - own
        work.records_bytes += record_bytes(entry.name) - 28  # without ZIP64


def _count_parts(work: Work, steps: Iterable[Step]) -> None:
    for step in steps:
        if isinstance(step, CopyPart):
            work.copies += 1
            work.copied_bytes += step.length
        elif isinstance(step, PartEnd):
            work.puts += 1


def _is_part(step: Step) -> bool:
    """Not what is left behind the archive's last part: it goes with the directory."""
    return not isinstance(step, PartEnd) or step.length >= MIN_PART_BYTES


def sized_entries(sizes: list[int]) -> Iterator[EntrySize]:
    """What the plan has to know of them, with the names that a benchmark's objects get."""
    for index, size in enumerate(sizes):
        name = basename(key(index))
        yield EntrySize(name, _header_bytes(len(name), size >> 32 > 0), size)


@lru_cache
def _header_bytes(name_length: int, is_huge: bool) -> int:
    size = is_huge << 33
    return sized(Entry("x" * name_length, Source("", ""), size)).header_bytes
