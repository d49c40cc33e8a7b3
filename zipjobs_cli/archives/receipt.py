"""Reads receipts: what an archive ought to be. ``zipjobs/worker/receipts.py`` writes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from zipjobs_cli.archives.json_stream import walk
from zipjobs_cli.errors import Unreadable

VERSION = "1"


class Line(NamedTuple):
    """An entry as the receipt lists it, in ``position``, from 1 on.

    ``size`` is in bytes, ``crc32`` eight hexadecimal digits.
    """

    position: int
    name: str
    size: int
    crc32: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says of its archive: ``size`` in bytes, ``crc32``, and how many ``entries``.

    It lists ``listed`` of them, and ``skipped`` that were to be entries and did not exist.
    """

    path: Path
    size: int
    crc32: str
    entries: int
    listed: int
    skipped: int

    def lines(self) -> Iterator[Line]:
        """The entries in order, read anew: a receipt may be longer than memory.

        Raises Unreadable.
        """
        position = 0
        for key, value in _walk(self.path):
            if key == "entries":
                position += 1
                yield _line(self.path, position, value)


def receipt_path(archive: Path) -> Path:
    """Where the receipt of ``archive`` is, if it is beside it."""
    return archive.with_name(f"{archive.name.removesuffix('.zip')}.receipt.json")


def read_receipt(path: Path) -> Receipt:
    """Read a receipt from its beginning to its end; hold its entries' number only.

    However it is laid out, memory is bounded. Raises Unreadable if it cannot be read, is not JSON
    or not a receipt, or is one of a version other than ``VERSION``.
    """
    version: object = None
    archive: object = None
    listed = skipped = 0
    for key, value in _walk(path):
        if key == "entries":
            listed += 1
            _line(path, listed, value)
        elif key == "skipped":
            skipped += 1
        elif key == "archive":
            archive = value
        elif key == "version":
            version = value
            _check_version(path, version)
    _check_version(path, version)
    match archive:
        case {"size": int(size), "crc32": str(crc32), "entries": int(entries)}:
            return Receipt(path, size, crc32, entries, listed, skipped)
    raise Unreadable(f"{path} is not a receipt: it does not say what its archive is.")


def _check_version(path: Path, version: object) -> None:
    if version is None:
        raise Unreadable(f"{path} is not a receipt: it has no version.")
    if version != VERSION:
        raise Unreadable(
            f"{path} is a receipt of version {version}; this program reads version {VERSION}."
        )


def _line(path: Path, position: int, entry: object) -> Line:
    match entry:
        case {"name": str(name), "size": int(size), "crc32": str(crc32)}:
            return Line(position, name, size, crc32)
    raise Unreadable(
        f"{path} is not a receipt: its entry {position:,} lacks a name, a size or a CRC-32."
    )


def _walk(path: Path) -> Iterator[tuple[str, Any]]:
    if path.exists() and not path.is_file():  # it is read twice, which a pipe cannot be
        raise Unreadable(f"{path} is not a file.")
    try:
        with path.open(encoding="utf-8-sig") as text:
            yield from walk(text)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path} is not JSON: it is not UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{path} is not JSON, or not all of it: {error}.") from error
