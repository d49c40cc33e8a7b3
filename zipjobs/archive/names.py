"""Member names that are safe to extract on any system, and unique on all of them.

A key may hold any Unicode text; a file name may not. ``safe_name`` maps the one to the other and
``UniqueNames`` keeps what it has handed out apart, both as pure functions of their input order.
The rules for Windows are those of "Naming Files, Paths, and Namespaces" on learn.microsoft.com.
"""

import unicodedata
from collections.abc import Callable
from itertools import count

MAX_COMPONENT_BYTES = 240
"""Most file systems stop at 255 bytes a component; the rest is room for a suffix."""

REPLACEMENT = "_"

_FORBIDDEN_CHARACTERS = frozenset('\\<>:"|?*')
_UNPRINTABLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_RESERVED_STEMS = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"}
)
_JOINERS = frozenset("\u200c\u200d")
"""Zero-width (non-)joiner: category Cf, but part of the spelling in several scripts and emoji."""


def basename(key: str) -> str:
    """The last component of ``key``; of a "folder" key that ends in a slash, the folder's name."""
    return key.rstrip("/").rpartition("/")[2]


def safe_name(name: str) -> str:
    """Return ``name`` as a relative path that no reader can take out of its folder.

    The result is NFC, uses ``/`` only, has no empty, ``.`` or ``..`` component, no control, bidi
    or otherwise invisible character, none that Windows forbids, no reserved Windows device name,
    no component with a trailing dot or space, and none above ``MAX_COMPONENT_BYTES`` of UTF-8.
    """
    components = [_safe_component(part) for part in name.split("/") if part not in ("", ".", "..")]
    return "/".join(components) or REPLACEMENT


def _safe_component(component: str) -> str:
    text = "".join(REPLACEMENT if _is_unsafe(c) else c for c in component)
    text = unicodedata.normalize("NFC", text).rstrip(". ") or REPLACEMENT
    if text.partition(".")[0].rstrip(" ").lower() in _RESERVED_STEMS:
        text = REPLACEMENT + text
    return _truncate(text)


def _is_unsafe(character: str) -> bool:
    if character in _FORBIDDEN_CHARACTERS:
        return True
    return character not in _JOINERS and (
        unicodedata.category(character) in _UNPRINTABLE_CATEGORIES
    )


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
        self._folders: set[str] = set()
        self._next_number: dict[str, int] = {}

    def claim(self, name: str) -> str:
        """Return the safe, unused form of ``name`` and mark it as used."""
        *parents, leaf = safe_name(name).split("/")
        folder = ""
        for parent in parents:
            path = self._numbered(folder + parent, self._may_be_folder, start=2)
            self._folders.add(_fold(path))
            folder = path + "/"
        wanted = folder + leaf
        path = self._numbered(wanted, self._may_be_file, self._next_number.get(_fold(wanted), 2))
        self._files.add(_fold(path))
        return path

    def _may_be_folder(self, folded: str) -> bool:
        return folded not in self._files

    def _may_be_file(self, folded: str) -> bool:
        return folded not in self._files and folded not in self._folders

    def _numbered(self, path: str, is_free: Callable[[str], bool], start: int) -> str:
        """Return ``path``, or the first ``path (n)`` from ``start`` on that is free."""
        if is_free(_fold(path)):
            return path
        folder, slash, component = path.rpartition("/")
        stem, extension = _split_extension(component)
        for number in count(start):
            candidate = f"{folder}{slash}{stem} ({number}){extension}"
            if is_free(_fold(candidate)):
                self._next_number[_fold(path)] = number + 1
                return candidate
        raise AssertionError("count() never ends")


def _fold(path: str) -> str:
    """The form under which a file system that ignores case and composition compares names."""
    return unicodedata.normalize("NFD", path.casefold())
