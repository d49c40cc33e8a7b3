"""Member names: safe, unique, and deterministic."""

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
        ("report.pdf;1", "report.pdf_1"),
        ("report;", "report_"),
        ("a;1/b;c;22", "a_1/b;c_22"),
        ("a;b.pdf", "a;b.pdf"),
        ("PROGRA~1", "PROGRA_1"),
        ("a~b~12.txt", "a~b_12.txt"),
        ("~1", "~1"),
        ("notes.txt~1", "notes.txt~1"),
        ("version~1.json", "version~1.json"),
        ("con" + " " * 300 + "x.txt", "_con.txt"),
        ("..\u200d", "_"),
        ("\ufe0f/a", "_/a"),
        ("a\uffffb\ufdd0", "a_b_"),
        ("x" * 1024, "x" * 240),
        ("x" * 1020 + ".pdf", "x" * 236 + ".pdf"),
        ("\U0001f600" * 256, "\U0001f600" * 60),
        ("d/" * 500 + "leaf.pdf", "d/" * 64 + "leaf.pdf"),
        (("e" * 30 + "/") * 40 + "leaf.pdf", ("e" * 30 + "/") * 28 + "leaf.pdf"),
        ("/".join(["x" * 200] * 5), "/".join(["x" * 200] * 4)),
        ("d/" * 64 + "x", "d/" * 64 + "x"),
    ],
)
def test_names_become_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(ANY_NAME | NASTY_NAME)
@example("a" * 300 + ".pdf")
def test_safe_names_are_relative_and_valid_on_every_system(name: str) -> None:
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


@given(st.lists(NASTY_NAME, max_size=30))
def test_names_only_depend_on_the_list(names: list[str]) -> None:
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


def test_a_file_and_a_folder_with_one_name_are_numbered() -> None:
    unique = UniqueNames()
    names = ["docs", "docs/a.pdf", "docs/b.pdf", "x/y.pdf", "X"]
    assert [unique.claim(name) for name in names] == [
        "docs",
        "docs (2)/a.pdf",
        "docs (2)/b.pdf",
        "x/y.pdf",
        "X (2)",
    ]


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
def test_a_prefix_is_removed_unless_nothing_would_remain(prefix: str, rest: str) -> None:
    assert without_prefix("a/b/c.pdf", prefix) == rest


@given(st.lists(NASTY_NAME, max_size=30))
def test_names_without_duplicates_are_not_changed(names: list[str]) -> None:
    numbering, refusing = UniqueNames(), DistinctNames(max_recorded=30)
    numbered = [numbering.claim(name) for name in names]
    plain = [refusing.claim(name) for name in names]
    assert plain == [safe_name(name) for name in names]
    assert (refusing.refused == 0) == (numbered == plain)
    assert bool(refusing.contested) == bool(refusing.refused)


@given(st.lists(NASTY_NAME, max_size=30))
@example([":/:", ":/:", ""])  # a duplicate in a folder with the name of a file
def test_every_contested_name_has_at_least_two_owners(names: list[str]) -> None:
    unique = DistinctNames(max_recorded=30)
    claimed = [unique.claim(name) for name in names]
    slots = [contest.slot for name in claimed for contest in unique.contests_of(name)]
    assert all(slots.count(slot) >= 2 for slot in unique.contested)
    assert set(slots) == set(unique.contested)


def test_the_number_of_recorded_names_is_limited() -> None:
    unique = DistinctNames(max_recorded=2)
    for name in ["a", "b", "c", "A", "B", "C", "a"]:
        unique.claim(name)
    assert (list(unique.contested.values()), unique.refused) == (["A", "B"], 4)


@pytest.mark.parametrize(
    "names", [UniqueNames(100), DistinctNames(1, 100)], ids=["unique", "distinct"]
)
def test_the_number_of_names_is_limited(names: UniqueNames | DistinctNames) -> None:
    for number in range(50):
        names.claim(f"{number}/x")  # a file and a folder
    with pytest.raises(ListTooLarge, match="more than 100 files and folders"):
        names.claim("y")


@pytest.mark.parametrize(
    "name", ["{}" + "x" * 230, "/".join(["{}"] * 60)], ids=["long names", "many folders"]
)
def test_a_name_needs_less_than_150_bytes_of_memory(name: str) -> None:
    """Only hashes are stored, so the length of the name does not matter."""
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
