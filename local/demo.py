"""The demo: zip 200 PDFs twice, by manifest and by API, and check the archives."""

import json
import os
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from local.stack import LocalStack, running_stack
from zipjobs_cli.checks.end_to_end import (
    JobRun,
    Trigger,
    download_and_check,
    submit,
    wait_for_runs,
)
from zipjobs_cli.checks.report import results_table, run_progress
from zipjobs_cli.client.api import Api
from zipjobs_cli.client.stack import stack_from_outputs
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.screen import print_error, print_note
from zipjobs_cli.uploads.local_files import find_files
from zipjobs_cli.uploads.reporting import make_samples, upload_all

DOCUMENTS = 200
PREFIX = "uploads/"
OUT = Path("out")
TIMEOUT_SECONDS = 120.0
LOG_LINES = 50
TABLE_WIDTH = 150
COLUMNS = (
    *("Job", "Trigger", "Entries", "Bytes", "Copied", "Through", "Seconds", "Status"),
    "Archive",
)
"""S3 copied some of the bytes. The others passed through the zipper function."""


def run_demo() -> int:
    """Run the demo. Return the exit code: 0 if both archives are correct, else 1."""
    log: list[str] = []
    problems: list[str] = []
    os.environ.pop("AWS_ACCESS_KEY_ID", None)  # sign requests as the user of the embedded AWS
    print_note("Starting the embedded AWS …")
    with (
        tempfile.TemporaryDirectory(prefix="zip-jobs-demo-") as folder,
        running_stack(log=lambda function, line: log.append(line)) as local_stack,
    ):
        print_note(f"The embedded AWS is running with {len(local_stack.functions)} functions.")
        try:
            runs = _zip_documents(local_stack, Path(folder))
        except CliError as error:
            problems.append(str(error))
        else:
            Console(width=TABLE_WIDTH).print(results_table(runs, COLUMNS))
            problems += [f"Job {run.job_id}: {run.problem}" for run in runs if run.problem]
    for problem in problems:
        print_error(problem)
    for line in log[-LOG_LINES:] if problems else ():
        print_note(line)
    return 1 if problems else 0


def _zip_documents(local_stack: LocalStack, folder: Path) -> list[JobRun]:
    """Upload documents, run a job for each trigger, and check the archives."""
    stack = stack_from_outputs("embedded AWS", local_stack.outputs)
    api, bucket = Api(stack), stack.require("source_bucket")
    print_note(f"Generating {DOCUMENTS} PDFs …")
    paths = make_samples(DOCUMENTS, folder)
    files = find_files(paths, PREFIX)
    size = sum(file.size for file in files)
    print_note(f"Uploading {size / 1e6:.0f} MB to s3://{bucket}/{PREFIX} …")
    upload_all(stack, bucket, files, is_silent=True)

    request = {"keys": [file.key for file in files]}
    runs = []
    for trigger in (Trigger.MANIFEST, Trigger.API):
        runs.append(submit(api, trigger, request))
        print_note(f"Submitted job {runs[-1].job_id} by {trigger}")
    with run_progress(DOCUMENTS) as on_update:
        wait_for_runs(api, runs, TIMEOUT_SECONDS, on_update)
    _wait_for_events(local_stack, runs)

    checksums = {path.name: zlib.crc32(path.read_bytes()) for path in paths}
    sizes = Counter(file.size for file in files)
    for run in runs:
        download_and_check(api, run, OUT / f"by-{run.trigger}.zip", sizes, is_forced=True)
        if not run.problem and _member_checksums(run.files) != checksums:
            run.problem = "the archive does not contain the uploaded files"
    return runs


def _wait_for_events(local_stack: LocalStack, runs: Sequence[JobRun]) -> None:
    """Wait for the completion events of all jobs."""
    sqs, queue_url = local_stack.client("sqs"), local_stack.outputs["eventsQueueUrl"]
    missing = {run.job_id for run in runs if not run.problem}
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while missing and time.monotonic() < deadline:
        response = sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=1)
        for message in response.get("Messages", []):
            event: Mapping[str, Any] = json.loads(message["Body"])
            job_id = event["detail"]["jobId"]
            print_note(f"Event: {event['detail-type']}, job {job_id}")
            missing.discard(job_id)
    for run in runs:
        if run.job_id in missing:
            run.problem = "its completion event did not arrive"


def _member_checksums(archives: Sequence[Path]) -> dict[str, int]:
    members: dict[str, int] = {}
    for path in archives:
        with zipfile.ZipFile(path) as archive:
            members |= {member.filename: member.CRC for member in archive.infolist()}
    return members
