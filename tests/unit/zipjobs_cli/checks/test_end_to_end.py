"""What a test flow says of archives that are not what they ought to be."""

from collections import Counter
from pathlib import Path

import pytest

from tests.unit.zipjobs_cli.conftest import BODIES, Make, write_archive
from zipjobs_cli.checks.flow_checks import problems_of
from zipjobs_cli.errors import Unreadable

SIZES = Counter(len(body) for body in BODIES.values())


def ignore(count: int) -> None:
    """Nobody is told of any progress."""


def test_what_is_as_it_ought_to_be_has_no_problems(make: Make) -> None:
    assert problems_of([make().archive], SIZES, ignore) == []


def test_several_archives_count_together(make: Make) -> None:
    first = make({"a": b"1", "b": b"22"}, stem="job-001")
    second = make({"c": b"333"}, stem="job-002")
    assert problems_of([first.archive, second.archive], Counter([1, 2, 3]), ignore) == []


def test_progress_adds_up_to_all_bytes(make: Make) -> None:
    archives = [make({"a": b"1"}, stem="one").archive, make({"b": b"22"}, stem="two").archive]
    told: list[int] = []
    problems_of(archives, Counter([1, 2]), told.append)
    assert sum(told) == sum(archive.stat().st_size for archive in archives)


def test_an_object_that_is_missing_from_archive_and_receipt_alike_is_found(make: Make) -> None:
    (problem,) = problems_of([make().archive], SIZES + Counter([1000]), ignore)
    assert problem == "4 entries of 389 bytes came of 5 objects of 1,389 bytes"


def test_as_many_entries_of_other_sizes_are_found(make: Make) -> None:
    expected = SIZES - Counter([360]) + Counter([361])
    (problem,) = problems_of([make().archive], expected, ignore)
    assert problem == "4 entries of 389 bytes came of 4 objects of 390 bytes"


def test_a_flipped_byte_is_found_by_the_receipt_and_by_zipfile(make: Make) -> None:
    pair = make({"a.pdf": b"one", "b.pdf": b"two"})
    pair.flip(pair.archive.read_bytes().index(b"two"))
    assert problems_of([pair.archive], Counter([3, 3]), ignore) == [
        "job-1.zip does not match its receipt: 2 differences",
        "job-1.zip is broken at b.pdf",
    ]


def test_an_archive_of_something_else_is_found_by_its_receipt(make: Make) -> None:
    pair = make({"a.pdf": b"one"})
    write_archive(pair.archive, [("a.pdf", b"two")])
    assert problems_of([pair.archive], Counter([3]), ignore) == [
        "job-1.zip does not match its receipt: 2 differences"
    ]


def test_what_is_not_a_zip_is_unreadable(make: Make, tmp_path: Path) -> None:
    pair = make()
    pair.archive.write_text("<Error>")
    with pytest.raises(Unreadable, match="cannot be read as a ZIP"):
        problems_of([pair.archive], SIZES, ignore)
