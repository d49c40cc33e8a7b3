"""Jobs as people read them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from zipjobs_cli.client.job import Count, Job
from zipjobs_cli.output.screen import line

STYLES = {"READY": "green", "FAILED": "bold red", "CANCELLED": "yellow", "RUNNING": "cyan"}

MOST_NAMED = 20
"""Skipped objects, and those that an error is about; ``--json`` has all."""


def tell_job(console: Console, job: Job, has_links: bool = False) -> None:
    """Print a job, a line for each thing to say; links, which are long, if they are wanted."""
    for name, value, style in _lines(job, has_links):
        text = line(f"{name:<10}")
        text.append_text(line(value, style))
        console.print(text, soft_wrap=True)


def _lines(job: Job, has_links: bool) -> Iterable[tuple[str, str, str]]:
    yield "Job", job["jobId"], ""
    yield "Status", job["status"], STYLES.get(job["status"], "")
    if manifest := job["manifest"]:
        yield "Manifest", f"s3://{manifest['bucket']}/{manifest['key']}", ""
    yield "Entries", _count(job["entries"]), ""
    yield "Bytes", _count(job["bytes"]), ""
    yield "Created", job["createdAt"], ""
    yield "Updated", job["updatedAt"], ""
    if error := job.get("error"):
        yield "Error", f"{error['code']}: {error['message']}", "red"
        yield from (("", _place(one), "") for one in error.get("problems") or [])
        objects = error.get("objects") or []
        yield from _named(objects, len(objects))
    if job["skipped"]:
        yield "Skipped", f"{job['skipped']:,}, which did not exist", ""
        yield from _named(job["skippedObjects"], job["skipped"])
    for archive in job["archives"]:
        size = f"{archive['size']:,} bytes, CRC-32 {archive['crc32']}"
        yield "Archive", f"s3://{job['targetBucket']}/{archive['key']}  ({size})", ""
        if has_links:
            yield "Link", archive["downloadUrl"], ""


def _place(problem: Mapping[str, Any]) -> str:
    """What is wrong, and where in the manifest, as far as that is known."""
    line_number, pointer = problem.get("line"), problem.get("pointer")
    places = [f"line {line_number:,}"] if line_number else []
    return ": ".join((", ".join([*places, pointer or "#"]), str(problem.get("detail", ""))))


def _named(names: list[str], count: int) -> Iterable[tuple[str, str, str]]:
    """Some of the ``count`` objects that there are; ``names`` may lack some."""
    shown = names[:MOST_NAMED]
    yield from (("", name, "") for name in shown)
    if count > len(shown):
        yield "", f"… and {count - len(shown):,} more", ""


def job_table(jobs: Iterable[Job]) -> Table:
    """A row for each job."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("Job", no_wrap=True)
    table.add_column("Status", no_wrap=True)
    table.add_column("Entries", justify="right", no_wrap=True)
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("Age", justify="right", no_wrap=True)
    table.add_column("", overflow="ellipsis")
    now = datetime.now(UTC)
    for job in jobs:
        table.add_row(
            job["jobId"],
            line(job["status"], STYLES.get(job["status"], "")),
            _count(job["entries"]),
            _size(job["bytes"]),
            age(now - datetime.fromisoformat(job["createdAt"])),
            line(_what(job)),
        )
    return table


def age(time: timedelta) -> str:
    """``5 s``, ``3 min``, ``2 h``, ``7 d``."""
    seconds = max(0, int(time.total_seconds()))
    for unit, length, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < most:
            return f"{seconds // length} {unit}"
    return f"{seconds // 86_400} d"


def _what(job: Job) -> str:
    """What tells this job from others: why it failed, its manifest, or its archive."""
    if error := job.get("error"):
        return error["code"]
    if manifest := job["manifest"]:
        return PurePosixPath(manifest["key"]).name
    name = PurePosixPath(job["targetKey"] or "").name
    return "" if name.startswith(job["jobId"]) else name


def _count(count: Count) -> str:
    done, total = count["done"], count["total"]
    return f"{done:,}" if total is None or done == total else f"{done:,} of {total:,}"


def _size(count: Count) -> str:
    """In short; of a job that runs, how much of how much."""
    done, total = decimal(count["done"]), count["total"]
    return done if total in (None, count["done"]) else f"{done} of {decimal(total)}"
