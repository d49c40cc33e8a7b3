"""Hostile keys and names: no extracted file is outside its folder or replaces another one.

Archives with the names that the service gives are extracted by several programs on this system's
disk, and on simulated disks of other systems.
"""

import json
import ntpath
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.readers import (
    Contents,
    by_7z,
    by_bsdtar_from_a_pipe,
    by_python,
    by_unzip,
)
from zipjobs.requests.fields import MAX_KEY_BYTES
from zipjobs.requests.schema import parse_request
from zipjobs.requests.sources import SourceObject
from zipjobs.worker.entry_list import named
from zipjobs.zipformat.file_names import MAX_COMPONENT_BYTES, MAX_PATH_BYTES
from zipjobs.zipformat.member_names import (
    DistinctNames,
    UniqueNames,
    safe_name,
    without_prefix,
)
from zipjobs.zipformat.records import Member, central_directory

MODIFIED = datetime(2026, 11, 23, tzinfo=UTC)
MOST_FILE_SYSTEMS_BYTES = 255
SHARED_MEMORY = "/dev/shm" if Path("/dev/shm").exists() else None
"""A disk is slow with thousands of small files."""


# Names


HAZARDS = (
    *(
        "/",
        "//",
        "\\",
        "..",
        ".",
        "../",
        "..\\",
        "~",
        ":",
        "C:",
        "C:/",
        "C:\\",
        "\\\\?\\",
        "//h/s/",
    ),
    *("con", "CON", "Nul", "aux.txt", "com1", "COM\u00b9", "lpt9.", "conin$", "prn ", "clock$"),
    *(" ", "  ", ". ", "...", ".pdf", ".PDF", ".tar.gz", "-rf", "*", "?", "|", "<", ">", '"', "'"),
    *("\0", "\x01", "\t", "\n", "\r", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u2029", "\ufeff"),
    *("\u202e", "\u202d", "\u2066", "\u200e", "\u061c", "\u00ad", "\u200b", "\u2060"),
    *("\u200d", "\u200c", "\ufe0f", "\ufe0e", "\u034f", "\u3164", "\u115f", "\U000e0041"),
    *("a", "A", "b", "i", "I", "\u0131", "\u0130", "\u017f", "s", "ss", "\u00df", "\u1e9e", "k"),
    *("\u212a", "\u00e5", "\u212b", "a\u030a", "\u00e9", "e\u0301", "\u00c9", "\u03c3", "\u03c2"),
    *("\ufb01", "fi", "\u01c4", "\u01c5", "\u01c6", "\u1fb3", "\u0345", "\u0338", "\u1100\u1161"),
    *("\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u2764\ufe0f", "\u2764"),
    *("\ufffe", "\uffff", "\ufdd0", "\U0010ffff", "\ue000", "\u0378", "\ufffd", "\u00a0", "\u3000"),
    *("\uff0f", "\uff3c", "\u2215", "\u2044", "\uff0e\uff0e", "%2e%2e%2f", "%00", "&lt;", "$(id)"),
    *(";", ";1", ";12", "~1", "~12", "LONGFI~1.TXT", "longfilename.txt", " (2)", " (3)", "(2)"),
    *("_", "#U00e9", "__MACOSX/", "._a", ".DS_Store", "desktop.ini", "$MFT", "`id`", "[a]", "@a"),
    *("x" * 240, "x" * 255, "\u00e9" * 120, "\U0001f600" * 60, "." * 300, " " * 300, "d/" * 200),
)


def cut(key: str) -> str:
    """Shorten ``key`` to the length that S3 allows."""
    return key.encode()[:MAX_KEY_BYTES].decode(errors="ignore")


FAMILIES = (
    ["a", "a/b", "A", "A/B", "a (2)", "a/b/c", "a/b", "a (2)/b", "a"],
    ["\u00e9", "e\u0301", "\u00c9", "E\u0301", "\u00e9/\u00e9", "e\u0301/E\u0301"],
    ["\u00df", "ss", "SS", "\u1e9e", "\u017fs", "\u1e9e/x", "ss/x"],
    ["i", "I", "\u0131", "\u0130", "i\u0307"],
    ["K", "\u212a", "k", "\u00e5", "\u212b", "A\u030a"],
    ["\u2764", "\u2764\ufe0f", "\u2764\u200d", "a\u034fb", "ab", "a\u200cb/x", "ab/x"],
    ["longfilename.txt", "LONGFI~1.TXT", "longfi~2.txt", "longfilename2.txt", "LONGFI~1/x"],
    ["a;1", "a;2", "a", "a;", "a;1/b;1", "a;b", "a;1;2"],
    ["con", "CON", "con.txt", "con ", "con.", "con .txt", "con" + " " * 300 + "x.txt", "_con"],
    ["x" * 1024, "x" * 1023 + "y", "x" * 240, "x" * 241, "X" * 1000 + ".pdf", "x" * 1000 + ".PDF"],
    ["d/" * 500 + "x", "D/" * 500 + "X", "d/" * 499 + "x", "d", "d/d", "d/" * 448],
    ["e" * 300 + "/" + "f" * 300 + "/" + "g" * 300 + "/" + str(n) for n in range(5)],
    ["\U0001f600" * 256, "\U0001f600" * 255 + "a", "\U0001f600" * 60],
    ["", "/", "//", ".", "..", "../..", "\0", "\u200d", ". .", "_"],
    ["../x", "..\\x", "/x", "\\x", "C:\\x", "C:x", "//host/share/x", "\\\\?\\C:\\x", "x"],
)
"""Names that are equal on some systems."""

ANY_CHARACTER = st.characters(codec="utf-8")
ANY_KEY = st.one_of(
    st.lists(st.sampled_from(HAZARDS), min_size=1, max_size=6).map("".join),
    st.lists(st.sampled_from(HAZARDS) | ANY_CHARACTER, min_size=1, max_size=6).map("".join),
    st.text(st.sampled_from('aA./\\ ~1;"'), min_size=1, max_size=8),
    st.text(ANY_CHARACTER, min_size=1, max_size=300),
    st.sampled_from([name or "/" for names in FAMILIES for name in names]),
).map(cut)
ANY_LISTED = st.builds(SourceObject, st.just("bucket"), ANY_KEY, name=st.none() | ANY_KEY)
"""Objects, half of them with a requested name."""


# Archives


@dataclass
class HostileArchive:
    """An archive, and the name and content of each entry."""

    archive: Path
    contents: Contents


def make_archive(archive: Path, listed: list[SourceObject]) -> HostileArchive:
    """Create an archive with the names that the service gives. Each file has other content."""
    entries = list(named(listed))
    bodies = [f"{number}: {entry.source.key}".encode() for number, entry in enumerate(entries)]
    data, records = b"", b""
    for entry, body in zip(entries, bodies, strict=True):
        member = Member.of(entry.name, len(body), MODIFIED)
        member.CRC = zlib.crc32(body)
        records += member.central_record(len(data))
        data += member.local_header() + body
    archive.write_bytes(data + central_directory(records, len(entries), len(data)))
    contents = {entry.name: body for entry, body in zip(entries, bodies, strict=True)}
    assert len(contents) == len(listed)
    return HostileArchive(archive, contents)


def requested(names: list[str]) -> list[SourceObject]:
    """Return each of ``names`` once as a key and twice as a name."""
    return [
        one
        for name in names
        for one in (
            SourceObject("b", name or "/"),
            SourceObject("b", "k", name=name),
            SourceObject("c", name, name),
        )
    ]


def files_below(folder: Path) -> Contents:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# Disks of other systems


class Lost(Exception):
    """A file replaced another one, was outside its folder, or could not be written."""


@dataclass
class Disk:
    """A disk on which names are equal if ``same`` returns the same for them."""

    same: Callable[[str], str]
    aliases: bool = False
    root: "Folder" = field(default_factory=lambda: Folder())  # noqa: PLW0108  (it is defined below)

    def write(self, components: list[str], body: bytes) -> None:
        """Create a file, and the folders that it needs."""
        folder = self.root
        for component in components[:-1]:
            node = folder.get_or_add(self, component, Folder())
            if not isinstance(node, Folder):
                raise Lost(f"{components}: {component} is a file")
            folder = node
        if folder.get_or_add(self, components[-1], body) is not body:
            raise Lost(f"{components} already exists")


class Folder:
    """Files and folders, by the names as the disk compares them."""

    def __init__(self) -> None:
        self._nodes: dict[str, Folder | bytes] = {}

    def get_or_add(self, disk: Disk, name: str, node: "Folder | bytes") -> "Folder | bytes":
        key = disk.same(name)
        if key in self._nodes:
            return self._nodes[key]
        self._nodes[key] = node
        if disk.aliases and (alias := self._alias(name)):
            self._nodes[alias] = node
        return node

    def _alias(self, name: str) -> str | None:
        """Return the short name that Windows gives to a file with a long name."""
        stem, _, extension = name.rpartition(".") if "." in name else (name, "", "")
        is_short = len(stem) <= 8 and len(extension) <= 3
        if is_short and not set(name.strip(".")) & set(" +,;=[]") and name.count(".") < 2:
            return None
        base = "".join("_" if c in "+,;=[]" else c for c in stem if c not in " .").upper()
        end = f".{extension[:3].upper()}" if extension else ""
        for number in count(1):
            tail = f"~{number}"
            alias = f"{base[: 8 - len(tail)]}{tail}{end}"
            if alias not in self._nodes:
                return alias
        raise AssertionError("count() never ends")


WINDOWS_DEVICES = {
    *("CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"),
    *(f"{port}{digit}" for port in ("COM", "LPT") for digit in "123456789\u00b9\u00b2\u00b3"),
}
INVISIBLE = {
    *map(chr, (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0x180B, 0x1810))),
    *map(chr, (*range(0x200B, 0x2010), *range(0xFE00, 0xFE10), *range(0xE0000, 0xE1000))),
}


def capitals(name: str) -> str:
    """Compare capitals, character by character, like NTFS and FAT."""
    return "".join(c.upper() if len(c.upper()) == 1 else c for c in name)


def decomposed(name: str) -> str:
    """Compare the case folding of canonically equivalent names, like APFS."""
    nfd = unicodedata.normalize("NFD", name)
    return unicodedata.normalize("NFD", nfd.casefold())


def visible(name: str) -> str:
    """Ignore invisible characters too, like HFS+ and ext4 without case."""
    return decomposed("".join(c for c in unicodedata.normalize("NFD", name) if c not in INVISIBLE))


def small_letters(name: str) -> str:
    """Compare small letters, like SMB servers."""
    return unicodedata.normalize("NFC", "".join(c.lower() for c in name))


def windows_path(name: str) -> list[str]:
    """Return the components of the file that Windows creates below the folder."""
    place = ntpath.normpath(ntpath.join("C:\\out", name.replace("/", "\\")))
    drive, path = ntpath.splitdrive(place)
    if drive != "C:" or not path.startswith("\\out\\"):
        raise Lost(f"{name} is outside")
    components = [part.rstrip(". ") for part in path.removeprefix("\\out\\").split("\\")]
    for part in components:
        if not part or set(part) & set('<>:"|?*\0') or min(part) < " ":
            raise Lost(f"{name}: not a valid name on Windows")
        if part.partition(".")[0].rstrip(" ").upper() in WINDOWS_DEVICES:
            raise Lost(f"{name}: a device")
        if len(part.encode("utf-16-le")) > 2 * MOST_FILE_SYSTEMS_BYTES:
            raise Lost(f"{name}: too long")
    return components


def zipfile_on_windows_path(name: str) -> list[str]:
    """Return the components that CPython's ``ZipFile.extract`` creates on Windows."""
    path = ntpath.splitdrive(name.replace("/", "\\"))[1]
    path = "\\".join(part for part in path.split("\\") if part not in ("", ".", ".."))
    sanitized = zipfile.ZipFile._sanitize_windows_name(path, "\\")  # type: ignore[attr-defined]
    return windows_path(sanitized)


def posix_path(name: str) -> list[str]:
    """Return the components of the file that Linux or macOS creates."""
    components = name.split("/")
    for part in components:
        if part in ("", ".", "..") or "\0" in part:
            raise Lost(f"{name} is outside, or not a valid name")
        if len(part.encode()) > MOST_FILE_SYSTEMS_BYTES:
            raise Lost(f"{name}: too long")
    return components


def extract_everywhere(contents: Contents) -> None:
    """Extract on the disks of all systems.

    Raises Lost.
    """
    for names_of, disk in (
        (windows_path, Disk(capitals, aliases=True)),
        (zipfile_on_windows_path, Disk(capitals, aliases=True)),
        (posix_path, Disk(str)),
        (posix_path, Disk(decomposed)),
        (posix_path, Disk(visible)),
        (posix_path, Disk(small_letters)),
        (posix_path, Disk(str.casefold)),
    ):
        for name, body in contents.items():
            disk.write(names_of(name), body)


def extract_here(made: HostileArchive, folder: Path) -> None:
    """Extract to ``folder``, which also contains the archive, and compare."""
    with zipfile.ZipFile(made.archive) as opened:
        assert opened.namelist() == list(made.contents)
        opened.extractall(folder / "out")
    assert files_below(folder / "out") == made.contents
    assert sorted(path.name for path in folder.iterdir()) == ["a.zip", "out"]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that is deleted after the test, even if its paths are very long."""
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        yield Path(folder)


def test_the_simulated_disks_find_lost_files() -> None:
    def is_lost(*names: str) -> bool:
        try:
            extract_everywhere({name: name.encode() for name in names})
        except Lost:
            return True
        return False

    assert not is_lost("a", "b/c", "b/d")
    for one, other in (
        ("a", "A"),
        ("a", "a/b"),
        ("e\u0301", "\u00e9"),
        ("\u00df", "ss"),
        ("a", "./a"),
    ):
        assert is_lost(one, other), (one, other)
    assert is_lost("longfilename.txt", "LONGFI~1.TXT")
    assert is_lost("\u2764", "\u2764\ufe0f")
    for name in ("../a", "/a", "C:/a", "..\\a", "a:b", "CON", "aux.txt", "a" * 256, "a//b", "a."):
        assert is_lost(name, "a"), name


@given(st.lists(ANY_LISTED, min_size=1, max_size=12))
@example([SourceObject("b", f"{'x' * 1020}{number:04}") for number in range(12)])
def test_no_file_is_lost_or_outside_on_any_system(listed: list[SourceObject]) -> None:
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        made = make_archive(Path(folder) / "a.zip", listed)
        extract_everywhere(made.contents)
        extract_here(made, Path(folder))


@given(st.lists(ANY_LISTED, min_size=1, max_size=12), st.none() | ANY_KEY)
@example([SourceObject("b", key) for key in ("a/../../x", "/x", "C:\\x", "a\0b", "a/x")], "a/")
def test_no_file_is_lost_if_whole_keys_are_names(
    listed: list[SourceObject], prefix: str | None
) -> None:
    whole = partial(without_prefix, prefix=prefix or "")
    entries = list(named(listed, whole))
    contents = {entry.name: str(number).encode() for number, entry in enumerate(entries)}
    assert len(contents) == len(listed)
    extract_everywhere(contents)


@given(st.lists(ANY_KEY, min_size=1, max_size=8))
def test_accepted_names_differ_on_every_system(keys: list[str]) -> None:
    names = DistinctNames(max_recorded=1)
    claimed = [names.claim(key) for key in keys]
    if not names.refused:
        extract_everywhere({name: name.encode() for name in claimed})
        assert len(set(claimed)) == len(keys)


@given(st.lists(st.sampled_from([name for names in FAMILIES for name in names]), max_size=30))
def test_similar_names_do_not_replace_each_other(names: list[str]) -> None:
    contents = dict(claimed_contents(names))
    assert len(contents) == len(names)
    extract_everywhere(contents)


def claimed_contents(names: list[str]) -> list[tuple[str, bytes]]:
    unique = UniqueNames()
    return [(unique.claim(name), str(number).encode()) for number, name in enumerate(names)]


@pytest.mark.parametrize("names", FAMILIES, ids=lambda names: ascii(names[0])[:20])
def test_similar_names_are_extracted_in_either_order(names: list[str], place: Path) -> None:
    for number, order in enumerate((names, names[::-1])):
        folder = place / str(number)
        folder.mkdir()
        made = make_archive(folder / "a.zip", requested(order))
        extract_everywhere(made.contents)
        extract_here(made, folder)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> HostileArchive:
    """An archive with each byte and hazard, alone and within a name, and all families."""
    bytes_ = [f"{c}" for c in map(chr, range(256))] + [f"a{chr(c)}b" for c in range(256)]
    hazards = [name for hazard in HAZARDS for name in (hazard, f"a{hazard}b", f"d{hazard}/f")]
    families = [name for names in FAMILIES for name in names]
    names = [cut(name) for name in [*bytes_, *hazards, *families]]
    body = json.dumps({"entries": [{"key": name or "/", "name": name or "/"} for name in names]})
    listed = [
        SourceObject("b", entry.key, name=entry.name)
        for entry in parse_request(body.encode()).entries
    ]
    return make_archive(
        tmp_path_factory.mktemp("hostile") / "a.zip",
        [*listed, *(SourceObject("b", name or "/") for name in names)],
    )


def test_the_hostile_archive_is_extracted_on_every_system(hostile: HostileArchive) -> None:
    extract_everywhere(hostile.contents)


@pytest.mark.parametrize("read", [by_unzip, by_7z, by_bsdtar_from_a_pipe, by_python])
def test_programs_extract_the_whole_hostile_archive(
    hostile: HostileArchive, read: Callable[[Path, Path], Contents], place: Path
) -> None:
    assert read(hostile.archive, place / "out") == hostile.contents
    assert [path.name for path in place.iterdir()] in (["out"], [])


def test_names_that_any_system_considers_equal_are_numbered() -> None:
    rules = (capitals, decomposed, visible, small_letters, str.casefold, str.upper, str.lower)
    every = (chr(code) for code in range(0x21, 0x110000) if not 0xD800 <= code < 0xE000)
    changed = [
        c
        for c in every
        if c in INVISIBLE
        or not c == c.upper() == c.lower() == c.casefold() == unicodedata.normalize("NFD", c)
    ]
    alike = {
        one for c in changed for rule in rules if (other := rule(c)) != c for one in (c, other)
    }
    names = sorted({safe_name(f"x{characters}x") for characters in alike})
    contents = dict(claimed_contents(names))
    assert len(contents) == len(names) > 3_000
    extract_everywhere(contents)


@given(ANY_KEY)
@example("con" + " " * 300 + "x.txt")
@example("con." + "a" * 234 + ";1x")
@example("a" * 238 + ";1bcd")
def test_a_safe_name_is_short_and_stays_the_same(key: str) -> None:
    safe = safe_name(key)
    assert safe_name(safe) == safe
    assert len(safe.encode()) <= MAX_PATH_BYTES
    assert all(len(part.encode()) <= MAX_COMPONENT_BYTES for part in safe.split("/"))


def test_many_duplicates_take_linear_time() -> None:
    unique = UniqueNames()
    files = [unique.claim("a") for _ in range(20_000)]
    below = [unique.claim(f"a/{number}") for number in range(20_000)]
    assert (files[-1], below[0], below[-1]) == ("a (20000)", "a (20001)/0", "a (20001)/19999")


def test_many_nested_folders_take_linear_time() -> None:
    unique = UniqueNames()
    for number in range(500):
        unique.claim(f"{number}/" + "d/" * 60 + "x")
    assert unique.claim("0/" + "D/" * 60 + "X") == "0/" + "D/" * 60 + "X (2)"
