"""Member names that are safe to extract on any system, and unique on all of them.

A key may hold any Unicode text; a file name may not. ``safe_name`` maps the one to the other and
``UniqueNames`` keeps what it has handed out apart, both as pure functions of their input order.
The rules for Windows are those of "Naming Files, Paths, and Namespaces" on learn.microsoft.com.
"""

import re
import unicodedata
from collections.abc import Container
from functools import lru_cache
from itertools import count

MAX_COMPONENT_BYTES = 240
"""Most file systems stop at 255 bytes a component; the rest is room for a suffix."""

MAX_PATH_BYTES = 900
"""macOS stops at 1,024 bytes a path, and that with the folder that is extracted to."""

REPLACEMENT = "_"

_FORBIDDEN_CHARACTERS = frozenset('\\<>:"|?*')
_UNPRINTABLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_RESERVED_STEMS = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"}
)
_JOINERS = frozenset("\u200c\u200d")
"""Zero-width (non-)joiner: category Cf, but part of the spelling in several scripts and emoji."""

_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c\u200d\u2065\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""What is safe, but invisible, and makes no difference to HFS+ and to ext4's folders without case:
the rest of Default_Ignorable_Code_Point in Unicode's DerivedCoreProperties.txt."""

_VERSION = re.compile(r";(?=[0-9]*$)")
"""Info-ZIP takes what follows for a version number of VMS, and leaves it out of the file's name."""

_ALIAS = re.compile(r"(?=[^.]{3,8}(?:\.|$))([^. ]{1,6})~([0-9]{1,6}(?:\.[^. ]{1,3})?)")
"""A name that Windows itself may give to another file, of a longer name: an "8.3 alias"."""


def basename(key: str) -> str:
    """The last component of ``key``; of a "folder" key that ends in a slash, the folder's name."""
    return key.rstrip("/").rpartition("/")[2]


def safe_name(name: str) -> str:
    """Return ``name`` as a relative path that no reader can take out of its folder.

    The result is NFC, uses ``/`` only, has no empty, ``.`` or ``..`` component, no control, bidi
    or otherwise invisible character, none that Windows forbids, no reserved Windows device name,
    no component with a trailing dot or space, and none above ``MAX_COMPONENT_BYTES`` of UTF-8.
    Above ``MAX_PATH_BYTES`` the innermost folders are left out.
    """
    components = [_safe_component(part) for part in name.split("/") if part not in ("", ".", "..")]
    if not components:
        return REPLACEMENT
    *folders, leaf = components
    room = MAX_PATH_BYTES - len(leaf.encode())
    kept = []
    for folder in folders:
        room -= len(folder.encode()) + 1
        if room < 0:
            break
        kept.append(folder)
    return "/".join([*kept, leaf])


def _safe_component(component: str) -> str:
    text = unicodedata.normalize("NFC", "".join(map(_safe_character, component)))
    while (safer := _safer(text)) != text:  # what is cut off or replaced may bare the next hazard
        text = safer
    return text


def _safer(text: str) -> str:
    text = text.rstrip(". ")
    if not _IGNORABLE.sub("", text).strip(". "):
        return REPLACEMENT
    if text.partition(".")[0].rstrip(" ").lower() in _RESERVED_STEMS:
        text = REPLACEMENT + text
    text = _truncate(_VERSION.sub(REPLACEMENT, text))
    alias = _ALIAS.fullmatch(text)
    return REPLACEMENT.join(alias.groups()) if alias else text


@lru_cache(maxsize=4096)
def _safe_character(character: str) -> str:
    if character in _FORBIDDEN_CHARACTERS or _is_noncharacter(ord(character)):
        return REPLACEMENT
    is_printable = unicodedata.category(character) not in _UNPRINTABLE_CATEGORIES
    return character if is_printable or character in _JOINERS else REPLACEMENT


def _is_noncharacter(code: int) -> bool:
    """Whether Unicode will never make a character of it; not every file system takes it."""
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def _truncate(component: str) -> str:
    if len(component.encode()) <= MAX_COMPONENT_BYTES:
        return component
    stem, extension = _split_extension(component)
    room = MAX_COMPONENT_BYTES - len(extension.encode())
    kept = stem.encode()[:room].decode(errors="ignore").rstrip(". ") or REPLACEMENT
    return kept + extension


def _split_extension(component: str) -> tuple[str, str]:
    """Split off a short extension, dot included. A leading dot does not start one."""
    stem, dot, extension = component.rpartition(".")
    if not stem or not dot or len(extension.encode()) > 16:
        return component, ""
    return stem, dot + extension


class UniqueNames:
    """Hands out each safe name once, on file systems that ignore case too.

    The second ``report.pdf`` becomes ``report (2).pdf``. A name also gives way when it would be a
    file where an earlier name needs a folder, or a folder where an earlier name is a file.
    """

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: dict[str, int] = {}
        self._file_numbers: dict[str, int] = {}
        self._folder_numbers: dict[str, int] = {}

    def claim(self, name: str) -> str:
        """Return the safe, unused form of ``name`` and mark it as used."""
        *parents, leaf = safe_name(name).split("/")
        path, folder = [], 0
        for parent in parents:
            component, slot = _free(folder, parent, self._folder_numbers, self._files)
            folder = self._folders.setdefault(slot, len(self._folders) + 1)
            path.append(component)
        component, slot = _free(folder, leaf, self._file_numbers, self._files, self._folders)
        self._files.add(slot)
        return "/".join([*path, component])


def _free(
    folder: int, component: str, numbers: dict[str, int], *taken: Container[str]
) -> tuple[str, str]:
    """Return ``component``, or the first ``component (n)`` that is free, and its slot: the number
    of its folder and its folded name. ``numbers`` remembers where to go on.
    """
    wanted = slot = f"{folder}/{_fold(component)}"
    if not any(slot in slots for slots in taken):
        return component, slot
    stem, extension = _split_extension(component)
    for number in count(numbers.get(wanted, 2)):
        numbered = f"{stem} ({number}){extension}"
        slot = f"{folder}/{_fold(numbered)}"
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
    visible = _IGNORABLE.sub("", component)
    folded = unicodedata.normalize("NFD", visible).upper().casefold()
    return unicodedata.normalize("NFD", folded)
