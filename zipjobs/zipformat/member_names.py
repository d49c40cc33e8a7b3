"""Member names that are safe to extract on any system, and unique on all of them.

``safe_name`` makes a path of a key, and ``UniqueNames`` keeps what it has handed out apart, both as
pure functions of their input order. ``DistinctNames`` finds those that are wanted twice instead.
"""

import unicodedata
from collections.abc import Container, Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import count
from typing import NamedTuple

from zipjobs.errors import ListTooLarge
from zipjobs.zipformat.file_names import IGNORABLE, REPLACEMENT, safe_file_name, split_extension

MAX_PATH_BYTES = 900
"""macOS stops at 1,024 bytes a path, and that with the folder that is extracted to."""


MAX_FOLDERS = 64
"""In a path. Each takes memory, and one name of 1,024 bytes could ask for 512 of them."""

MAX_NAMES = 3_000_000
"""Files and folders of one archive, unless the caller has another limit. A file takes about 65
bytes of memory, whatever its name's length, and a folder about 105.
"""

_safe_folder = lru_cache(maxsize=4096)(safe_file_name)
"""The same folders come again and again."""


def basename(key: str) -> str:
    """The last component of ``key``; of a "folder" key that ends in a slash, the folder's name."""
    return key.rstrip("/").rpartition("/")[2]


def without_prefix(key: str, prefix: str) -> str:
    """``key`` without ``prefix`` at its front; all of it if that would leave no name."""
    rest = key.removeprefix(prefix)
    return rest if rest.strip("/") else key


def safe_name(name: str) -> str:
    """Return ``name`` as a relative path that no reader can take out of its folder.

    The result uses ``/`` only, has no empty, ``.`` or ``..`` component, and each component is what
    ``safe_file_name`` makes of it. Above ``MAX_PATH_BYTES`` or ``MAX_FOLDERS``, the innermost
    folders are left out.
    """
    components = [part for part in name.split("/") if part not in ("", ".", "..")]
    if not components:
        return REPLACEMENT
    *folders, last = components
    leaf = safe_file_name(last)
    room = MAX_PATH_BYTES - len(leaf.encode())
    kept = []
    for folder in map(_safe_folder, folders[:MAX_FOLDERS]):
        room -= len(folder.encode()) + 1
        if room < 0:
            break
        kept.append(folder)
    return "/".join([*kept, leaf])


class UniqueNames:
    """Hands out each safe name once, on file systems that ignore case too.

    The second ``report.pdf`` becomes ``report (2).pdf``. A name also gives way when it would be a
    file where an earlier name needs a folder, or a folder where an earlier name is a file.

    ``most`` limits the files and folders, so that their memory is limited.
    """

    def __init__(self, most: int = MAX_NAMES) -> None:
        self._most = most
        self._files: set[int] = set()
        self._folders: dict[int, int] = {}
        self._file_numbers: dict[int, int] = {}
        self._folder_numbers: dict[int, int] = {}

    def claim(self, name: str) -> str:
        """Return the safe, unused form of ``name`` and mark it as used. Raises ListTooLarge."""
        *parents, leaf = safe_name(name).split("/")
        path, folder = [], 0
        for parent in parents:
            component, slot = _free(folder, parent, self._folder_numbers, self._files)
            folder = self._folders.setdefault(slot, len(self._folders) + 1)
            path.append(component)
        component, slot = _free(folder, leaf, self._file_numbers, self._files, self._folders)
        self._files.add(slot)
        _require_room(self._most, self._files, self._folders)
        return "/".join([*path, component])


class Contest(NamedTuple):
    """A name that is wanted twice: its ``slot``, and whether it is wanted as a folder."""

    slot: int
    as_folder: bool


class DistinctNames:
    """Hands out safe names as they are, and notes those that file systems would take for one.

    That is a name that is claimed again, or as a file and as a folder. Of ``contested`` ones, by
    slot, up to ``most`` are noted, as they were wanted; ``refused`` counts all claims that failed.
    """

    def __init__(self, most: int, most_names: int = MAX_NAMES) -> None:
        self.contested: dict[int, str] = {}
        self.refused = 0
        self._most = most
        self._most_names = most_names
        self._files: set[int] = set()
        self._folders: dict[int, int] = {}

    def claim(self, name: str) -> str:
        """Return the safe form of ``name``, and mark it as used. Raises ListTooLarge."""
        safe = safe_name(name)
        *parents, leaf = safe.split("/")
        folder = 0
        for depth, parent in enumerate(parents, 1):
            slot = _slot(folder, parent)
            if slot in self._files:
                self._refuse(slot, "/".join(parents[:depth]))
                return safe
            folder = self._folders.setdefault(slot, len(self._folders) + 1)
        slot = _slot(folder, leaf)
        if slot in self._files or slot in self._folders:
            self._refuse(slot, safe)
        self._files.add(slot)
        _require_room(self._most_names, self._files, self._folders)
        return safe

    def _refuse(self, slot: int, name: str) -> None:
        self.refused += 1
        if len(self.contested) < self._most:
            self.contested.setdefault(slot, name)

    def contests_of(self, safe: str) -> Iterator[Contest]:
        """Yield each contested name that ``safe``, which was handed out, wants: as a folder, or as
        a file.
        """
        *parents, leaf = safe.split("/")
        folder = 0
        for parent in parents:
            slot = _slot(folder, parent)
            if slot in self.contested:
                yield Contest(slot, as_folder=True)
            folder = self._folders.get(slot, -1)
        slot = _slot(folder, leaf)
        if slot in self.contested:
            yield Contest(slot, as_folder=False)


def _require_room(most: int, files: set[int], folders: dict[int, int]) -> None:
    if len(files) + len(folders) > most:
        raise ListTooLarge(
            f"The archive would have more than {most:,} files and folders, the limit for the "
            "function's memory. Split the request into several jobs, or raise zipperMemoryMb."
        )


def _slot(folder: int, component: str) -> int:
    """What no two names may share: a hash of the folder's number and of the folded component.

    64 bits of BLAKE2 take little memory. If two of a million names ever had the same (one chance in
    40 million), the second would be numbered as if it were a duplicate.
    """
    text = f"{folder}/{_fold(component)}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _free(
    folder: int, component: str, numbers: dict[int, int], *taken: Container[int]
) -> tuple[str, int]:
    """Return ``component``, or the first ``component (n)`` that is free, and its slot. ``numbers``
    remembers where to go on.
    """
    wanted = slot = _slot(folder, component)
    if not any(slot in slots for slots in taken):
        return component, slot
    stem, extension = split_extension(component)
    for number in count(numbers.get(wanted, 2)):
        numbered = f"{stem} ({number}){extension}"
        slot = _slot(folder, numbered)
        if not any(slot in slots for slots in taken):
            numbers[wanted] = number
            return numbered, slot
    raise AssertionError("count() never ends")


def _fold(component: str) -> str:
    """The form under which a file system that ignores case and composition compares names.

    Those that ignore case disagree on what it is: some compare the capitals, some what Unicode
    folds, and some leave out what is invisible. What is one name to any of them is one here.
    """
    if component.isascii():
        return component.lower()
    visible = IGNORABLE.sub("", component)
    folded = unicodedata.normalize("NFD", visible).upper().casefold()
    return unicodedata.normalize("NFD", folded)
