"""``download`` and ``verify``."""

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

from zipjobs_cli.archives.job_download import ChecksumMismatch, DownloadedArchive, JobDownload
from zipjobs_cli.archives.receipt import receipt_path
from zipjobs_cli.archives.verify import Difference, Kind, Verdict, verify
from zipjobs_cli.client.api import Api
from zipjobs_cli.client.stack import StackSelector, find_stack
from zipjobs_cli.commands.jobs import JobArgument
from zipjobs_cli.commands.options import JsonOption, with_stack_options
from zipjobs_cli.output.progress import bar, byte_columns, bytes_bar
from zipjobs_cli.output.screen import (
    counted,
    plain,
    print_error,
    print_json,
    print_note,
    print_result,
    print_table,
)

DIFFERENT = 1

MAX_ROWS = 50
"""Maximum number of differences in the table. ``--json`` prints all of them."""

_DESCRIPTIONS = {
    Kind.ARCHIVE_SIZE: "size of the archive",
    Kind.ARCHIVE_CRC32: "CRC-32 of the archive",
    Kind.ARCHIVE_ENTRIES: "number of entries",
    Kind.RECEIPT_ENTRIES: "number of entries in the receipt's list",
    Kind.MISSING: "missing",
    Kind.EXTRA: "not in the receipt",
    Kind.DOUBLED: "more than once",
    Kind.MOVED: "in another position",
    Kind.UNREADABLE: "cannot be read",
    Kind.SIZE: "size",
    Kind.CRC32: "CRC-32",
    Kind.DIRECTORY_SIZE: "size in the central directory",
    Kind.DIRECTORY_CRC32: "CRC-32 in the central directory",
}
_POSITIONS = frozenset({Kind.MISSING, Kind.EXTRA, Kind.MOVED})


@with_stack_options
def download_command(
    selector: StackSelector,
    job_id: JobArgument,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="File, or folder if it exists or ends with /. Default: the current folder.",
            show_default=False,
        ),
    ] = None,
    receipt: Annotated[
        bool,
        typer.Option("--receipt/--no-receipt", help="Also download the receipt of each archive."),
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Download all archives of a job.

    Partial downloads (.part files) are resumed, unless the archive has changed. The size and CRC-32
    of each archive must match the job and the receipt. `verify` checks every entry.

    Exit codes:

    - 0: all archives are complete and have the right checksums
    - 1: an archive or its receipt has a wrong checksum
    - 2: wrong usage, no such job, the job is not READY, its archive no longer exists, a file
      already exists, the disk is full, no stack, or no response
    - 130: interrupted; run the same command again to resume
    """
    api = Api(find_stack(selector))
    download = JobDownload(api, api.get(job_id), force)
    paths = download.paths(output)
    try:
        with bytes_bar("Downloading", download.size) as download.on_bytes:
            archives = download.fetch(paths, receipt)
    except ChecksumMismatch as error:
        print_error(str(error))
        raise typer.Exit(DIFFERENT) from error
    except KeyboardInterrupt:
        print_note("Run the same command again to resume.")
        raise
    if as_json:
        rows = [_download_json(one) for one in archives]
        print_json({"jobId": download.job["jobId"], "archives": rows})
        return
    for one in archives:
        size, crc32 = one.archive["size"], one.archive["crc32"]
        reference = "receipt" if one.receipt else "job"
        text = f"{one.path}: {size:,} bytes, CRC-32 {crc32}, matches the {reference}."
        print_result(text, "green")


def _download_json(one: DownloadedArchive) -> dict[str, object]:
    return {
        "path": str(one.path),
        "receipt": str(one.receipt) if one.receipt else None,
        "size": one.archive["size"],
        "crc32": one.archive["crc32"],
        "entries": one.archive["entries"],
        "resumedBytes": one.resumed_bytes,
    }


def verify_command(
    archive: Annotated[
        Path, typer.Argument(metavar="ARCHIVE", help="ZIP file.", show_default=False)
    ],
    receipt: Annotated[
        Path | None,
        typer.Argument(
            metavar="RECEIPT",
            help="Its receipt. Default: ARCHIVE with .receipt.json instead of .zip.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify an archive against its receipt. Both are local files.

    Every byte of the archive is read. Its size and CRC-32, and the name, position, size and CRC-32
    of every entry must match the receipt.

    Exit codes:

    - 0: the archive matches its receipt
    - 1: the archive does not match; all differences are printed
    - 2: wrong usage, or a file is missing, incomplete, or not a ZIP file or a receipt
    - 130: interrupted
    """
    receipt = receipt or receipt_path(archive)
    with _read_progress(archive) as on_progress:
        verdict = verify(archive, receipt, on_progress)
    if as_json:
        print_json(
            {"matches": verdict.matches, "archive": str(archive), "receipt": str(receipt)}
            | asdict(verdict)
            | {"skipped": sum(verdict.skipped.values()), "skippedReasons": verdict.skipped}
        )
    elif verdict.matches:
        skipped = ""
        if verdict.skipped:
            objects = counted(sum(verdict.skipped.values()), "object", "objects")
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in verdict.skipped.items())
            skipped = f"; {objects} skipped: {reasons}"
        entries = counted(verdict.entries, "entry", "entries")
        size = f"{verdict.size:,} bytes, CRC-32 {verdict.crc32}"
        print_result(f"{archive} matches its receipt: {entries}, {size}{skipped}.", "green")
    else:
        _print_differences(archive, receipt, verdict)
    raise typer.Exit(0 if verdict.matches else DIFFERENT)


@contextmanager
def _read_progress(archive: Path) -> Iterator[Callable[[int], None]]:
    """Show a bar. Yields the function to call with the number of bytes read so far."""
    size = archive.stat().st_size if archive.is_file() else None
    with bar(TextColumn("Reading"), *byte_columns()) as progress:
        task = progress.add_task("", total=size)
        yield lambda done: progress.update(task, completed=done)


def _print_differences(archive: Path, receipt: Path, verdict: Verdict) -> None:
    count = counted(len(verdict.differences), "difference", "differences")
    print_result(f"{archive} does not match {receipt}: {count}.", "bold red")
    print_table(_difference_table(verdict.differences[:MAX_ROWS]))
    if more := len(verdict.differences[MAX_ROWS:]):
        print_result(f"… and {more:,} more. Use --json to print all.")


def _difference_table(differences: tuple[Difference, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("Difference", "Entry", "Receipt", "Archive"):
        table.add_column(heading, overflow="fold")
    for difference in differences:
        table.add_row(
            _DESCRIPTIONS[difference.kind],
            plain(difference.name or ""),
            _value(difference.kind, difference.expected),
            _value(difference.kind, difference.found),
        )
    return table


def _value(kind: Kind, value: int | str | None) -> Text:
    if value is None:
        return plain("-")
    text = f"{value:,}" if isinstance(value, int) else value
    return plain(f"no. {text}" if kind in _POSITIONS else text)
