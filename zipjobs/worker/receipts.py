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

import io
import json
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, cast

from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.archive.receipt import receipt_key
from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.job import FinishedArchive, Job
from zipjobs.model import iso_utc
from zipjobs.s3.target import OWNER_TAG, Target
from zipjobs.worker.usage import Usage, priced_region

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from zipjobs.archive.whole_archive import Archive

VERSION = "1"
_ONE_THREAD = TransferConfig(use_threads=False)


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
        try:
            self._s3.upload_fileobj(
                _stream(_pieces(job, target, summary, cost, skipped, entries)),
                target.bucket,
                summary.receipt_key,
                ExtraArgs={
                    "ContentType": "application/json",
                    "Metadata": {OWNER_TAG: job.owner_tag},
                },
                Config=_ONE_THREAD,
            )
            if archive.version_id is None:
                return summary
            # boto3's upload does not return the version.
            found = self._s3.head_object(Bucket=target.bucket, Key=summary.receipt_key)
        except (ClientError, BotoCoreError, S3UploadFailedError) as error:
            raise ServiceUnavailable(f"The receipt could not be written: {error}") from error
        return summary.model_copy(update={"receipt_version_id": found.get("VersionId")})

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


def _stream(pieces: Iterator[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", io.BufferedReader(_Pieces(pieces), io.DEFAULT_BUFFER_SIZE * 8))


class _Pieces(io.RawIOBase):
    """A readable file whose content is generated while it is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = piece
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
