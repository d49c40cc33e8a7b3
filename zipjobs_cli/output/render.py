"""Jobs as text and tables."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from zipjobs_cli.client.job import Count, Job
from zipjobs_cli.output.screen import counted, plain

STYLES = {"READY": "green", "FAILED": "bold red", "CANCELLED": "yellow", "RUNNING": "cyan"}

SKIP_REASONS = {
    "SOURCE_NOT_FOUND": "does not exist",
    "SOURCE_FORBIDDEN": "the service has no permission to read it",
    "SOURCE_ARCHIVED": "in an archive storage class: restore it first",
    "SOURCE_ENCRYPTED": "encrypted with a key that the service cannot use",
}

MAX_NAMES = 20
"""Maximum number of skipped objects, and of objects of an error, for each of its codes.

``--json`` prints all.
"""


def print_job(console: Console, job: Job, has_links: bool = False) -> None:
    """Print a job, one field per line. ``has_links`` adds the download links."""
    for name, value, style in _fields(job, has_links):
        text = plain(f"{name:<10}")
        text.append_text(plain(value, style))
        console.print(text, soft_wrap=True)
    if job["skipped"]:
        console.print(_skipped_table(job))


def _skipped_table(job: Job) -> Table:
    """Return a table of the first skipped objects with their reasons."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("Skipped object", overflow="fold")
    table.add_column("Reason", no_wrap=True)
    table.add_column("", overflow="fold")
    shown = job["skippedObjects"][:MAX_NAMES]
    for one in shown:
        reason = one["reason"]
        table.add_row(plain(one["object"]), plain(reason), plain(SKIP_REASONS.get(reason, "")))
    if job["skipped"] > len(shown):
        table.add_row(f"… and {job['skipped'] - len(shown):,} more, in the receipt", "", "")
    return table


def _fields(job: Job, has_links: bool) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the value and the style of each line."""
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
        yield from (("", _problem(problem), "") for problem in error.get("problems") or [])
        for code, names in (error.get("objectsByCode") or {}).items():
            yield from _names([f"{name} ({code})" for name in names], len(names))
        if not error.get("objectsByCode"):
            objects = error.get("objects") or []
            yield from _names(objects, len(objects))
    if job["skipped"]:
        yield "Skipped", f"{counted(job['skipped'], 'object', 'objects')}, listed below", ""
    for key, text in job["metadata"].items():
        yield "Metadata", f"{key}={text}", ""
    if expires_at := job["archiveExpiresAt"]:
        yield "Expires", expires_at, ""
    for archive in job["archives"]:
        size = f"{archive['size']:,} bytes, CRC-32 {archive['crc32']}"
        yield "Archive", f"s3://{job['targetBucket']}/{archive['key']}  ({size})", ""
        if has_links and "downloadUrl" in archive:
            yield "Link", archive["downloadUrl"], ""


def _problem(problem: Mapping[str, Any]) -> str:
    """Describe a problem of a manifest, with the line (if known) and the JSON pointer."""
    line, pointer = problem.get("line"), problem.get("pointer") or "#"
    place = f"line {line:,}, {pointer}" if line else pointer
    return f"{place}: {problem.get('detail', '')}"


def _names(names: list[str], count: int) -> Iterator[tuple[str, str, str]]:
    """Yield up to ``MAX_NAMES`` of ``count`` names. ``names`` may be shorter than ``count``."""
    shown = names[:MAX_NAMES]
    yield from (("", name, "") for name in shown)
    if count > len(shown):
        yield "", f"… and {count - len(shown):,} more", ""


def job_table(jobs: Iterable[Job]) -> Table:
    """Return a table with one row per job."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("Job", no_wrap=True)
    table.add_column("Status", no_wrap=True)
    for heading in ("Entries", "Size", "Age"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="ellipsis")
    now = datetime.now(UTC)
    for job in jobs:
        table.add_row(
            job["jobId"],
            plain(job["status"], STYLES.get(job["status"], "")),
            _count(job["entries"]),
            _size(job["bytes"]),
            age(now - datetime.fromisoformat(job["createdAt"])),
            plain(_label(job)),
        )
    return table


def age(time: timedelta) -> str:
    """Return ``5 s``, ``3 min``, ``2 h``, ``7 d``."""
    seconds = max(0, int(time.total_seconds()))
    for unit, length, limit in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < limit:
            return f"{seconds // length} {unit}"
    return f"{seconds // 86_400} d"


def _label(job: Job) -> str:
    """Return the error code, the manifest's name or the archive's name."""
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
    done, total = decimal(count["done"]), count["total"]
    return done if total in (None, count["done"]) else f"{done} of {decimal(total)}"
