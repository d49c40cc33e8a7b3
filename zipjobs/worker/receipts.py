"""Receipts: the members of an archive and their sources, as a JSON object next to the archive.

::

    {"version": "1", "jobId": …, "createdAt": …,
     "archive": {"bucket": …, "key": …, "size": …, "crc32": …, "etag": …, "entries": …},
     "cost": {"usd": …, "region": …, "gbSeconds": …, "requests": {"s3:GetObject": …, …}},
     "skipped": [
    {"name": …, "bucket": …, "key": …, "versionId": …, "reason": …}],
     "entries": [
    {"name": …, "bucket": …, "key": …, "versionId": …, "etag": …, "size": …, "crc32": …}, …]}

Each entry is one line, in the archive's order. Two receipts of the same archive differ at most in
their cost.
"""

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from zipjobs.archive.receipt import receipt_key
from zipjobs.jobs.job import FinishedArchive, Job
from zipjobs.model import iso_utc
from zipjobs.s3.errors import own_errors
from zipjobs.s3.object_writer import write_object
from zipjobs.s3.target import Target
from zipjobs.worker.usage import Usage, priced_region

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from zipjobs.archive.whole_archive import Archive

VERSION = "1"


class Receipts:
    """Writes receipts. ``memory_mb`` is the function's memory, for the cost."""

    def __init__(self, s3: "S3Client", memory_mb: int = 512) -> None:
        self._s3 = s3
        self._memory_mb = memory_mb

    def put(
        self,
        job: Job,
        target: Target,
        archive: "Archive",
        skipped: Iterable[bytes],
        entries: Iterable[bytes],
        used: Usage | None = None,
    ) -> FinishedArchive:
        """Write the receipt of the archive at ``target``. Return the archive's part of the record.

        ``skipped`` and ``entries`` are JSON lines. Raises ServiceUnavailable.
        """
        cost = None if used is None else self._cost(used)
        summary = FinishedArchive(
            key=target.key,
            receipt_key=receipt_key(target.key),
            entries=archive.entries,
            size=archive.size,
            crc32=f"{archive.crc32:08x}",
            etag=archive.etag,
            copied_bytes=archive.copied_bytes,
            version_id=archive.version_id,
        )
        receipt = Target(target.bucket, summary.receipt_key, job.owner_tag, tags=target.tags)
        pieces = _pieces(job, target, summary, cost, skipped, entries)
        with own_errors("the receipt"):
            version_id = write_object(self._s3, receipt, "application/json", pieces)
        return summary.model_copy(update={"receipt_version_id": version_id})

    def _cost(self, used: Usage) -> dict[str, Any]:
        return {
            "usd": round(used.dollars(self._memory_mb), 8),
            "region": priced_region(),
            "gbSeconds": round(used.gb_seconds(self._memory_mb), 3),
            "requests": used.requests,
        }


def _pieces(
    job: Job,
    target: Target,
    summary: FinishedArchive,
    cost: dict[str, Any] | None,
    skipped: Iterable[bytes],
    entries: Iterable[bytes],
) -> Iterator[bytes]:
    head = {
        "version": VERSION,
        "jobId": job.job_id,
        "createdAt": iso_utc(job.created_at),
        **({"metadata": job.metadata} if job.metadata else {}),
        "archive": {
            "bucket": target.bucket,
            "key": summary.key,
            "size": summary.size,
            "crc32": summary.crc32,
            "etag": summary.etag,
            "entries": summary.entries,
        },
        **({"cost": cost} if cost else {}),
    }
    yield json.dumps(head, ensure_ascii=False).removesuffix("}").encode()
    yield b',\n "skipped": ['
    yield from _lines(skipped)
    yield b'],\n "entries": ['
    yield from _lines(entries)
    yield b"]}\n"


def _lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    separator = b"\n"
    for line in lines:
        yield separator + line
        separator = b",\n"
