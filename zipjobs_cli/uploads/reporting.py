"""Generate sample PDFs and upload files, with progress on stderr."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from zipjobs_cli.client.stack import Stack
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.progress import bar, byte_columns
from zipjobs_cli.output.screen import print_note
from zipjobs_cli.uploads.local_files import LocalFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from zipjobs_cli.uploads.s3_upload import UploadResult

CONCURRENCY = 10
BATCH_FILES = 50


def make_samples(count: int, folder: Path, seed: int = 1) -> list[Path]:
    """Write sample PDFs. Return their paths in order. Raises CliError if writing fails."""
    from zipjobs_cli.uploads.sample_pdfs import generate  # fpdf2 and Pillow are slow to import

    paths = []
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with bar(TextColumn("Generating PDFs"), *columns) as progress:
        task = progress.add_task("", total=count)
        try:
            for path in generate(count, folder, seed):
                paths.append(path)
                progress.advance(task)
        except OSError as error:
            raise CliError(f"{folder} cannot be written to: {error.strerror}.") from error
    return paths


def open_bucket(stack: Stack, bucket: str, concurrency: int = CONCURRENCY) -> "S3Client":
    """Return an S3 client for ``concurrency`` uploads.

    Raises CliError if the bucket does not exist, and the exceptions of boto3.
    """
    from botocore.exceptions import ClientError

    s3: S3Client = stack.client("s3", connections=2 * concurrency)  # HeadObject and the upload
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
            raise CliError(f"The bucket {bucket} does not exist.") from error
    return s3


def upload_all(stack: Stack, bucket: str, files: Sequence[LocalFile], is_silent: bool) -> None:
    """Upload files. Raises CliError if one of them fails."""
    s3 = open_bucket(stack, bucket)
    if failed := upload_files(s3, bucket, files, is_silent=is_silent).failed:
        first = failed[0]
        raise CliError(
            f"{len(failed):,} of {len(files):,} files could not be uploaded. "
            f"{first.file.path}: {first.problem}."
        )


def upload_files(
    s3: "S3Client",
    bucket: str,
    files: Sequence[LocalFile],
    concurrency: int = CONCURRENCY,
    batch_files: int = BATCH_FILES,
    is_forced: bool = False,
    is_silent: bool = False,
) -> "UploadResult":
    """Upload files and return the result.

    ``is_silent`` shows progress only in a terminal. After Ctrl-C, print how many files are done.
    """
    from zipjobs_cli.uploads.s3_upload import BulkUpload, UploadResult

    result = UploadResult()
    try:
        with _upload_progress(files, is_silent) as (on_bytes, on_batch):
            upload = BulkUpload(s3, bucket, concurrency, batch_files, is_forced, on_bytes)
            for batch in upload.run(files):
                result.add(batch)
                on_batch(batch)
    except KeyboardInterrupt:
        done = len(result.uploaded) + len(result.skipped)
        print_note(
            f"At least {done:,} of {len(files):,} files are uploaded. Run the same command again "
            "to upload the rest."
        )
        raise
    return result


@contextmanager
def _upload_progress(
    files: Sequence[LocalFile], is_silent: bool
) -> Iterator[tuple[Callable[[int], None], Callable[["UploadResult"], None]]]:
    """Show a bar in a terminal, otherwise a line per batch.

    Yields the functions to call with the number of new bytes, and with the result of a batch.
    """
    done = failed = 0
    column = TextColumn("{task.fields[done]:,} of {task.fields[files]:,} files")
    with bar(column, *byte_columns()) as progress:
        size = sum(file.size for file in files)
        task = progress.add_task("", total=size, done=0, files=len(files))

        def on_batch(batch: "UploadResult") -> None:
            nonlocal done, failed
            done += len(batch.uploaded) + len(batch.skipped)
            failed += len(batch.failed)
            progress.update(task, done=done)
            if progress.disable and not is_silent and len(files) > done + failed:
                problems = f", {failed:,} failed" if failed else ""
                print_note(f"{done:,} of {len(files):,} files{problems}")

        yield lambda count: progress.advance(task, count), on_batch
