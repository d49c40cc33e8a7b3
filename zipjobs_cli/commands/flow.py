"""``test-flow``: does it all work, from the objects to the archive on this disk?"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from zipjobs_cli.archives.job_download import Download
from zipjobs_cli.checks.flow import FlowJob, Trigger, follow_all, submit
from zipjobs_cli.checks.flow_checks import bytes_of, problems_of, sizes_below
from zipjobs_cli.client.api import Api
from zipjobs_cli.client.job import Job
from zipjobs_cli.client.stack import Stack, StackSelector, find_stack
from zipjobs_cli.commands.bulk import open_bucket, upload_files
from zipjobs_cli.commands.generate import make_samples
from zipjobs_cli.commands.options import JsonOption, on_a_stack
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.progress import bar, bytes_bar
from zipjobs_cli.output.render import STYLES
from zipjobs_cli.output.screen import counted, err, line, out, program
from zipjobs_cli.uploads.local_files import LocalFile, find_files

PREFIX = "uploads/"
OUT = Path("out/test-flow")
SEED = 1
WHOLE = "--whole-bucket"
WRONG = 1


class Triggers(StrEnum):
    """By which ways to go."""

    API = "api"
    MANIFEST = "manifest"
    BOTH = "both"

    @property
    def ways(self) -> tuple[Trigger, ...]:
        return tuple(Trigger) if self is Triggers.BOTH else (Trigger(self.value),)


@on_a_stack
def flow_command(
    where: StackSelector,
    prefix: Annotated[
        str | None,
        typer.Option(
            metavar="PREFIX",
            help=f"Zip all that is below it in the source bucket; {PREFIX} if nothing is said.",
            show_default=False,
        ),
    ] = None,
    whole_bucket: Annotated[
        bool, typer.Option(WHOLE, help="Zip all that is in the source bucket.")
    ] = False,
    count: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="First make N sample PDFs, and upload them below PREFIX, or test-flow/N/.",
            show_default=False,
        ),
    ] = None,
    trigger: Annotated[
        Triggers, typer.Option(help="Submit a job over HTTP, drop a manifest, or do both.")
    ] = Triggers.BOTH,
    folder: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where to put the archives.")
    ] = OUT,
    timeout: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="How long a job may take.")
    ] = 3600,
    as_json: JsonOption = False,
) -> None:
    """Try the whole flow on a stack: submit, wait, download, check.

    Each archive must match its receipt byte by byte, be readable by Python's zipfile, and have an
    entry for each object that is below the prefix, of the same size.

    Exit codes:

    - 0: everything is as it ought to be
    - 1: a job FAILED, was CANCELLED or took too long, or an archive is not what it ought to be
    - 2: wrong usage, nothing to zip, no stack, or no answer
    - 130: interrupted; jobs that were submitted go on
    """
    if whole_bucket and (prefix or count):
        raise typer.BadParameter(
            "it goes without --prefix and --count.", param_hint="--whole-bucket"
        )
    if prefix is None:
        prefix = "" if whole_bucket else f"test-flow/{count}/" if count else PREFIX
    if count and not prefix.endswith("/"):
        prefix += "/"
    stack = find_stack(where)
    api, bucket = Api(stack), stack.need("source_bucket")
    if count:
        samples = make_samples(count, folder / "samples", SEED)
        _upload(stack, bucket, find_files(samples, prefix), is_silent=as_json)
    expected = _to_zip(stack, bucket, prefix)
    if not as_json:
        text = f"Zipping {_objects(expected)} below s3://{bucket}/{prefix}"
        err().print(line(text), soft_wrap=True)
    jobs: list[FlowJob] = []
    try:
        jobs.extend(submit(api, way, prefix) for way in trigger.ways)
        with _progress(expected.total()) as on_job:
            follow_all(api, jobs, timeout, on_job)
    except KeyboardInterrupt:
        for job in jobs:
            text = f"Job {job.job_id} goes on. `{program()} cancel {job.job_id}` ends it."
            err().print(text, soft_wrap=True)
        raise
    for job in jobs:
        if job.view and not job.problem:
            _fetch_and_check(api, job, job.view, folder, expected)
    if as_json:
        typer.echo(json.dumps(_as_json(bucket, prefix, expected, jobs)))
    else:
        _tell(jobs)
    raise typer.Exit(WRONG if any(job.problem for job in jobs) else 0)


def _upload(stack: Stack, bucket: str, files: Sequence[LocalFile], is_silent: bool) -> None:
    """Raises CliError unless all are there in the end."""
    failed = upload_files(open_bucket(stack, bucket), bucket, files, is_silent=is_silent).failed
    if failed:
        first = failed[0]
        raise CliError(
            f"{len(failed):,} samples are not uploaded. {first.file.path}: {first.problem}."
        )


def _to_zip(stack: Stack, bucket: str, prefix: str) -> Counter[int]:
    """How many objects of each size. Raises CliError if there are none."""
    expected = sizes_below(stack.client("s3"), bucket, prefix)
    if not expected:
        raise CliError(
            f"There is nothing below s3://{bucket}/{prefix}. --count 10 uploads ten sample PDFs."
        )
    return expected


def _fetch_and_check(
    api: Api, job: FlowJob, view: Job, folder: Path, expected: Counter[int]
) -> None:
    """Note where the archives of a READY job are, and what is wrong with them."""
    total = sum(archive["size"] for archive in view["archives"])
    names = [job.job_id, *(f"{job.job_id}-{n}" for n in range(2, len(view["archives"]) + 1))]
    paths = [folder / f"{name}.zip" for name in names]  # jobs of a manifest share its name
    try:
        with bytes_bar("Downloading", total) as on_bytes:
            Download(api, view, on_bytes=on_bytes).fetch(paths, has_receipts=True)
        job.files = paths
        with bytes_bar("Checking", total) as on_bytes:
            job.problem = "; ".join(problems_of(job.files, expected, on_bytes)) or None
    except CliError as error:
        job.problem = str(error)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[FlowJob], None]]:
    """A bar for each job on standard error, where that is a terminal."""
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
        *(TextColumn("entries"), TimeElapsedColumn()),
    )
    with bar(*columns) as progress:
        bars: dict[str, TaskID] = {}

        def on_job(job: FlowJob) -> None:
            if job.job_id not in bars:
                bars[job.job_id] = progress.add_task("", total=total)
            done = job.view["entries"]["done"] if job.view else 0
            text = f"{job.trigger}: {job.status or 'not there yet'}"
            progress.update(bars[job.job_id], completed=done, description=text)

        yield on_job


def _as_json(
    bucket: str, prefix: str, expected: Counter[int], jobs: Sequence[FlowJob]
) -> dict[str, object]:
    return {
        "isGood": not any(job.problem for job in jobs),
        "bucket": bucket,
        "prefix": prefix,
        "objects": expected.total(),
        "bytes": bytes_of(expected),
        "jobs": [
            {
                "jobId": job.job_id,
                "trigger": job.trigger,
                "status": job.status,
                "entries": job.view["entries"]["done"] if job.view else 0,
                "bytes": job.view["bytes"]["done"] if job.view else 0,
                "seconds": round(job.seconds, 3),
                "bytesPerSecond": round(job.bytes_per_second),
                "files": [str(path) for path in job.files],
                "problem": job.problem,
            }
            for job in jobs
        ],
    }


def _tell(jobs: Sequence[FlowJob]) -> None:
    console = out()
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("Job", "Trigger", "Status", "Entries", "Bytes", "Seconds", "MB/s", "Archive"):
        is_number = heading in ("Entries", "Bytes", "Seconds", "MB/s")
        table.add_column(
            heading,
            justify="right" if is_number else "left",
            no_wrap=heading != "Archive",
            overflow="fold",
        )
    for job in jobs:
        table.add_row(
            job.job_id,
            job.trigger,
            line(job.status or "-", STYLES.get(job.status or "", "")),
            f"{job.view['entries']['done']:,}" if job.view else "-",
            f"{job.view['bytes']['done']:,}" if job.view else "-",
            f"{job.seconds:.1f}",
            f"{job.bytes_per_second / 1e6:.1f}",
            line(", ".join(map(str, job.files)) or "-"),
        )
    console.print(table)
    for job in jobs:
        if job.problem:
            console.print(line(f"Job {job.job_id}: {job.problem}", "bold red"), soft_wrap=True)
    if not any(job.problem for job in jobs):
        text = "All that was to be zipped is in the archives, and they match their receipts."
        console.print(line(text, "green"), soft_wrap=True)


def _objects(sizes: Counter[int]) -> str:
    return f"{counted(sizes.total(), 'object', 'objects')}, {bytes_of(sizes):,} bytes,"
