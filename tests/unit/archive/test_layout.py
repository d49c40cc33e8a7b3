"""The layout: which bytes of an archive are in which part."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.archive.layout import CopyPart, Layout, PartEnd, Piece, Step
from zipjobs.archive.parts.sizing import (
    GIB,
    MAX_PART_BYTES,
    MAX_PARTS,
    MIB,
    MIN_PART_BYTES,
    TIB,
    PartSizing,
)
from zipjobs.errors import ArchiveTooLarge

Entries = list[tuple[int, int]]
"""Header and body lengths."""

HEADERS = st.integers(30, 70_000)
BODIES = st.one_of(
    st.integers(0, 3000),
    st.integers(0, 40 * MIB),
    st.integers(0, 20 * GIB),
    st.sampled_from([5 * MIB, 16 * MIB - 1, 16 * MIB, 37 * MIB, 5 * GIB, 5 * GIB + 1]),
)
ENTRIES = st.lists(st.tuples(HEADERS, BODIES), min_size=1, max_size=40)
DIRECTORIES = st.integers(22, 40 * MIB)
SIZINGS = st.sampled_from(
    [
        PartSizing(),
        PartSizing().without_copies(),
        PartSizing(
            large_bytes=10 * MIB,
            copy_part_bytes=5 * MIB,
            early_end_entries=2,
            early_end_bytes=5 * MIB,
        ),
        PartSizing(assembled_bytes=12 * MIB, growth=10, large_bytes=1 * TIB),
    ]
)


@dataclass
class LaidOut:
    steps: list[tuple[int, Step]]  # with the index of the entry; -1 is the directory
    part_bytes: dict[int, int]


def lay_out(entries: Entries, directory_bytes: int, sizing: PartSizing) -> LaidOut:
    layout = Layout(sizing)
    steps: list[tuple[int, Step]] = []
    for index, (header, body) in enumerate(entries):
        steps += [(index, step) for step in layout.add(header, body, layout.is_large(body))]
    steps += [(-1, step) for step in layout.finish(directory_bytes)]
    part_bytes = {s.part: s.length for _, s in steps if isinstance(s, PartEnd | CopyPart)}
    return LaidOut(steps, part_bytes)


@given(ENTRIES, DIRECTORIES, SIZINGS)
def test_parts_contain_each_byte_once_and_in_order(
    entries: Entries, directory_bytes: int, sizing: PartSizing
) -> None:
    headers, bodies = [0] * len(entries), [0] * len(entries)
    directory, part, at = 0, 1, 0
    for index, step in lay_out(entries, directory_bytes, sizing).steps:
        assert step.part == part
        match step:
            case Piece(what="header"):
                assert step.first == headers[index]
                headers[index] += step.length
            case Piece(what="body") | CopyPart():
                assert headers[index] == entries[index][0]
                assert step.first == bodies[index]
                bodies[index] += step.length
            case Piece(what="directory"):
                assert step.first == directory
                directory += step.length
        if isinstance(step, PartEnd):
            assert step.length == at
            part, at = part + 1, 0
        elif isinstance(step, CopyPart):
            assert at == 0
            part += 1
        else:
            at += step.length
    assert headers == [header for header, _ in entries]
    assert bodies == [body for _, body in entries]
    assert (directory, at) == (directory_bytes, 0)


@given(ENTRIES, DIRECTORIES, SIZINGS)
def test_parts_have_valid_numbers_and_sizes(
    entries: Entries, directory_bytes: int, sizing: PartSizing
) -> None:
    part_bytes = lay_out(entries, directory_bytes, sizing).part_bytes
    assert sorted(part_bytes) == list(range(1, len(part_bytes) + 1))
    sizes = [part_bytes[number] for number in sorted(part_bytes)]
    assert all(MIN_PART_BYTES <= size <= MAX_PART_BYTES for size in sizes[:-1])
    assert 0 < sizes[-1] <= MAX_PART_BYTES


@given(ENTRIES, SIZINGS)
def test_at_most_5_mib_of_a_copied_body_are_assembled(entries: Entries, sizing: PartSizing) -> None:
    for index, (_, body) in enumerate(entries):
        steps = [s for i, s in lay_out(entries, 22, sizing).steps if i == index]
        if any(isinstance(step, CopyPart) for step in steps):
            assert body >= sizing.large_bytes
            pieces = (s for s in steps if isinstance(s, Piece) and s.what == "body")
            assert sum(piece.length for piece in pieces) <= MIN_PART_BYTES


@given(ENTRIES, SIZINGS)
def test_offset_is_that_of_the_next_header(entries: Entries, sizing: PartSizing) -> None:
    layout = Layout(sizing)
    expected = 0
    for header, body in entries:
        assert layout.offset == expected
        layout.add(header, body, layout.is_large(body))
        expected += header + body
    assert layout.offset == expected


@given(st.lists(st.integers(0, 300_000), min_size=1, max_size=400), st.integers(0, 1 * TIB))
def test_parts_of_small_entries_have_a_limited_size(bodies: list[int], offset: int) -> None:
    sizing = PartSizing()
    layout = Layout(sizing, 1, offset)
    for body in bodies:
        for step in layout.add(50, body, is_large=False):
            if isinstance(step, PartEnd):
                assert step.length <= sizing.early_end_entries * 300_050 + sizing.early_end_bytes


def test_parts_grow_with_the_archive() -> None:
    sizing = PartSizing()
    assert sizing.assembled_target(0) == 5 * MIB
    assert sizing.assembled_target(1000 * MIB) == 20 * MIB
    assert sizing.assembled_target(100 * GIB) == 128 * MIB
    assert sizing.assembled_target(10 * TIB) == 5 * GIB


@pytest.mark.parametrize(
    "entries",
    [
        [(100, 48 * TIB)],
        [(100, 4 * TIB)] * 10,
        [(100, 100 * GIB)] * 100,
        [(100, 1 * GIB)] * 3000,
        [(100, 20 * MIB)] * 100_000,
        [(100, 10 * MIB)] * 200_000,
        [(100, 1 * MIB)] * 130_000,
        [(100, 17 * MIB), (100, 1000), (100, 6 * MIB)] * 30_000,
    ],
    ids=[
        "48 TiB",
        "10 x 4 TiB",
        "100 x 100 GiB",
        "3,000 x 1 GiB",
        "100,000 x 20 MiB",
        "200,000 x 10 MiB",
        "130,000 x 1 MiB",
        "30,000 x a mix",
    ],
)
def test_an_archive_has_at_most_10000_parts(entries: Entries) -> None:
    part_bytes = lay_out(entries, 100 * len(entries), PartSizing()).part_bytes
    assert len(part_bytes) <= MAX_PARTS


def test_an_archive_that_needs_more_parts_is_refused() -> None:
    with pytest.raises(ArchiveTooLarge):
        lay_out([(100, 5 * TIB)] * 11, 100, PartSizing())
