import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.archive.layout import (
    GIB,
    MAX_PARTS,
    MIB,
    MIN_PART_BYTES,
    BodyPiece,
    DirectoryPiece,
    HeaderPiece,
    Layout,
    Part,
    PartSizing,
)
from zipjobs.errors import ArchiveTooLarge

Entries = list[tuple[int, int]]
"""Header and body lengths."""

HEADERS = st.integers(30, 1100)
BODIES = st.one_of(st.integers(0, 3000), st.integers(0, 40 * MIB))
ENTRIES = st.lists(st.tuples(HEADERS, BODIES), min_size=1, max_size=60)


def lay_out(entries: Entries, directory_bytes: int, sizing: PartSizing) -> list[Part]:
    layout = Layout(sizing)
    parts = [part for header, body in entries for part in layout.add(header, body)]
    return parts + layout.finish(directory_bytes)


@given(ENTRIES, st.integers(22, 20 * MIB))
def test_every_byte_of_the_archive_is_covered_once_and_in_order(
    entries: Entries, directory_bytes: int
) -> None:
    parts = lay_out(entries, directory_bytes, PartSizing())
    pieces = [piece for part in parts for piece in part.pieces]

    covered = [0] * len(entries)
    directory = 0
    last_entry = -1
    for piece in pieces:
        match piece:
            case HeaderPiece():
                assert piece.entry == last_entry + 1
                assert piece.length == entries[piece.entry][0]
                last_entry = piece.entry
            case BodyPiece():
                assert piece.entry == last_entry
                assert piece.first == covered[piece.entry]
                covered[piece.entry] += piece.length
            case DirectoryPiece():
                assert last_entry == len(entries) - 1
                assert piece.first == directory
                directory += piece.length
    assert covered == [body for _, body in entries]
    assert directory == directory_bytes


@given(ENTRIES, st.integers(22, 20 * MIB))
def test_parts_are_numbered_from_one_and_large_enough_for_s3(
    entries: Entries, directory_bytes: int
) -> None:
    parts = lay_out(entries, directory_bytes, PartSizing())
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert all(part.length >= MIN_PART_BYTES for part in parts[:-1])
    assert parts[-1].length > 0


@given(ENTRIES)
def test_the_same_sizes_give_the_same_parts(entries: Entries) -> None:
    assert lay_out(entries, 100, PartSizing()) == lay_out(entries, 100, PartSizing())


@given(ENTRIES)
def test_offset_is_where_the_next_header_stands(entries: Entries) -> None:
    layout = Layout(PartSizing())
    expected = 0
    for header, body in entries:
        assert layout.offset == expected
        layout.add(header, body)
        expected += header + body
    assert layout.offset == expected


def test_parts_grow_with_the_archive() -> None:
    sizing = PartSizing()
    assert sizing.target_bytes(0) == 8 * MIB
    assert sizing.target_bytes(10 * GIB) == 11 * MIB
    assert sizing.target_bytes(1000 * GIB) == sizing.cap_bytes


def test_ten_thousand_parts_hold_what_the_documentation_promises() -> None:
    layout = Layout(PartSizing())
    parts = layout.add(100, 265 * GIB) + layout.finish(1000)
    assert len(parts) <= MAX_PARTS


def test_an_archive_that_outgrows_the_parts_is_refused() -> None:
    with pytest.raises(ArchiveTooLarge):
        Layout(PartSizing()).add(100, 275 * GIB)
