"""``bulk-upload``: many files into the source bucket."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.progress import TextColumn
from rich.table import Table

from zipjobs_cli.client.stack import Stack, StackSelector, find_stack
from zipjobs_cli.commands.generate import SAMPLES, OutOption, SeedOption, make_samples
from zipjobs_cli.commands.options import JsonOption, on_a_stack
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.progress import bar, byte_columns
from zipjobs_cli.output.screen import counted, err, line, out
from zipjobs_cli.uploads.local_files import LocalFile, find_files

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from zipjobs_cli.uploads.s3_upload import Batch

INCOMPLETE = 1

MOST_SHOWN = 50
"""Failures in the table; ``--json`` has all."""

PARALLEL = 10
MOST_PARALLEL = 256
BATCH_FILES = 50
PATHS = "FILE|FOLDER"


@on_a_stack
def bulk_upload_command(
    where: StackSelector,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar=PATHS,
            help="What to upload: files, and all that is in folders.",
            show_default=False,
        ),
    ] = None,
    prefix: Annotated[
        str, typer.Option(metavar="PREFIX", help="What the keys begin with.")
    ] = "uploads/",
    parallel: Annotated[
        int, typer.Option(metavar="N", min=1, max=MOST_PARALLEL, help="How many requests at once.")
    ] = PARALLEL,
    batch: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="After how many files to tell how it goes, and to try again what failed.",
        ),
    ] = BATCH_FILES,
    generate: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Make N sample PDFs, and upload them.", show_default=False
        ),
    ] = None,
    folder: OutOption = SAMPLES,
    seed: SeedOption = 1,
    bucket: Annotated[
        str | None,
        typer.Option(
            metavar="BUCKET", help="Another bucket than the source bucket.", show_default=False
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Upload also what is there already.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Upload files and folders into the source bucket.

    A file becomes PREFIX and its name, what is in a folder PREFIX and its path from there on. S3
    checks each object against the CRC-32 of its file. What is there already, with the same size
    and checksum, is skipped: the same command again goes on where the last one ended.

    Exit codes:

    - 0: everything is there
    - 1: some files are not; each one is named, with the reason
    - 2: wrong usage, nothing to upload, no stack, or no such bucket
    - 130: interrupted
    """
    if not paths and not generate:
        raise typer.BadParameter(
            "name files or folders, or --generate a number of PDFs.", param_hint=PATHS
        )
    prefix = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    stack = find_stack(where)
    bucket = bucket or stack.need("source_bucket")
    s3 = open_bucket(stack, bucket, parallel)
    samples = make_samples(generate, folder, seed) if generate else []
    files = find_files([*(paths or []), *samples], prefix)
    began = time.monotonic()
    whole = upload_files(s3, bucket, files, parallel, batch, force, is_silent=as_json)
    result = _Result(bucket, prefix, files, whole, time.monotonic() - began)
    if as_json:
        typer.echo(json.dumps(result.as_json()))
    else:
        _tell(result)
    raise typer.Exit(INCOMPLETE if whole.failed else 0)


def open_bucket(stack: Stack, bucket: str, parallel: int = PARALLEL) -> "S3Client":
    """A client for so many uploads at once. Raises CliError if there is no such bucket.

    And what boto3 raises if it cannot be asked.
    """
    from botocore.exceptions import ClientError

    s3: S3Client = stack.client("s3", connections=2 * parallel)  # each file is asked for, too
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
            raise CliError(f"There is no bucket {bucket}.") from error
    return s3


def upload_files(
    s3: "S3Client",
    bucket: str,
    files: Sequence[LocalFile],
    parallel: int = PARALLEL,
    batch_files: int = BATCH_FILES,
    is_forced: bool = False,
    is_silent: bool = False,
) -> "Batch":
    """Upload ``files``, and show on standard error how it goes, also where it is interrupted.

    ``is_silent``: only a terminal is shown something. Returns what became of all of them.
    """
    from zipjobs_cli.uploads.s3_upload import Batch, Bulk

    whole = Batch()
    try:
        with _progress(files, is_silent) as (on_bytes, on_batch):
            for done in Bulk(s3, bucket, parallel, batch_files, is_forced, on_bytes).run(files):
                whole.add(done)
                on_batch(done)
    except KeyboardInterrupt:
        count = len(whole.uploaded) + len(whole.skipped)
        text = f"At least {count:,} of {len(files):,} files are there. The same again goes on."
        err().print(line(text), soft_wrap=True)
        raise
    return whole


@dataclass(frozen=True)
class _Result:
    bucket: str
    prefix: str
    files: Sequence[LocalFile]
    whole: "Batch"
    seconds: float

    @property
    def where(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def as_json(self) -> dict[str, object]:
        return {
            "bucket": self.bucket,
            "prefix": self.prefix,
            "files": len(self.files),
            "bytes": _bytes(self.files),
            "uploaded": {
                "files": len(self.whole.uploaded),
                "bytes": _bytes(self.whole.uploaded),
            },
            "skipped": {"files": len(self.whole.skipped), "bytes": _bytes(self.whole.skipped)},
            "failed": [
                {
                    "file": str(failure.file.path),
                    "key": failure.file.key,
                    "problem": failure.problem,
                }
                for failure in self.whole.failed
            ],
            "seconds": round(self.seconds, 3),
        }


def _bytes(files: Sequence[LocalFile]) -> int:
    return sum(file.size for file in files)


@contextmanager
def _progress(
    files: Sequence[LocalFile], is_silent: bool
) -> Iterator[tuple[Callable[[int], None], Callable[["Batch"], None]]]:
    """What is told on standard error: a bar where that is a terminal, else a line a batch.

    Yields who is to be told bytes, and who is to be told batches.
    """
    done = failed = 0
    count = TextColumn("{task.fields[done]:,} of {task.fields[files]:,} files")
    with bar(count, *byte_columns()) as progress:
        task = progress.add_task("", total=_bytes(files), done=0, files=len(files))

        def on_batch(batch: "Batch") -> None:
            nonlocal done, failed
            done += len(batch.uploaded) + len(batch.skipped)
            failed += len(batch.failed)
            progress.update(task, done=done)
            if progress.disable and not is_silent and len(files) > done + failed:
                problems = f", {failed:,} failed" if failed else ""
                told = f"{done:,} of {len(files):,} files{problems}"
                progress.console.print(told, soft_wrap=True)

        yield lambda count: progress.advance(task, count), on_batch


def _tell(result: _Result) -> None:
    whole, console = result.whole, out()
    count = counted(len(result.files), "file", "files")
    uploaded = _bytes(whole.uploaded)
    rate = f", {uploaded / 1e6 / result.seconds:.1f} MB/s" if uploaded else ""
    text = (
        f"{count} for {result.where}: {len(whole.uploaded):,} uploaded ({uploaded:,} bytes), "
        f"{len(whole.skipped):,} there already, {len(whole.failed):,} failed; "
        f"{result.seconds:.1f} seconds{rate}."
    )
    console.print(line(text, "bold red" if whole.failed else "green"), soft_wrap=True)
    if not whole.failed:
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("File", "Problem"):
        table.add_column(heading, overflow="fold")
    for failure in whole.failed[:MOST_SHOWN]:
        table.add_row(line(str(failure.file.path)), line(failure.problem))
    console.print(table)
    if len(whole.failed) > MOST_SHOWN:
        console.print(f"… and {len(whole.failed) - MOST_SHOWN:,} more; --json tells all.")
    console.print("The same command again uploads what is not there.")
