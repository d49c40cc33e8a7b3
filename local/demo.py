"""The demo: 200 PDFs become a ZIP twice, once by manifest and once over HTTP."""

import json
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from local.gateway.signing import signed_headers
from local.stack import LocalStack, running_stack
from zipjobs.jobs.messages import manifest_job_id
from zipjobs_cli.uploads.sample_pdfs import generate

DOCUMENTS = 200
UPLOADS_AT_ONCE = 8
OUT = Path("out")
GIVE_UP_SECONDS = 120.0
POLL_SECONDS = 0.25
TABLE_WIDTH = 150
HEADINGS = ("Job", "Trigger", "Entries", "Bytes", "Copied", "Through", "Seconds", "Status", "File")
"""Of the bytes, S3 copied some; the others passed through the zipper."""


@dataclass
class DemoJob:
    """One job of the demo, from its submission on."""

    job_id: str
    trigger: str
    started: float
    seconds: float = 0.0
    view: dict[str, Any] | None = None
    file: Path | None = None
    problem: str | None = None
    copied_bytes: int | None = None


def run_demo() -> int:
    """Run the demo. Returns the exit code: 0 if every ZIP is good, else 1."""
    console = Console(stderr=True)
    lines: list[str] = []
    console.print("Starting the embedded AWS …")
    with (
        tempfile.TemporaryDirectory(prefix="zip-jobs-demo-") as folder,
        running_stack(log=lambda function, line: lines.append(line)) as stack,
    ):
        console.print(f"The embedded AWS is up: {len(stack.functions)} functions deployed.")
        demo = _Demo(stack, console)
        demo.upload(Path(folder))
        jobs = [demo.drop_manifest(), demo.post_job()]
        demo.follow(jobs)
        demo.wait_for_events(jobs)
        for job in jobs:
            demo.download(job)
    _print_table(jobs)
    failed = [job for job in jobs if job.problem]
    for job in failed:
        console.print(f"[red]Job {job.job_id}: {job.problem}[/]")
    if failed:
        console.print("\n".join(lines[-50:]), markup=False)
    return 1 if failed else 0


class _Demo:
    def __init__(self, stack: LocalStack, console: Console) -> None:
        self._outputs = stack.outputs
        self._console = console
        self._s3 = stack.client("s3")
        self._sqs = stack.client("sqs")
        self._keys: list[str] = []
        self._checksums: dict[str, int] = {}

    def upload(self, folder: Path) -> None:
        """Make the documents and put them into the source bucket."""
        bucket = self._outputs["sourceBucket"]

        def put(path: Path) -> str:
            key = f"uploads/{path.name}"
            self._s3.upload_file(str(path), bucket, key)
            advance(1)
            return key

        with _bar(self._console, f"Making {DOCUMENTS} PDFs", DOCUMENTS) as advance:
            paths = []
            for path in generate(DOCUMENTS, folder):
                paths.append(path)
                advance(1)
        self._checksums = {path.name: zlib.crc32(path.read_bytes()) for path in paths}
        total = sum(path.stat().st_size for path in paths)
        title = f"Uploading {total / 1e6:.0f} MB to s3://{bucket}/uploads/"
        with (
            _bar(self._console, title, DOCUMENTS) as advance,
            ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool,
        ):
            self._keys = list(pool.map(put, paths))

    def drop_manifest(self) -> DemoJob:
        """Start a job by putting a manifest into the manifest bucket."""
        bucket = self._outputs["manifestBucket"]
        key = f"{self._outputs['manifestPrefix']}demo-by-manifest.json"
        started = time.monotonic()
        answer = self._s3.put_object(
            Bucket=bucket, Key=key, Body=json.dumps({"keys": self._keys}).encode()
        )
        job_id = manifest_job_id(bucket, key, answer["VersionId"], "", "")
        self._console.print(f"Dropped s3://{bucket}/{key}")
        return DemoJob(job_id, "manifest", started)

    def post_job(self) -> DemoJob:
        """Start a job over HTTP."""
        url = f"{self._outputs['apiUrl']}/zip-jobs"
        body = json.dumps({"keys": self._keys}).encode()
        started = time.monotonic()
        try:
            job_id = self._ask("POST", url, body)["jobId"]
        except urllib.error.URLError as error:
            return DemoJob("-", "api", started, problem=f"POST failed: {error}")
        self._console.print(f"POST {url} → {job_id}")
        return DemoJob(job_id, "api", started)

    def follow(self, jobs: list[DemoJob]) -> None:
        """Show how the jobs advance until each has its end."""
        with _progress(self._console) as progress:
            bars = {job.job_id: progress.add_task(f"Zipping ({job.trigger})") for job in jobs}
            waiting = [job for job in jobs if not job.problem]
            while waiting:
                for job in list(waiting):
                    if self._look(job, progress, bars[job.job_id]):
                        waiting.remove(job)
                time.sleep(POLL_SECONDS if waiting else 0)

    def _look(self, job: DemoJob, progress: Progress, bar: TaskID) -> bool:
        """Ask for a job's state; true if that is its last."""
        job.seconds = time.monotonic() - job.started
        try:
            view = self._ask("GET", f"{self._outputs['apiUrl']}/zip-jobs/{job.job_id}")
        except urllib.error.URLError as error:
            is_unknown = isinstance(error, urllib.error.HTTPError) and error.code == 404
            if is_unknown and job.seconds < GIVE_UP_SECONDS:
                return False  # the manifest's event is still on its way
            job.problem = str(error)
            return True
        job.view = view
        progress.update(bar, completed=view["entries"]["done"], total=view["entries"]["total"])
        if view["status"] == "FAILED":
            job.problem = view["error"]["message"]
        elif view["status"] != "READY" and job.seconds > GIVE_UP_SECONDS:
            job.problem = f"still {view['status']} after {GIVE_UP_SECONDS:.0f} seconds"
        return job.problem is not None or view["status"] == "READY"

    def _ask(self, method: str, url: str, body: bytes | None = None) -> dict[str, Any]:
        """The API's answer to a signed request. Raises URLError."""
        kind = {"Content-Type": "application/json"} if body else {}
        headers = signed_headers(method, url, body, self._outputs["region"], kind)
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310  (our own http URL)
        with urllib.request.urlopen(request) as answer:  # noqa: S310  (as above)
            content: dict[str, Any] = json.load(answer)
            return content

    def wait_for_events(self, jobs: list[DemoJob]) -> None:
        """Wait until the completion events of all jobs have arrived."""
        queue_url = self._outputs["eventsQueueUrl"]
        missing = {job.job_id for job in jobs if not job.problem}
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while missing and time.monotonic() < give_up:
            answer = self._sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                event = json.loads(message["Body"])
                detail = event["detail"]
                self._console.print(f"Event: {event['detail-type']}, job {detail['jobId']}")
                missing.discard(detail["jobId"])
                for job in jobs:
                    if job.job_id == detail["jobId"] and detail["archives"]:
                        job.copied_bytes = detail["archives"][0]["copiedBytes"]
        for job in jobs:
            if job.job_id in missing:
                job.problem = job.problem or "its completion event did not arrive"

    def download(self, job: DemoJob) -> None:
        """Follow the job's link and check the ZIP that it leads to."""
        if job.problem or job.view is None:
            return
        OUT.mkdir(exist_ok=True)
        job.file = OUT / f"by-{job.trigger}.zip"
        try:
            urllib.request.urlretrieve(job.view["downloadUrl"], job.file)  # noqa: S310  (our own http URL)
            with zipfile.ZipFile(job.file) as archive:
                broken = archive.testzip()
                found = {member.filename: member.CRC for member in archive.infolist()}
        except (urllib.error.URLError, zipfile.BadZipFile) as error:
            job.problem = f"{job.file}: {error}"
            return
        if broken or found != self._checksums:
            job.problem = f"{job.file} does not hold what was uploaded"


def _print_table(jobs: list[DemoJob]) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in HEADINGS:
        table.add_column(heading, no_wrap=True)
    for job in jobs:
        view = job.view or {"entries": {"done": 0}, "bytes": {"done": 0}, "status": "?"}
        table.add_row(
            job.job_id,
            job.trigger,
            f"{view['entries']['done']:,}",
            f"{view['bytes']['done']:,}",
            "-" if job.copied_bytes is None else f"{job.copied_bytes:,}",
            "-" if job.copied_bytes is None else f"{view['bytes']['done'] - job.copied_bytes:,}",
            f"{job.seconds:.1f}",
            str(view["status"]),
            str(job.file or "-"),
        )
    Console(width=TABLE_WIDTH).print(table)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


@contextmanager
def _bar(console: Console, title: str, total: int) -> Iterator[Callable[[int], None]]:
    with _progress(console) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.update(task, advance=count)
