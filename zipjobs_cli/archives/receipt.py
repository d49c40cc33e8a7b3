"""Read receipts, which ``zipjobs/worker/receipts.py`` writes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from zipjobs_cli.archives.json_stream import iter_values
from zipjobs_cli.errors import Unreadable

VERSION = "1"

MISSING = "SOURCE_NOT_FOUND"
"""The reason of skipped objects in old receipts, which have none."""


class ReceiptEntry(NamedTuple):
    """An entry in a receipt.

    ``position`` counts from 1, ``size`` is in bytes, ``crc32`` has eight hexadecimal digits.
    """

    position: int
    name: str
    size: int
    crc32: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The header of a receipt: size, CRC-32 and number of entries of the archive.

    ``listed`` is the number of entries in the receipt's list. ``skipped`` counts the objects that
    are not in the archive, by the error code that says why.
    """

    path: Path
    size: int
    crc32: str
    entries: int
    listed: int
    skipped: Mapping[str, int]

    def read_entries(self) -> Iterator[ReceiptEntry]:
        """Yield the entries in order. They are read from the file. Raises Unreadable."""
        position = 0
        for key, value in _values(self.path):
            if key == "entries":
                position += 1
                yield _parse_entry(self.path, position, value)


def receipt_path(archive: Path) -> Path:
    """Return the default path of the receipt of ``archive``: in the same folder."""
    return archive.with_name(f"{archive.name.removesuffix('.zip')}.receipt.json")


def read_receipt(path: Path) -> Receipt:
    """Read a receipt and validate all entries, with bounded memory.

    Raises Unreadable if it cannot be read, is not a receipt, or has an unknown version.
    """
    version: object = None
    archive: object = None
    listed = 0
    skipped: Counter[str] = Counter()
    for key, value in _values(path):
        if key == "entries":
            listed += 1
            _parse_entry(path, listed, value)
        elif key == "skipped":
            skipped[_parse_reason(path, value)] += 1
        elif key == "archive":
            archive = value
        elif key == "version":
            version = value
            _check_version(path, version)
    _check_version(path, version)
    match archive:
        case {"size": int(size), "crc32": str(crc32), "entries": int(entries)}:
            return Receipt(path, size, crc32, entries, listed, skipped)
    raise Unreadable(f"{path} is not a receipt: it does not describe an archive.")


def _check_version(path: Path, version: object) -> None:
    if version is None:
        raise Unreadable(f"{path} is not a receipt: it has no version.")
    if version != VERSION:
        raise Unreadable(
            f"{path} is a receipt of version {version}. This program reads version {VERSION}."
        )


def _parse_entry(path: Path, position: int, entry: object) -> ReceiptEntry:
    match entry:
        case {"name": str(name), "size": int(size), "crc32": str(crc32)}:
            return ReceiptEntry(position, name, size, crc32)
    raise Unreadable(
        f"{path} is not a receipt: its entry {position:,} has no name, size or CRC-32."
    )


def _parse_reason(path: Path, skipped: object) -> str:
    reason = skipped.get("reason", MISSING) if isinstance(skipped, dict) else None
    if isinstance(reason, str):
        return reason
    raise Unreadable(f"{path} is not a receipt: the reason of a skipped object is not a string.")


def _values(path: Path) -> Iterator[tuple[str, Any]]:
    if path.exists() and not path.is_file():  # it is read twice, which is impossible for a pipe
        raise Unreadable(f"{path} is not a file.")
    try:
        with path.open(encoding="utf-8-sig") as text:
            yield from iter_values(text)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path} is not JSON: it is not UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{path} is not complete, valid JSON: {error}.") from error
