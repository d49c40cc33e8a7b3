import ntpath
import posixpath
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zipjobs.errors import ListTooLarge
from zipjobs.zipformat.file_names import MAX_COMPONENT_BYTES
from zipjobs.zipformat.member_names import (
    MAX_FOLDERS,
    DistinctNames,
    UniqueNames,
    basename,
    safe_name,
    without_prefix,
)

ANY_NAME = st.text(max_size=300)
NASTY_NAME = st.text(alphabet="aA./\\: \x00\u202e\u00e9\u0301CONconß…", max_size=12)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("a/b/report.pdf", "report.pdf"),
        ("a/folder/", "folder"),
        ("", ""),
    ],
)
def test_basename_is_the_last_component(key: str, name: str) -> None:
    assert basename(key) == name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("a/b/report.pdf", "a/b/report.pdf"),
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("a//./b", "a/b"),
        ("C:\\windows\\x", "C__windows_x"),
        ("..\\..\\x", ".._.._x"),
        ("line\nbreak", "line_break"),
        ("gpj.\u202efdp", "gpj._fdp"),
        ("trailing. .", "trailing"),
        ("con", "_con"),
        ("CON.txt", "_CON.txt"),
        ("com¹.log", "_com¹.log"),
        ("console.txt", "console.txt"),
        ("e\u0301t\u00e9.pdf", "\u00e9t\u00e9.pdf"),
        ("👩‍👩‍👧.pdf", "👩‍👩‍👧.pdf"),
        ("\ud800.pdf", "_.pdf"),
        ("..", "_"),
        ("", "_"),
        ("...", "_"),
    ],
)
def test_names_become_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(ANY_NAME | NASTY_NAME)
@example("a" * 300 + ".pdf")
def test_a_safe_name_stays_in_its_folder_on_every_system(name: str) -> None:
    safe = safe_name(name)
    components = safe.split("/")
    assert not ntpath.isabs(safe)
    assert not posixpath.isabs(safe)
    assert ntpath.splitdrive(safe)[0] == ""
    assert all(component not in ("", ".", "..") for component in components)
    assert all(not component.endswith((".", " ")) for component in components)
    assert all(len(component.encode()) <= MAX_COMPONENT_BYTES + 1 for component in components)
    assert not any(character in safe for character in '\\:*?"<>|\0')
    assert unicodedata.is_normalized("NFC", safe)
    assert not ntpath.isreserved(safe) if hasattr(ntpath, "isreserved") else True


@given(ANY_NAME | NASTY_NAME)
def test_a_safe_name_is_its_own_safe_name(name: str) -> None:
    assert safe_name(safe_name(name)) == safe_name(name)


@given(st.lists(NASTY_NAME, max_size=30))
def test_names_are_unique_even_where_case_and_composition_do_not_count(names: list[str]) -> None:
    unique = UniqueNames()
    claimed = [unique.claim(name) for name in names]
    folded = {unicodedata.normalize("NFD", name.casefold()) for name in claimed}
    assert len(folded) == len(names)


@given(st.lists(NASTY_NAME, max_size=30))
def test_no_name_is_both_a_file_and_a_folder(names: list[str]) -> None:
    unique = UniqueNames()
    claimed = [unique.claim(name).casefold() for name in names]
    files = {unicodedata.normalize("NFD", name) for name in claimed}
    folders = {
        unicodedata.normalize("NFD", name[:i])
        for name in claimed
        for i, character in enumerate(name)
        if character == "/"
    }
    assert not files & folders


@given(st.lists(NASTY_NAME, max_size=30))
def test_names_depend_on_nothing_but_their_order(names: list[str]) -> None:
    one, other = UniqueNames(), UniqueNames()
    assert [one.claim(name) for name in names] == [other.claim(name) for name in names]


def test_duplicates_get_a_number_before_the_extension() -> None:
    unique = UniqueNames()
    names = ["report.pdf", "Report.PDF", "report.pdf", "report (2).pdf", "report"]
    assert [unique.claim(name) for name in names] == [
        "report.pdf",
        "Report (2).PDF",
        "report (3).pdf",
        "report (2) (2).pdf",
        "report",
    ]


def test_a_file_gives_way_to_a_folder_and_a_folder_to_a_file() -> None:
    unique = UniqueNames()
    names = ["docs", "docs/a.pdf", "docs/b.pdf", "x/y.pdf", "X"]
    assert [unique.claim(name) for name in names] == [
        "docs",
        "docs (2)/a.pdf",
        "docs (2)/b.pdf",
        "x/y.pdf",
        "X (2)",
    ]


def test_many_duplicates_take_linear_time() -> None:
    unique = UniqueNames()
    assert [unique.claim("a.pdf") for _ in range(20_000)][-1] == "a (20000).pdf"


@pytest.mark.parametrize(
    ("prefix", "rest"),
    [
        ("", "a/b/c.pdf"),
        ("a/", "b/c.pdf"),
        ("a/b", "/c.pdf"),
        ("b/", "a/b/c.pdf"),
        ("a/b/c.pdf", "a/b/c.pdf"),
        ("a/b/c.pdf/", "a/b/c.pdf"),
    ],
)
def test_a_prefix_is_left_out_where_something_is_left(prefix: str, rest: str) -> None:
    assert without_prefix("a/b/c.pdf", prefix) == rest


@given(st.lists(NASTY_NAME, max_size=30))
def test_names_that_nobody_else_wants_are_handed_out_by_both_alike(names: list[str]) -> None:
    numbering, refusing = UniqueNames(), DistinctNames(max_recorded=30)
    numbered = [numbering.claim(name) for name in names]
    plain = [refusing.claim(name) for name in names]
    assert plain == [safe_name(name) for name in names]
    assert (refusing.refused == 0) == (numbered == plain)
    assert bool(refusing.contested) == bool(refusing.refused)


@given(st.lists(NASTY_NAME, max_size=30))
@example([":/:", ":/:", ""])  # a name wanted twice, in a folder whose name is wanted as a file
def test_every_contested_name_has_at_least_two_owners(names: list[str]) -> None:
    unique = DistinctNames(max_recorded=30)
    claimed = [unique.claim(name) for name in names]
    slots = [contest.slot for name in claimed for contest in unique.contests_of(name)]
    assert all(slots.count(slot) >= 2 for slot in unique.contested)
    assert set(slots) == set(unique.contested)


def test_no_more_names_are_noted_than_asked_for() -> None:
    unique = DistinctNames(max_recorded=2)
    for name in ["a", "b", "c", "A", "B", "C", "a"]:
        unique.claim(name)
    assert (list(unique.contested.values()), unique.refused) == (["A", "B"], 4)


def test_a_path_has_64_folders_at_most() -> None:
    """The innermost are left out, as above the limit of bytes."""
    assert safe_name("d/" * 500 + "x") == "d/" * MAX_FOLDERS + "x"
    assert safe_name("d/" * MAX_FOLDERS + "x") == "d/" * MAX_FOLDERS + "x"


@pytest.mark.parametrize(
    "names", [UniqueNames(100), DistinctNames(1, 100)], ids=["unique", "distinct"]
)
def test_names_are_limited_so_that_their_memory_is(names: UniqueNames | DistinctNames) -> None:
    for number in range(50):
        names.claim(f"{number}/x")  # a file and a folder
    with pytest.raises(ListTooLarge, match="more than 100 files and folders"):
        names.claim("y")


@pytest.mark.parametrize(
    "name", ["{}" + "x" * 230, "/".join(["{}"] * 60)], ids=["long names", "many folders"]
)
def test_a_name_takes_about_a_hundred_bytes_of_memory(name: str) -> None:
    """Whatever its length: only hashes are kept."""
    code = (
        "import tracemalloc; from zipjobs.zipformat.member_names import UniqueNames;"
        "names = UniqueNames();"
        "tracemalloc.start();"
        f"[names.claim({name!r}.replace('{{}}', str(i))) for i in range(2_000)];"
        "taken = tracemalloc.get_traced_memory()[0];"
        "print(taken / (len(names._files) + len(names._folders)))"
    )
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert float(printed) < 150
