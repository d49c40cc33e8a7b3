"""Segments are contiguous, have disjoint part numbers, and are within the limits."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from zipjobs.archive.layout import Layout
from zipjobs.archive.parts.sizing import (
    GIB,
    KIB,
    MAX_ARCHIVE_BYTES,
    MAX_PART_BYTES,
    MAX_PARTS,
    MIB,
    MIN_PART_BYTES,
    TIB,
    PartSizing,
)
from zipjobs.archive.segment import EntrySize, Segment, part_lengths
from zipjobs.errors import ArchiveTooLarge
from zipjobs.worker.segment_plan import SizeHistogram, WorkerQuota, segments, sizing_for

QUOTA = WorkerQuota()
SMALL = WorkerQuota(read_bytes=12 * MIB, copied_bytes=60 * MIB, entries=7)
BODIES = st.one_of(
    st.integers(0, 3000),
    st.integers(0, 40 * MIB),
    st.integers(0, 2 * GIB),
    st.sampled_from([5 * MIB, 16 * MIB - 1, 16 * MIB, 5 * GIB, 5 * GIB + 1]),
)
ENTRIES = st.lists(
    st.builds(EntrySize, st.just("a/report.pdf"), st.integers(30, 400), BODIES),
    min_size=1,
    max_size=60,
)


def plan(
    entries: list[EntrySize], quota: WorkerQuota = QUOTA, max_bytes: int = MAX_ARCHIVE_BYTES
) -> tuple[PartSizing, list[Segment]]:
    histogram = SizeHistogram()
    for entry in entries:
        histogram.add(entry)
    quota = histogram.quota(quota)
    sizing = sizing_for(histogram, PartSizing(), quota, max_bytes)
    return sizing, list(segments(entries, sizing, quota, max_bytes))


def runs(entries: list[EntrySize], planned: list[Segment]) -> list[list[EntrySize]]:
    return [entries[s.first_entry : s.first_entry + s.entries] for s in planned]


@given(ENTRIES, st.sampled_from([QUOTA, SMALL]))
def test_segments_are_contiguous_and_contain_each_entry_once(
    entries: list[EntrySize], quota: WorkerQuota
) -> None:
    _, planned = plan(entries, quota)
    assert [s.index for s in planned] == list(range(len(planned)))
    assert [entry for run in runs(entries, planned) for entry in run] == entries
    offset = 0
    for segment, run in zip(planned, runs(entries, planned), strict=True):
        assert segment.offset == offset
        assert segment.size == sum(entry.header_bytes + entry.body_bytes for entry in run)
        assert segment.body_bytes == sum(entry.body_bytes for entry in run)
        offset += segment.size


@given(ENTRIES, st.sampled_from([QUOTA, SMALL]))
def test_segments_have_disjoint_part_numbers_and_valid_sizes(
    entries: list[EntrySize], quota: WorkerQuota
) -> None:
    sizing, planned = plan(entries, quota)
    lengths: dict[int, int] = {}
    for segment, run in zip(planned, runs(entries, planned), strict=True):
        own = part_lengths(run, Layout(sizing, segment.first_part, segment.offset))
        assert min(own, default=segment.first_part) == segment.first_part
        assert not lengths.keys() & own.keys()
        assert sum(own.values()) == segment.size
        lengths |= own
    assert sorted(lengths) == list(range(1, len(lengths) + 1))
    sizes = [lengths[number] for number in sorted(lengths)]
    assert all(MIN_PART_BYTES <= size <= MAX_PART_BYTES for size in sizes[:-1])


@given(ENTRIES)
def test_an_archive_does_not_exceed_the_requested_size(entries: list[EntrySize]) -> None:
    max_bytes = 3 * GIB
    entries = [replace(entry, body_bytes=entry.body_bytes % GIB) for entry in entries]
    _, planned = plan(entries, QUOTA, max_bytes)
    sizes: dict[int, int] = {}
    for segment in planned:
        sizes[segment.archive] = sizes.get(segment.archive, 0) + segment.size
    assert list(sizes) == list(range(len(sizes)))
    assert all(size < max_bytes for size in sizes.values())


def test_an_object_that_exceeds_the_archive_size_is_named() -> None:
    with pytest.raises(ArchiveTooLarge, match="big.pdf"):
        plan([EntrySize("a.pdf", 35, 10), EntrySize("big.pdf", 37, GIB)], QUOTA, 100 * MIB)


@st.composite
def huge(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Return counts and sizes of bodies of at most 36 TiB."""
    left = draw(st.integers(1 * TIB, 36 * TIB))
    groups: list[tuple[int, int]] = []
    while left > 100 * GIB and len(groups) < 6:
        size = draw(st.sampled_from([9 * MIB, 100 * MIB, 700 * MIB, 6 * GIB, 90 * GIB, 4 * TIB]))
        most = min(left // size, 20_000)
        if most:
            count = draw(st.integers(1, most))
            groups.append((count, size))
            left -= count * size
    return groups


@examples(25)
@given(huge())
def test_archives_of_any_sizes_have_at_most_10000_parts(groups: list[tuple[int, int]]) -> None:
    entries = [EntrySize("a", 31, size) for count, size in groups for _ in range(count)]
    sizing, planned = plan(entries)
    last = planned[-1]
    run = runs(entries, planned)[-1]
    ends = part_lengths(run, Layout(sizing, last.first_part, last.offset))
    assert max(ends, default=1) < MAX_PARTS


@pytest.mark.parametrize(
    ("count", "size"),
    [(1_000_000, 200 * KIB), (3_000, 5 * MIB), (10, 100 * GIB), (1, 48 * TIB), (500_000, 20 * MIB)],
)
def test_segments_within_the_quota_need_at_most_10000_parts(count: int, size: int) -> None:
    histogram = SizeHistogram()
    entry = EntrySize("documents/a.pdf", 45, size)
    for _ in range(count):
        histogram.add(entry)
    quota = histogram.quota(QUOTA)
    sizing = sizing_for(histogram, PartSizing(), quota, MAX_ARCHIVE_BYTES)
    *_, last = segments((entry for _ in range(count)), sizing, quota)
    assert last.first_part < MAX_PARTS


def test_more_than_the_largest_s3_object_is_refused() -> None:
    with pytest.raises(ArchiveTooLarge, match="maxArchiveBytes"):
        plan([EntrySize("a", 31, 4 * TIB)] * 13)
