from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.archive.layout import (
    GIB,
    MAX_PART_BYTES,
    MAX_PARTS,
    MIB,
    MIN_PART_BYTES,
    TIB,
    BodyPiece,
    DirectoryPiece,
    HeaderPiece,
    Instruction,
    Layout,
    PartEnd,
    PartSizing,
    WholePart,
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
        PartSizing(assembled_cap_bytes=5 * MIB, large_bytes=10 * MIB, whole_bytes=5 * MIB),
        PartSizing(assembled_bytes=12 * MIB, growth=10),
    ]
)


@dataclass
class LaidOut:
    instructions: list[Instruction]
    part_bytes: dict[int, int]


def lay_out(entries: Entries, directory_bytes: int, sizing: PartSizing) -> LaidOut:
    layout = Layout(sizing)
    instructions = [i for header, body in entries for i in layout.add(header, body)]
    instructions += layout.finish(directory_bytes)
    part_bytes = {i.part: i.length for i in instructions if isinstance(i, PartEnd | WholePart)}
    return LaidOut(instructions, part_bytes)


@given(ENTRIES, DIRECTORIES, SIZINGS)
def test_every_byte_of_the_archive_is_covered_once_and_in_order(
    entries: Entries, directory_bytes: int, sizing: PartSizing
) -> None:
    laid_out = lay_out(entries, directory_bytes, sizing)
    headers, bodies = [0] * len(entries), [0] * len(entries)
    directory, part, at = 0, 1, 0
    for instruction in laid_out.instructions:
        assert instruction.part == part
        match instruction:
            case HeaderPiece():
                assert instruction.first == headers[instruction.entry]
                headers[instruction.entry] += instruction.length
                assert not any(headers[instruction.entry + 1 :])
            case BodyPiece() | WholePart():
                assert headers[instruction.entry] == entries[instruction.entry][0]
                assert instruction.first == bodies[instruction.entry]
                bodies[instruction.entry] += instruction.length
            case DirectoryPiece():
                assert instruction.first == directory
                directory += instruction.length
        if isinstance(instruction, PartEnd):
            assert instruction.length == at
            part, at = part + 1, 0
        elif isinstance(instruction, WholePart):
            assert at == 0
            part += 1
        else:
            assert instruction.at == at
            at += instruction.length
            assert at <= instruction.capacity
    assert headers == [header for header, _ in entries]
    assert bodies == [body for _, body in entries]
    assert (directory, at) == (directory_bytes, 0)


@given(ENTRIES, DIRECTORIES, SIZINGS)
def test_parts_are_numbered_from_one_and_of_a_size_that_s3_takes(
    entries: Entries, directory_bytes: int, sizing: PartSizing
) -> None:
    part_bytes = lay_out(entries, directory_bytes, sizing).part_bytes
    assert sorted(part_bytes) == list(range(1, len(part_bytes) + 1))
    sizes = [part_bytes[number] for number in sorted(part_bytes)]
    assert all(MIN_PART_BYTES <= size <= MAX_PART_BYTES for size in sizes[:-1])
    assert 0 < sizes[-1] <= MAX_PART_BYTES


@given(ENTRIES, SIZINGS)
def test_of_a_large_body_at_most_five_mebibytes_are_assembled(
    entries: Entries, sizing: PartSizing
) -> None:
    layout = Layout(sizing)
    for header, body in entries:
        instructions = layout.add(header, body)
        assembled = sum(i.length for i in instructions if isinstance(i, BodyPiece))
        assert assembled == layout.assembled_body_bytes
        if body >= sizing.large_bytes:
            assert assembled <= MIN_PART_BYTES


@given(ENTRIES, SIZINGS)
def test_the_same_sizes_give_the_same_parts(entries: Entries, sizing: PartSizing) -> None:
    assert lay_out(entries, 100, sizing) == lay_out(entries, 100, sizing)


@given(ENTRIES, SIZINGS)
def test_offset_is_where_the_next_header_stands(entries: Entries, sizing: PartSizing) -> None:
    layout = Layout(sizing)
    expected = 0
    for header, body in entries:
        assert layout.offset == expected
        layout.add(header, body)
        expected += header + body
    assert layout.offset == expected


def test_parts_grow_with_the_archive() -> None:
    sizing = PartSizing()
    assert sizing.assembled_target(0) == 5 * MIB
    assert sizing.assembled_target(3 * GIB) == 10 * MIB
    assert sizing.assembled_target(1000 * GIB) == sizing.assembled_cap_bytes


@pytest.mark.parametrize(
    "entries",
    [
        [(100, 48 * TIB)],
        [(100, 4 * TIB)] * 10,
        [(100, 100 * GIB)] * 10,
        [(100, 1 * GIB)] * 3000,
        [(100, 1 * MIB)] * 130_000,
    ],
    ids=["48 TiB", "10 x 4 TiB", "10 x 100 GiB", "3,000 x 1 GiB", "130,000 x 1 MiB"],
)
def test_ten_thousand_parts_hold(entries: Entries) -> None:
    part_bytes = lay_out(entries, 100 * len(entries), PartSizing()).part_bytes
    assert len(part_bytes) <= MAX_PARTS


def test_an_archive_that_outgrows_the_parts_is_refused() -> None:
    with pytest.raises(ArchiveTooLarge):
        lay_out([(100, 16 * MIB - 1)] * 11_000, 100, PartSizing())
