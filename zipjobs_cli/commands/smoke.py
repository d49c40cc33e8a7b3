"""``smoke``: does a stack that was just deployed do what it was tried to do elsewhere?"""

import json
import random
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from uuid import uuid4

import typer
from rich import box
from rich.table import Table

from zipjobs_cli.archives.job_download import Download
from zipjobs_cli.checks.flow import FlowJob, Trigger, follow_all, submit
from zipjobs_cli.checks.flow_checks import problems_of
from zipjobs_cli.client.api import Api
from zipjobs_cli.client.stack import Stack, StackSelector, find_stack
from zipjobs_cli.commands.bulk import open_bucket, upload_files
from zipjobs_cli.commands.options import JsonOption, on_a_stack
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.screen import line, out
from zipjobs_cli.uploads.local_files import find_files

PREFIX = "smoke/"
SIZES = {"empty.bin": 0, "small.bin": 1_000, "medium.bin": 6_000_000, "large.bin": 48 * 2**20}
"""The large one is for S3 to copy, all but its head: docs/adr/0003-copy-threshold.md."""

WRONG = 1

COPIED = "S3 copied large bodies by itself, and said their CRC-32."
READ = (
    "S3 copied nothing: the large object was read. Archives are as good, and jobs of large objects "
    "slower. docs/first-deployment.md says where to look."
)


@on_a_stack
def smoke_command(
    where: StackSelector,
    timeout: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="How long a job may take.")
    ] = 600,
    as_json: JsonOption = False,
) -> None:
    """Try a stack once, with four objects of its own, and say how S3 dealt with the large one.

    57 MB are uploaded below smoke/ in the source bucket, zipped by the API and by a manifest,
    downloaded, checked against their receipts and with Python's zipfile, and the objects removed.

    Exit codes:

    - 0: both archives are what they ought to be, whether S3 copied or not
    - 1: a job did not become READY, or an archive is not what it ought to be
    - 2: wrong usage, no stack, or no answer
    - 130: interrupted; jobs that were submitted go on
    """
    stack = find_stack(where)
    api, bucket = Api(stack), stack.need("source_bucket")
    prefix = f"{PREFIX}{uuid4()}/"
    with TemporaryDirectory(prefix="smoke-") as folder:
        try:
            _upload(stack, bucket, Path(folder), prefix)
            jobs = [submit(api, trigger, prefix) for trigger in Trigger]
            follow_all(api, jobs, timeout, lambda job: None)
        finally:
            _remove(stack, bucket, prefix)
        for job in jobs:
            if not job.problem:
                _check(api, job, Path(folder))
    if as_json:
        typer.echo(json.dumps(_as_json(jobs)))
    else:
        _tell(jobs)
    raise typer.Exit(WRONG if any(job.problem for job in jobs) else 0)


def _upload(stack: Stack, bucket: str, folder: Path, prefix: str) -> None:
    """Raises CliError unless all are there in the end."""
    paths = []
    for name, size in SIZES.items():
        paths.append(folder / name)
        paths[-1].write_bytes(random.Random(name).randbytes(size))  # noqa: S311  (sample data)
    files = find_files(paths, prefix)
    if failed := upload_files(open_bucket(stack, bucket), bucket, files, is_silent=True).failed:
        raise CliError(f"{failed[0].file.path.name} could not be uploaded: {failed[0].problem}.")


def _remove(stack: Stack, bucket: str, prefix: str) -> None:
    s3 = stack.client("s3")
    for name in SIZES:
        s3.delete_object(Bucket=bucket, Key=prefix + name)


def _check(api: Api, job: FlowJob, folder: Path) -> None:
    """Note what is wrong with the archive of a READY job."""
    assert job.view is not None
    path = folder / f"{job.trigger}.zip"
    try:
        Download(api, job.view).fetch([path], has_receipts=True)
        expected = Counter(SIZES.values())
        job.problem = "; ".join(problems_of([path], expected, lambda count: None)) or None
    except CliError as error:
        job.problem = str(error)


def _copied_bytes(job: FlowJob) -> int:
    return sum(archive["copiedBytes"] for archive in job.view["archives"]) if job.view else 0


def _as_json(jobs: list[FlowJob]) -> dict[str, object]:
    return {
        "isGood": not any(job.problem for job in jobs),
        "s3Copies": any(map(_copied_bytes, jobs)),
        "jobs": [
            {
                "jobId": job.job_id,
                "trigger": job.trigger,
                "status": job.status,
                "seconds": round(job.seconds, 3),
                "copiedBytes": _copied_bytes(job),
                "problem": job.problem,
            }
            for job in jobs
        ],
    }


def _tell(jobs: list[FlowJob]) -> None:
    console = out()
    table = Table("Job", "Trigger", "Status", "Seconds", "Copied by S3", box=box.SIMPLE_HEAD)
    for job in jobs:
        cells = (job.job_id, job.trigger, job.status or "-", f"{job.seconds:.1f}")
        table.add_row(*cells, f"{_copied_bytes(job):,}")
    console.print(table)
    for job in jobs:
        if job.problem:
            console.print(line(f"Job {job.job_id}: {job.problem}", "bold red"), soft_wrap=True)
    if all(job.problem is None for job in jobs):
        console.print(line("Both archives match their receipts.", "green"), soft_wrap=True)
        console.print(line(COPIED if any(map(_copied_bytes, jobs)) else READ), soft_wrap=True)
