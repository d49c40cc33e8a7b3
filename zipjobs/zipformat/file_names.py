"""File names that are safe on every system, for members of archives and for archives.

A requested name may contain any Unicode text; a file name may not. The rules for Windows are in
"Naming Files, Paths, and Namespaces" on learn.microsoft.com.
"""

import re
import unicodedata
from functools import lru_cache

MAX_COMPONENT_BYTES = 240
"""Most file systems allow 255 bytes per component. The rest is for a suffix."""

MAX_PATH_BYTES = 900
"""macOS allows 1,024 bytes per path, including the folder that the archive is extracted to."""

MIN_PATH_UNITS = 60
"""The least limit for a path, in UTF-16 code units: room for a number and the longest extension."""

REPLACEMENT = "_"

_FORBIDDEN_CHARACTERS = frozenset('\\<>:"|?*')
_UNPRINTABLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_RESERVED_STEMS = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"}
)
_JOINERS = frozenset("\u200c\u200d")
"""Zero-width (non-)joiner: category Cf, but part of the spelling in several scripts and emoji."""

IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c\u200d\u2065\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""Invisible characters that are safe, but that HFS+ and case-insensitive ext4 ignore: the rest of
Default_Ignorable_Code_Point in Unicode's DerivedCoreProperties.txt."""

_TAR = ".tar"
"""The first part of extensions such as ``.tar.gz``."""

_VERSION = re.compile(r";(?=[0-9]*$)")
"""Info-ZIP reads the rest as a VMS version number and removes it from the file name."""

_ALIAS = re.compile(r"(?=[^.]{3,8}(?:\.|$))([^. ]{1,6})~([0-9]{1,6}(?:\.[^. ]{1,3})?)")
"""A name that Windows may create for a file with a longer name: an "8.3 alias"."""


def safe_file_name(name: str) -> str:
    """Return ``name``, which has no slash, as a file name for every system.

    The result is NFC and not empty. It has no control, bidi or other invisible character, no
    character that Windows forbids, no trailing dot or space, and at most ``MAX_COMPONENT_BYTES`` of
    UTF-8. It is not a reserved Windows device name.
    """
    text = unicodedata.normalize("NFC", "".join(map(_safe_character, name)))
    while (safer := _safer(text)) != text:  # a replacement may reveal the next hazard
        text = safer
    return text


def _safer(text: str) -> str:
    text = text.rstrip(". ")
    if not IGNORABLE.sub("", text).strip(". "):
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
    """Return whether Unicode reserves the code point. Some file systems refuse it."""
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def _truncate(component: str) -> str:
    if len(component.encode()) <= MAX_COMPONENT_BYTES:
        return component
    stem, extension = split_extension(component)
    limit = MAX_COMPONENT_BYTES - len(extension.encode())
    kept = stem.encode()[:limit].decode(errors="ignore").rstrip(". ") or REPLACEMENT
    return kept + extension


def split_extension(component: str) -> tuple[str, str]:
    """Split off a short extension, such as ``.pdf`` or ``.tar.gz``.

    A leading dot does not start one.
    """
    stem, dot, extension = component.rpartition(".")
    if not stem or not dot or len(extension.encode()) > 16:
        return component, ""
    if stem.lower().endswith(_TAR) and len(stem) > len(_TAR):
        return stem[: -len(_TAR)], stem[-len(_TAR) :] + dot + extension
    return stem, dot + extension
