"""``maxPathLength``: paths that Windows Explorer can extract."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.zipformat.member_names import DistinctNames, UniqueNames, shortened, utf16_units

LONG = "x" * 100


@pytest.mark.parametrize(
    ("name", "limit", "expected"),
    [
        ("a/b.pdf", 60, "a/b.pdf"),
        (f"{LONG}.pdf", 60, f"{'x' * 56}.pdf"),
        (f"{LONG}.tar.gz", 60, f"{'x' * 53}.tar.gz"),
        (f"{LONG}/a.pdf", 60, f"{'x' * 54}/a.pdf"),
        (f"{LONG}/{LONG}.tar.gz", 60, f"{'x' * 29}/{'x' * 23}.tar.gz"),
        (f"a/{LONG}/b/c.pdf", 60, f"a/{'x' * 50}/b/c.pdf"),
        (f"{'d/' * 50}a.pdf", 60, f"{'d/' * 27}a.pdf"),
        (f"{'😀' * 40}.pdf", 60, f"{'😀' * 28}.pdf"),
        (f"{'a. ' * 40}.pdf", 60, "a. " * 18 + "a.pdf"),
    ],
)
def test_names_and_folders_are_cut(name: str, limit: int, expected: str) -> None:
    assert shortened(name, limit) == expected
    assert utf16_units(expected) <= limit


def test_a_path_of_797_characters_fits_into_explorer() -> None:
    name = "/".join([*(f"{'folder' * 12}-{number}" for number in range(10)), "report-2026.tar.gz"])
    assert len(name) > 750
    short = shortened(name, 180)
    assert len(short) <= 180
    assert short.endswith("/report-2026.tar.gz")
    assert short.count("/") == 10


def test_names_that_are_equal_after_the_cut_are_numbered_within_the_limit() -> None:
    names = UniqueNames(max_units=60)
    claimed = [names.claim(f"{LONG}{number}.pdf") for number in range(200)]
    assert claimed[0] == f"{'x' * 56}.pdf"
    assert len(set(claimed)) == 200
    assert max(map(len, claimed)) == 60


def test_folders_that_are_equal_after_the_cut_are_one_folder() -> None:
    names = UniqueNames(max_units=60)
    first, second = (names.claim(f"{LONG}{number}/{number}.pdf") for number in (1, 2))
    assert (first, second) == (f"{'x' * 54}/1.pdf", f"{'x' * 54}/2.pdf")


PARTS = st.sampled_from(
    ["a", "con", "x~1", LONG, "ü" * 80, "😀" * 60, "a" * 30 + ".tar.gz", "b. ."]
)


@given(st.lists(st.lists(PARTS, min_size=1, max_size=30).map("/".join), max_size=30))
def test_no_name_is_longer_than_the_limit(names: list[str]) -> None:
    unique, distinct = UniqueNames(max_units=60), DistinctNames(5, max_units=60)
    claimed = [unique.claim(name) for name in names]
    assert len({one.casefold() for one in claimed}) == len(claimed)
    folders = [unique.claim_folder(name) for name in names]
    for name in (*claimed, *folders, *map(distinct.claim, names)):
        assert name is None or utf16_units(name) <= 60
    again = UniqueNames(max_units=60)
    assert [again.claim(name) for name in names] == claimed
