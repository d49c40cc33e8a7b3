"""Member names that are safe to extract and unique on every system.

``safe_name`` converts a key to a path. ``UniqueNames`` numbers duplicates; its result depends only
on the order of its input. ``DistinctNames`` reports duplicates instead.
"""

import unicodedata
from collections.abc import Container, Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate, count
from typing import NamedTuple

from zipjobs.errors import ListTooLarge
from zipjobs.zipformat.file_names import (
    IGNORABLE,
    MAX_PATH_BYTES,
    MIN_PATH_UNITS,
    REPLACEMENT,
    safe_file_name,
    split_extension,
)

MAX_FOLDERS = 64
"""Folders of a path. Each takes memory, and a name of 1,024 bytes can have 512 of them."""

MIN_FOLDER_UNITS = 8
"""A folder's name is not cut to less than this."""

MAX_PATHS = 3_000_000
"""The default limit of files and folders of a job. A file takes about 65 bytes of memory and a
folder about 105, independent of the length of their names."""

_safe_folder = lru_cache(maxsize=4096)(safe_file_name)
"""Folders repeat, so their safe names are cached."""


def basename(key: str) -> str:
    """Return the last component of ``key``. For a key that ends with a slash, it is the folder."""
    return key.rstrip("/").rpartition("/")[2]


def as_file(name: str) -> str:
    """Return the name of a file: a slash at the end of ``name`` becomes ``_``.

    Without this, an object ``bar/`` would take the name of the folder of ``bar/in.txt``.
    """
    return name.rstrip("/") + REPLACEMENT if name.endswith("/") else name


def without_prefix(key: str, prefix: str) -> str:
    """Return ``key`` without ``prefix``, or the whole key if no name would remain."""
    rest = key.removeprefix(prefix)
    return rest if rest.strip("/") else key


def safe_name(name: str) -> str:
    """Return ``name`` as a relative path that stays inside the folder it is extracted to.

    The result uses ``/`` only and has no empty, ``.`` or ``..`` component. Each component is the
    result of ``safe_file_name``. Above ``MAX_PATH_BYTES`` or ``MAX_FOLDERS``, the innermost folders
    are removed.
    """
    components = [part for part in name.split("/") if part not in ("", ".", "..")]
    if not components:
        return REPLACEMENT
    *folders, last = components
    leaf = safe_file_name(last)
    remaining = MAX_PATH_BYTES - len(leaf.encode())
    kept = []
    for folder in map(_safe_folder, folders[:MAX_FOLDERS]):
        remaining -= len(folder.encode()) + 1
        if remaining < 0:
            break
        kept.append(folder)
    return "/".join([*kept, leaf])


def shortened(name: str, max_units: int) -> str:
    """Return a safe name with at most ``max_units`` UTF-16 code units, as Windows counts them.

    ``max_units`` is at least ``MIN_PATH_UNITS``. At least half of them are for the file's name, of
    which the extension stays. The folders share the rest. Those for which no ``MIN_FOLDER_UNITS``
    are left, the innermost, are removed.
    """
    if utf16_units(name) <= max_units:
        return name
    limit, short = max_units, safe_name(_cut_path(name, max_units))
    while (excess := utf16_units(short) - max_units) > 0:  # ``con`` has become ``_con``
        limit -= excess
        short = safe_name(_cut_path(name, limit))
    return short


def _cut_path(name: str, limit: int) -> str:
    *folders, leaf = name.split("/")
    stem, extension = split_extension(leaf)
    leaf_units = max(limit // 2, limit - utf16_units(name) + utf16_units(leaf))
    leaf = _cut(stem, max(1, leaf_units - utf16_units(extension))) + extension
    left = limit - utf16_units(leaf)
    needed = accumulate(min(utf16_units(folder), MIN_FOLDER_UNITS) + 1 for folder in folders)
    folders = [folder for folder, units in zip(folders, needed, strict=True) if units <= left]
    share = 0
    for number, units in enumerate(sorted(map(utf16_units, folders))):
        share = left // (len(folders) - number) - 1
        if units > share:
            break
        left -= units + 1  # what a short folder does not need is for the others
    return "/".join([*(_cut(folder, share) for folder in folders), leaf])


def _cut(text: str, max_units: int) -> str:
    """Return the start of ``text``. It does not end in a dot, a space or half a character."""
    if utf16_units(text) <= max_units:
        return text
    start = text.encode("utf-16-le")[: 2 * max_units].decode("utf-16-le", errors="ignore")
    return start.rstrip(". ") or REPLACEMENT


def utf16_units(text: str) -> int:
    """Return the length of ``text`` as Windows counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


class UniqueNames:
    """Assigns each safe name once, also for file systems that ignore case.

    The second ``report.pdf`` becomes ``report (2).pdf``. A name is also numbered if it is a file
    where an earlier name has a folder, or a folder where an earlier name is a file.

    ``max_paths`` limits the files and folders, and so the memory for them. ``max_units`` limits the
    length of a name, with its number, in UTF-16 code units.
    """

    def __init__(self, max_paths: int = MAX_PATHS, max_units: int | None = None) -> None:
        self._max_paths = max_paths
        self._max_units = max_units
        self._files: set[int] = set()
        self._folders: dict[int, int] = {}
        self._file_numbers: dict[int, int] = {}
        self._folder_numbers: dict[int, int] = {}

    def claim(self, name: str) -> str:
        """Return the safe, unused form of ``name`` and mark it as used. Raises ListTooLarge."""
        *parents, leaf = self._fitted(safe_name(name)).split("/")
        path, folder = [], 0
        for parent in parents:
            component, slot = _free(folder, parent, self._folder_numbers, self._files)
            folder = self._folders.setdefault(slot, len(self._folders) + 1)
            path.append(component)
        component, slot = _free(folder, leaf, self._file_numbers, self._files, self._folders)
        self._files.add(slot)
        _require_capacity(self._max_paths, self._files, self._folders)
        return "/".join([*path, component])

    def claim_folder(self, name: str) -> str | None:
        """Return the safe form of a folder's name, or None if the folder exists already.

        Raises ListTooLarge.
        """
        path, folder, is_new = [], 0, False
        for wanted in self._fitted(safe_name(name)).split("/"):
            component, slot = _free(folder, wanted, self._folder_numbers, self._files)
            is_new = slot not in self._folders
            folder = self._folders.setdefault(slot, len(self._folders) + 1)
            path.append(component)
        _require_capacity(self._max_paths, self._files, self._folders)
        return "/".join(path) if is_new else None

    def _fitted(self, name: str) -> str:
        """Return a name that has at most ``max_units`` with the numbers that it will get."""
        if self._max_units is None:
            return name
        limit, fitted = self._max_units, shortened(name, self._max_units)
        while (excess := utf16_units(self._numbered(fitted)) - self._max_units) > 0:
            limit = max(limit - excess, MIN_PATH_UNITS // 2)
            fitted = shortened(name, limit)
        return fitted

    def _numbered(self, name: str) -> str:
        """Return the result of claiming a safe name now."""
        *parents, leaf = name.split("/")
        path: list[str] = []
        folder = 0
        for parent in parents:
            component, slot = _free(folder, parent, self._folder_numbers, self._files)
            path.append(component)
            if slot not in self._folders:  # a new folder is empty
                return "/".join([*path, *parents[len(path) :], leaf])
            folder = self._folders[slot]
        component, _ = _free(folder, leaf, self._file_numbers, self._files, self._folders)
        return "/".join([*path, component])


class Contest(NamedTuple):
    """A duplicate name: its ``slot``, and whether an object needs it as a folder."""

    slot: int
    as_folder: bool


class DistinctNames:
    """Returns safe names unchanged, and records those that are the same for a file system.

    These are names that are claimed twice, or both as a file and as a folder. ``contested`` has up
    to ``max_recorded`` of them by slot; ``refused`` counts all claims that failed. ``max_paths``
    and ``max_units`` are those of ``UniqueNames``.
    """

    def __init__(
        self, max_recorded: int, max_paths: int = MAX_PATHS, max_units: int | None = None
    ) -> None:
        self.contested: dict[int, str] = {}
        self.refused = 0
        self._max_recorded = max_recorded
        self._max_paths = max_paths
        self._max_units = max_units
        self._files: set[int] = set()
        self._folders: dict[int, int] = {}

    def claim(self, name: str) -> str:
        """Return the safe form of ``name``, and mark it as used. Raises ListTooLarge."""
        safe = self._fitted(name)
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
        _require_capacity(self._max_paths, self._files, self._folders)
        return safe

    def claim_folder(self, name: str) -> str | None:
        """Return the safe form of a folder's name. Raises ListTooLarge.

        Return None if the folder exists already, or if a file has its name or that of a folder in
        which it is: an empty folder is not worth an error.
        """
        safe = self._fitted(name)
        folder, is_new = 0, False
        for component in safe.split("/"):
            slot = _slot(folder, component)
            if slot in self._files:
                return None
            is_new = slot not in self._folders
            folder = self._folders.setdefault(slot, len(self._folders) + 1)
        _require_capacity(self._max_paths, self._files, self._folders)
        return safe if is_new else None

    def _fitted(self, name: str) -> str:
        safe = safe_name(name)
        return safe if self._max_units is None else shortened(safe, self._max_units)

    def _refuse(self, slot: int, name: str) -> None:
        self.refused += 1
        if len(self.contested) < self._max_recorded:
            self.contested.setdefault(slot, name)

    def contests_of(self, safe: str) -> Iterator[Contest]:
        """Yield the contested names that the claimed name ``safe`` uses, as folder or as file."""
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


def _require_capacity(max_paths: int, files: set[int], folders: dict[int, int]) -> None:
    if len(files) + len(folders) > max_paths:
        raise ListTooLarge(
            f"The archive would have more than {max_paths:,} files and folders, the limit for the "
            "function's memory. Split the request into several jobs, or raise zipperMemoryMb."
        )


def _slot(folder: int, component: str) -> int:
    """Return the key that two names must not share: a hash of folder and folded component.

    64 bits of BLAKE2 take little memory. For a million names, the chance of a collision is one in
    40 million; the second name would then be numbered like a duplicate.
    """
    text = f"{folder}/{_fold(component)}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _free(
    folder: int, component: str, numbers: dict[int, int], *taken: Container[int]
) -> tuple[str, int]:
    """Return the first free of ``component``, ``component (2)``, …, and its slot.

    ``numbers`` keeps the number to continue with.
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
    """Return the form in which case-insensitive file systems compare names.

    They differ: some compare upper case, some Unicode's case folding, and some ignore invisible
    characters. Names that are equal for any of them are equal here.
    """
    if component.isascii():
        return component.lower()
    visible = IGNORABLE.sub("", component)
    folded = unicodedata.normalize("NFD", visible).upper().casefold()
    return unicodedata.normalize("NFD", folded)
