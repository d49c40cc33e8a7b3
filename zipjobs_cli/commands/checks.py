"""``doctor``, ``test-flow`` and ``smoke``."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from uuid import uuid4

import typer
from rich.table import Table

from zipjobs_cli.checks.end_to_end import (
    JobRun,
    Trigger,
    download_and_check,
    object_sizes,
    submit,
    total_bytes,
    wait_for_runs,
)
from zipjobs_cli.checks.health import Finding, Health, examine
from zipjobs_cli.checks.report import print_results, results_json, run_progress
from zipjobs_cli.client.api import Api
from zipjobs_cli.client.stack import StackSelector, find_stack
from zipjobs_cli.commands.options import JsonLinesOption, JsonOption, with_stack_options
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.screen import (
    counted,
    plain,
    print_json,
    print_note,
    print_table,
    program,
)
from zipjobs_cli.uploads.local_files import find_files
from zipjobs_cli.uploads.reporting import make_samples, upload_all

FAILED = 1

PREFIX = "uploads/"
OUT = Path("out/test-flow")
FLOW_COLUMNS = ("Job", "Trigger", "Status", "Entries", "Bytes", "Seconds", "MB/s", "Archive")
FLOW_FIELDS = (
    *("jobId", "trigger", "status", "entries", "bytes", "seconds", "bytesPerSecond"),
    *("files", "problem"),
)

SMOKE_PREFIX = "smoke/"
SMOKE_SIZES = {
    "empty.bin": 0,
    "small.bin": 1_000,
    "medium.bin": 6_000_000,
    "large.bin": 48 * 2**20,  # S3 copies most of it: docs/adr/0003-copy-threshold.md
}
SMOKE_COLUMNS = ("Job", "Trigger", "Status", "Seconds", "Copied by S3")
SMOKE_FIELDS = ("jobId", "trigger", "status", "seconds", "copiedBytes", "problem")
COPIED = "S3 copied the body of the large object and returned its CRC-32."
NOT_COPIED = (
    "S3 copied nothing, so the function read the large object. Archives are the same, but jobs "
    "with large objects are slower. See docs/first-deployment.md."
)

_HEALTH_STYLES = {Health.OK: "green", Health.WARN: "yellow", Health.FAIL: "bold red"}

TimeoutOption = Annotated[
    int, typer.Option(metavar="SECONDS", min=1, help="Maximum duration of a job.")
]


@with_stack_options
def doctor_command(selector: StackSelector, as_json: JsonLinesOption = False) -> None:
    """Find the stack, and check everything that is required to use it.

    It changes nothing. Parts that you cannot access, or may not need, are warnings.

    Exit codes:

    - 0: there are no failures; there may be warnings
    - 1: a check failed; it is marked `fail`, with advice
    - 2: wrong usage
    - 130: interrupted
    """
    findings: list[Finding] = []
    for finding in examine(selector):
        findings.append(finding)
        if as_json:
            print_json(asdict(finding))
    if not as_json:
        print_table(_health_table(findings))
    if any(finding.health is Health.FAIL for finding in findings):
        raise typer.Exit(FAILED)


def _health_table(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        text = plain(finding.found)
        if finding.advice:
            text.append("\n→ ", "dim").append_text(plain(finding.advice))
        table.add_row(plain(finding.health, _HEALTH_STYLES[finding.health]), finding.what, text)
    return table


class Triggers(StrEnum):
    """Values of ``--trigger``."""

    API = "api"
    MANIFEST = "manifest"
    BOTH = "both"

    @property
    def selected(self) -> tuple[Trigger, ...]:
        return tuple(Trigger) if self is Triggers.BOTH else (Trigger(self.value),)


@with_stack_options
def flow_command(
    selector: StackSelector,
    prefix: Annotated[
        str | None,
        typer.Option(
            metavar="PREFIX",
            help=f"Zip all objects with this prefix in the source bucket. Default: {PREFIX}",
            show_default=False,
        ),
    ] = None,
    whole_bucket: Annotated[
        bool, typer.Option("--whole-bucket", help="Zip all objects in the source bucket.")
    ] = False,
    count: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="First upload N sample PDFs, to PREFIX or else to test-flow/N/.",
            show_default=False,
        ),
    ] = None,
    trigger: Annotated[
        Triggers, typer.Option(help="Submit a job by API, by manifest, or one each.")
    ] = Triggers.BOTH,
    folder: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the archives.")
    ] = OUT,
    timeout: TimeoutOption = 3600,
    as_json: JsonOption = False,
) -> None:
    """Test a stack from end to end: submit, wait, download, check.

    Each archive must match its receipt byte by byte, Python's zipfile must be able to read it, and
    it must have an entry of the same size for each object with the prefix.

    Exit codes:

    - 0: all jobs and archives are correct
    - 1: a job is FAILED, CANCELLED or too slow, or an archive is wrong
    - 2: wrong usage, no objects, no stack, or no response
    - 130: interrupted; submitted jobs continue
    """
    if whole_bucket and (prefix or count):
        raise typer.BadParameter(
            "it cannot be combined with --prefix or --count.", param_hint="--whole-bucket"
        )
    if prefix is None:
        prefix = "" if whole_bucket else f"test-flow/{count}/" if count else PREFIX
    if count and not prefix.endswith("/"):
        prefix += "/"
    stack = find_stack(selector)
    api, bucket = Api(stack), stack.require("source_bucket")
    if count:
        samples = make_samples(count, folder / "samples")
        upload_all(stack, bucket, find_files(samples, prefix), is_silent=as_json)
    expected = object_sizes(stack.client("s3"), bucket, prefix)
    if not expected:
        raise CliError(
            f"No objects in s3://{bucket}/{prefix}. Use --count 10 to upload ten sample PDFs."
        )
    objects, size = counted(expected.total(), "object", "objects"), total_bytes(expected)
    if not as_json:
        print_note(f"Zipping {objects} ({size:,} bytes) in s3://{bucket}/{prefix}")
    runs = _run_jobs(api, trigger.selected, prefix, expected.total(), timeout)
    for run in runs:
        # By job ID: jobs of the same manifest name their archives alike.
        download_and_check(api, run, folder / f"{run.job_id}.zip", expected)
    summary = {"bucket": bucket, "prefix": prefix, "objects": expected.total(), "bytes": size}
    if as_json:
        print_json(results_json(runs, summary, FLOW_FIELDS))
    else:
        success = "All objects are in the archives, which match their receipts."
        print_results(runs, FLOW_COLUMNS, success)
    raise typer.Exit(FAILED if any(run.problem for run in runs) else 0)


@with_stack_options
def smoke_command(
    selector: StackSelector,
    timeout: TimeoutOption = 600,
    as_json: JsonOption = False,
) -> None:
    """Test a new stack with four objects, and show whether S3 copied the large one.

    Uploads 57 MB to smoke/ in the source bucket, zips them by API and by manifest, downloads both
    archives, checks them like `test-flow`, and deletes the uploaded objects.

    Exit codes:

    - 0: both archives are correct, whether S3 copied or not
    - 1: a job is not READY, or an archive is wrong
    - 2: wrong usage, no stack, or no response
    - 130: interrupted; submitted jobs continue
    """
    stack = find_stack(selector)
    api, bucket = Api(stack), stack.require("source_bucket")
    prefix, expected = f"{SMOKE_PREFIX}{uuid4()}/", Counter(SMOKE_SIZES.values())
    with TemporaryDirectory(prefix="smoke-") as name:
        folder = Path(name)
        try:
            files = find_files(_write_smoke_files(folder), prefix)
            upload_all(stack, bucket, files, is_silent=True)
            runs = _run_jobs(api, tuple(Trigger), prefix, expected.total(), timeout)
        finally:
            s3 = stack.client("s3")
            for file_name in SMOKE_SIZES:
                s3.delete_object(Bucket=bucket, Key=prefix + file_name)
        for run in runs:
            download_and_check(api, run, folder / f"{run.trigger}.zip", expected)
    has_copied = any(run.copied_bytes for run in runs)
    if as_json:
        print_json(results_json(runs, {"s3Copies": has_copied}, SMOKE_FIELDS))
    else:
        copied = COPIED if has_copied else NOT_COPIED
        print_results(runs, SMOKE_COLUMNS, "Both archives match their receipts.", copied)
    raise typer.Exit(FAILED if any(run.problem for run in runs) else 0)


def _write_smoke_files(folder: Path) -> list[Path]:
    for name, size in SMOKE_SIZES.items():
        content = random.Random(name).randbytes(size)  # noqa: S311  (sample data)
        (folder / name).write_bytes(content)
    return [folder / name for name in SMOKE_SIZES]


def _run_jobs(
    api: Api, triggers: Sequence[Trigger], prefix: str, entries: int, timeout_seconds: float
) -> list[JobRun]:
    """Submit a job per trigger, and wait for all. After Ctrl-C, print how to cancel them."""
    runs: list[JobRun] = []
    try:
        runs.extend(submit(api, trigger, {"prefix": prefix}) for trigger in triggers)
        with run_progress(entries) as on_update:
            wait_for_runs(api, runs, timeout_seconds, on_update)
    except KeyboardInterrupt:
        for run in runs:
            print_note(
                f"Job {run.job_id} is still running. Run `{program()} cancel {run.job_id}` to "
                "cancel it."
            )
        raise
    return runs
