"""``verify``: is this archive what its receipt says?"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.progress import TextColumn
from rich.table import Table
from rich.text import Text

from zipjobs_cli.archives.receipt import receipt_path
from zipjobs_cli.archives.verify import Difference, Kind, Verdict, verify
from zipjobs_cli.output.progress import bar, byte_columns
from zipjobs_cli.output.screen import counted, line, out

MATCHES = 0
DIFFERS = 1

MOST_SHOWN = 50
"""Differences in the table; ``--json`` has all."""

_WORDS = {
    Kind.ARCHIVE_SIZE: "size of the archive",
    Kind.ARCHIVE_CRC32: "CRC-32 of the archive",
    Kind.ARCHIVE_ENTRIES: "number of entries",
    Kind.RECEIPT_ENTRIES: "number of entries in the receipt's own list",
    Kind.MISSING: "missing",
    Kind.EXTRA: "not in the receipt",
    Kind.DOUBLED: "more than once",
    Kind.MOVED: "in another place",
    Kind.UNREADABLE: "cannot be read",
    Kind.SIZE: "size",
    Kind.CRC32: "CRC-32",
    Kind.DIRECTORY_SIZE: "size in the archive's directory",
    Kind.DIRECTORY_CRC32: "CRC-32 in the archive's directory",
}
_POSITIONS = frozenset({Kind.MISSING, Kind.EXTRA, Kind.MOVED})


def verify_command(
    archive: Annotated[
        Path, typer.Argument(metavar="ARCHIVE", help="The ZIP.", show_default=False)
    ],
    receipt: Annotated[
        Path | None,
        typer.Argument(
            metavar="RECEIPT",
            help="Its receipt. Left out: ARCHIVE without .zip, and .receipt.json behind it.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one line of JSON.")
    ] = False,
) -> None:
    """Check an archive against its receipt.

    Every byte of the archive is read: its size and CRC-32, and every entry's name, place, size and
    CRC-32 must be what the receipt says. Both are local files.

    Exit codes:

    - 0: the archive matches its receipt
    - 1: it does not; all that differs is told
    - 2: wrong usage, or a file that cannot be read as what it ought to be: missing, not a ZIP,
      cut off, not a receipt
    - 130: interrupted
    """
    receipt = receipt or receipt_path(archive)
    with _progress(archive) as on_progress:
        verdict = verify(archive, receipt, on_progress)
    if as_json:
        typer.echo(json.dumps(_as_json(archive, receipt, verdict)))
    else:
        _tell(archive, receipt, verdict)
    raise typer.Exit(MATCHES if verdict.matches else DIFFERS)


@contextmanager
def _progress(archive: Path) -> Iterator[Callable[[int], None]]:
    """A bar; yields who is to be told how much has been read."""
    size = archive.stat().st_size if archive.is_file() else None
    with bar(TextColumn("Reading"), *byte_columns()) as progress:
        task = progress.add_task("", total=size)
        yield lambda done: progress.update(task, completed=done)


def _as_json(archive: Path, receipt: Path, verdict: Verdict) -> dict[str, object]:
    return {
        "matches": verdict.matches,
        "archive": str(archive),
        "receipt": str(receipt),
        "size": verdict.size,
        "crc32": verdict.crc32,
        "entries": verdict.entries,
        "skipped": verdict.skipped,
        "differences": [asdict(difference) for difference in verdict.differences],
    }


def _tell(archive: Path, receipt: Path, verdict: Verdict) -> None:
    console = out()
    if verdict.matches:
        skipped = f"; {verdict.skipped:,} skipped, which did not exist" * bool(verdict.skipped)
        text = (
            f"{archive} matches its receipt: {counted(verdict.entries, 'entry', 'entries')}, "
            f"{verdict.size:,} bytes, CRC-32 {verdict.crc32}{skipped}."
        )
        console.print(line(text, "green"), soft_wrap=True)
        return
    shown = verdict.differences[:MOST_SHOWN]
    left_out = len(verdict.differences) - len(shown)
    count = counted(len(verdict.differences), "difference", "differences")
    text = f"{archive} does not match {receipt}: {count}."
    console.print(line(text, "bold red"), soft_wrap=True)
    console.print(_table(shown))
    if left_out:
        console.print(f"… and {left_out:,} more; --json tells all.")


def _table(differences: tuple[Difference, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("What differs", "Entry", "Receipt", "Archive"):
        table.add_column(heading, overflow="fold")
    for difference in differences:
        table.add_row(
            _WORDS[difference.kind],
            line(difference.name or ""),
            _value(difference.kind, difference.expected),
            _value(difference.kind, difference.found),
        )
    return table


def _value(kind: Kind, value: int | str | None) -> Text:
    if value is None:
        return line("-")
    text = f"{value:,}" if isinstance(value, int) else value
    return line(f"no. {text}" if kind in _POSITIONS else text)
