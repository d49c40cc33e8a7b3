"""``download``: what a job made."""

import json
from typing import Annotated

import typer

from zipjobs_cli.archives.job_download import ChecksumMismatch, Download, Fetched
from zipjobs_cli.client.api import Api
from zipjobs_cli.client.stack import StackSelector, find_stack
from zipjobs_cli.commands.options import JsonOption, on_a_stack
from zipjobs_cli.commands.status import JobArgument
from zipjobs_cli.output.progress import bytes_bar
from zipjobs_cli.output.screen import err, line, out

IS_WRONG = 1


@on_a_stack
def download_command(
    where: StackSelector,
    job_id: JobArgument,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="The file, or the folder if it is one or ends with /. Left out: the folder here.",
            show_default=False,
        ),
    ] = None,
    receipt: Annotated[
        bool,
        typer.Option(
            "--receipt/--no-receipt", help="Fetch the receipt too, beside each archive, or not."
        ),
    ] = True,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file of the same name.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Download all archives of a job.

    What was downloaded in part, into a .part file, is gone on with, unless the archive has changed.
    Size and CRC-32 of each archive must be what the job and the receipt say; `verify` checks every
    entry.

    Exit codes:

    - 0: all archives are here, and are what the job made
    - 1: an archive, or its receipt, is not what the job made
    - 2: wrong usage, or it cannot be done: there is no such job, it is not READY, its archive is
      gone, a file is in the way, the disk is full, or there is no stack, or no answer
    - 130: interrupted; the same command goes on where it ended
    """
    api = Api(find_stack(where))
    download = Download(api, api.get(job_id), force)
    paths = download.places(output)
    try:
        with bytes_bar("Downloading", download.size) as download.on_bytes:
            fetched = download.fetch(paths, receipt)
    except ChecksumMismatch as error:
        err().print(line(str(error), "bold red"), soft_wrap=True)
        raise typer.Exit(IS_WRONG) from error
    except KeyboardInterrupt:
        err().print("The same command goes on where this one ended.")
        raise
    if as_json:
        told = {"jobId": download.job["jobId"], "archives": [_as_json(one) for one in fetched]}
        typer.echo(json.dumps(told))
        return
    for one in fetched:
        archive, witness = one.archive, "its receipt" if one.receipt else "the job"
        what = f"{archive['size']:,} bytes, CRC-32 {archive['crc32']}, as {witness} says"
        text = f"{one.path}: {what}."
        out().print(line(text, "green"), soft_wrap=True)


def _as_json(one: Fetched) -> dict[str, object]:
    return {
        "path": str(one.path),
        "receipt": str(one.receipt) if one.receipt else None,
        "size": one.archive["size"],
        "crc32": one.archive["crc32"],
        "entries": one.archive["entries"],
        "resumedBytes": one.resumed_bytes,
    }
