"""``generate-pdfs`` and ``bulk-upload``."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from zipjobs_cli.client.stack import StackSelector, find_stack
from zipjobs_cli.commands.options import JsonOption, with_stack_options
from zipjobs_cli.output.screen import (
    counted,
    plain,
    print_json,
    print_result,
    print_table,
)
from zipjobs_cli.uploads.local_files import LocalFile, find_files
from zipjobs_cli.uploads.reporting import (
    BATCH_FILES,
    CONCURRENCY,
    make_samples,
    open_bucket,
    upload_files,
)

if TYPE_CHECKING:
    from zipjobs_cli.uploads.s3_upload import Failure, UploadResult

INCOMPLETE = 1

MAX_ROWS = 50
"""Maximum number of failures in the table. ``--json`` prints all of them."""

MAX_CONCURRENCY = 256
PATHS = "FILE|FOLDER"
SAMPLES = Path("out/samples")

OutOption = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder for the sample PDFs.")
]
SeedOption = Annotated[
    int, typer.Option(metavar="N", min=0, help="Seed. Another seed generates other PDFs.")
]


def generate_command(
    count: Annotated[
        int, typer.Argument(metavar="COUNT", min=1, help="Number of PDFs.", show_default=False)
    ],
    folder: OutOption = SAMPLES,
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Generate sample PDFs of mixed sizes.

    They are documents with scanned pages, of about 1 MB each: most are smaller, and every hundredth
    has 30 MB. The same count and seed generate the same files. Existing files are overwritten.

    Exit codes:

    - 0: all PDFs were written
    - 2: wrong usage, or a file cannot be written
    - 130: interrupted
    """
    paths = make_samples(count, folder, seed)
    size = sum(path.stat().st_size for path in paths)
    if as_json:
        print_json({"folder": str(folder), "files": len(paths), "bytes": size, "seed": seed})
    else:
        text = f"{counted(len(paths), 'PDF', 'PDFs')} in {folder}, {size:,} bytes."
        print_result(text, "green")


@with_stack_options
def bulk_upload_command(
    selector: StackSelector,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar=PATHS,
            help="Files and folders to upload.",
            show_default=False,
        ),
    ] = None,
    prefix: Annotated[str, typer.Option(metavar="PREFIX", help="Prefix of the keys.")] = "uploads/",
    parallel: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=MAX_CONCURRENCY, help="Number of parallel requests."),
    ] = CONCURRENCY,
    batch: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Files per batch. After each batch, failures are retried and progress is printed.",
        ),
    ] = BATCH_FILES,
    generate: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Generate N sample PDFs and upload them.", show_default=False
        ),
    ] = None,
    folder: OutOption = SAMPLES,
    seed: SeedOption = 1,
    bucket: Annotated[
        str | None,
        typer.Option(
            metavar="BUCKET", help="Bucket. Default: the source bucket.", show_default=False
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Upload files that the bucket already has.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Upload files and folders to the source bucket.

    The key of a file is PREFIX and its name; of a file in a folder, PREFIX and its path in that
    folder. S3 checks each object against the CRC-32 of its file. Files that the bucket already has,
    with the same size and checksum, are skipped, so you can run the same command again to resume.

    Exit codes:

    - 0: all files are in the bucket
    - 1: some files failed; each one is printed with the reason
    - 2: wrong usage, no files, no stack, or no such bucket
    - 130: interrupted
    """
    if not paths and not generate:
        raise typer.BadParameter("name files or folders, or use --generate.", param_hint=PATHS)
    prefix = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    stack = find_stack(selector)
    bucket = bucket or stack.require("source_bucket")
    s3 = open_bucket(stack, bucket, parallel)
    samples = make_samples(generate, folder, seed) if generate else []
    files = find_files([*(paths or []), *samples], prefix)
    started = time.monotonic()
    result = upload_files(s3, bucket, files, parallel, batch, force, is_silent=as_json)
    seconds = time.monotonic() - started
    if as_json:
        print_json(
            {
                "bucket": bucket,
                "prefix": prefix,
                **_totals(files),
                "uploaded": _totals(result.uploaded),
                "skipped": _totals(result.skipped),
                "failed": [_failure_json(failure) for failure in result.failed],
                "seconds": round(seconds, 3),
            }
        )
    else:
        _print_result(f"s3://{bucket}/{prefix}", len(files), result, seconds)
    raise typer.Exit(INCOMPLETE if result.failed else 0)


def _totals(files: Sequence[LocalFile]) -> dict[str, int]:
    return {"files": len(files), "bytes": sum(file.size for file in files)}


def _failure_json(failure: "Failure") -> dict[str, str]:
    return {
        "file": str(failure.file.path),
        "key": failure.file.key,
        "problem": failure.problem,
    }


def _print_result(target: str, files: int, result: "UploadResult", seconds: float) -> None:
    uploaded = _totals(result.uploaded)["bytes"]
    rate = f", {uploaded / 1e6 / seconds:.1f} MB/s" if uploaded else ""
    text = (
        f"{counted(files, 'file', 'files')} to {target}: {len(result.uploaded):,} uploaded "
        f"({uploaded:,} bytes), {len(result.skipped):,} skipped, {len(result.failed):,} failed; "
        f"{seconds:.1f} seconds{rate}."
    )
    print_result(text, "bold red" if result.failed else "green")
    if not result.failed:
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("File", "Problem"):
        table.add_column(heading, overflow="fold")
    for failure in result.failed[:MAX_ROWS]:
        table.add_row(plain(str(failure.file.path)), plain(failure.problem))
    print_table(table)
    if more := len(result.failed[MAX_ROWS:]):
        print_result(f"… and {more:,} more. Use --json to print all.")
    print_result("Run the same command again to upload the failed files.")
