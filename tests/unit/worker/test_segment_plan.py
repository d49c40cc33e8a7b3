from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from zipjobs.archive.layout import Layout
from zipjobs.archive.part_sizing import (
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

SHARE = WorkerQuota()
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
    entries: list[EntrySize], share: WorkerQuota = SHARE, max_bytes: int = MAX_ARCHIVE_BYTES
) -> tuple[PartSizing, list[Segment]]:
    histogram = SizeHistogram()
    for entry in entries:
        histogram.add(entry)
    share = histogram.quota(share)
    sizing = sizing_for(histogram, PartSizing(), share, max_bytes)
    return sizing, list(segments(entries, sizing, share, max_bytes))


def runs(entries: list[EntrySize], planned: list[Segment]) -> list[list[EntrySize]]:
    return [entries[s.first_entry : s.first_entry + s.entries] for s in planned]


@given(ENTRIES, st.sampled_from([SHARE, SMALL]))
def test_segments_are_contiguous_and_cover_every_entry_once(
    entries: list[EntrySize], share: WorkerQuota
) -> None:
    _, planned = plan(entries, share)
    assert [s.index for s in planned] == list(range(len(planned)))
    assert [entry for run in runs(entries, planned) for entry in run] == entries
    offset = 0
    for segment, run in zip(planned, runs(entries, planned), strict=True):
        assert segment.offset == offset
        assert segment.size == sum(entry.header_bytes + entry.body_bytes for entry in run)
        assert segment.body_bytes == sum(entry.body_bytes for entry in run)
        offset += segment.size


@given(ENTRIES, st.sampled_from([SHARE, SMALL]))
def test_segments_have_disjoint_part_numbers_and_parts_that_s3_takes(
    entries: list[EntrySize], share: WorkerQuota
) -> None:
    sizing, planned = plan(entries, share)
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
def test_an_archive_never_outgrows_what_was_asked_for(entries: list[EntrySize]) -> None:
    max_bytes = 3 * GIB
    entries = [replace(entry, body_bytes=entry.body_bytes % GIB) for entry in entries]
    _, planned = plan(entries, SHARE, max_bytes)
    sizes: dict[int, int] = {}
    for segment in planned:
        sizes[segment.archive] = sizes.get(segment.archive, 0) + segment.size
    assert list(sizes) == list(range(len(sizes)))
    assert all(size < max_bytes for size in sizes.values())


def test_an_object_that_is_larger_than_an_archive_may_be_is_named() -> None:
    with pytest.raises(ArchiveTooLarge, match="big.pdf"):
        plan([EntrySize("a.pdf", 35, 10), EntrySize("big.pdf", 37, GIB)], SHARE, 100 * MIB)


@st.composite
def huge(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Counts and sizes of bodies, together 36 TiB at most."""
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
def test_ten_thousand_parts_hold_whatever_the_mix(groups: list[tuple[int, int]]) -> None:
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
def test_planned_archives_fit_with_one_workers_shares(count: int, size: int) -> None:
    histogram = SizeHistogram()
    entry = EntrySize("documents/a.pdf", 45, size)
    for _ in range(count):
        histogram.add(entry)
    share = histogram.quota(SHARE)
    sizing = sizing_for(histogram, PartSizing(), share, MAX_ARCHIVE_BYTES)
    *_, last = segments((entry for _ in range(count)), sizing, share)
    assert last.first_part < MAX_PARTS


def test_more_than_s3s_largest_object_is_refused() -> None:
    with pytest.raises(ArchiveTooLarge, match="maxArchiveBytes"):
        plan([EntrySize("a", 31, 4 * TIB)] * 13)
