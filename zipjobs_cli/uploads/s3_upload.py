"""Puts many files into a bucket, so many at a time, and none that is there already.

Each object is stored with the CRC-32 of its file, which S3 checks; a large one is sent in parts.
"""

import hashlib
import mimetypes
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import S3Transfer, TransferConfig
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from isal.isal_zlib import crc32

from zipjobs.zipformat.crc32 import encode
from zipjobs_cli.uploads.local_files import LocalFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

MAX_KEY_BYTES = 1024
"""Of UTF-8 ("Naming Amazon S3 objects" in the S3 User Guide)."""

PIECE_BYTES = 1 << 20

PAUSES_SECONDS = (1.0, 5.0)
"""Before what failed in a batch is sent once more, and again; each time boto3 tries as often as it
does anyway."""

MAY_PASS = frozenset({"BadDigest", "RequestTimeout", "RequestTimeTooSkewed", "SlowDown"})
"""Errors that are not the file's. A file that was written to meanwhile is a bad digest."""

HOPELESS_FILES = 50
"""When S3 has refused so many in a row, it will refuse the rest."""

NOT_TRIED = "not tried: none of the files before it got through"


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that is not in the bucket, and why.

    ``is_local``: the reason is the file itself. ``may_pass``: trying again may help.
    """

    file: LocalFile
    problem: str
    is_local: bool = False
    may_pass: bool = False


@dataclass
class Batch:
    """What became of some files: their objects are new, were there already, or are not there."""

    uploaded: list[LocalFile] = field(default_factory=list)
    skipped: list[LocalFile] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    def add(self, other: "Batch") -> None:
        self.uploaded += other.uploaded
        self.skipped += other.skipped
        self.failed += other.failed


@dataclass(frozen=True)
class Bulk:
    """How to upload: to which ``bucket``, so many files ``at_once``, in batches of ``batch_files``.

    So many requests are under way at once, too. ``is_forced``: also what is there already.
    ``on_bytes`` is told how many bytes are done; less than none where a file starts anew. It is
    called by several threads.
    """

    s3: "S3Client"
    bucket: str
    at_once: int
    batch_files: int
    is_forced: bool
    on_bytes: Callable[[int], None] = lambda count: None
    pauses_seconds: Sequence[float] = PAUSES_SECONDS

    def run(self, files: Sequence[LocalFile]) -> Iterator[Batch]:
        """Upload ``files``; yield each batch when it is over.

        What fails in a batch for a reason that may pass is sent again at its end. When nothing
        gets through any more, the batches that are left are not tried.
        """
        # The other client of boto3 sets its own limits.
        config = TransferConfig(max_concurrency=self.at_once, preferred_transfer_client="classic")
        batches = [
            files[first : first + self.batch_files]
            for first in range(0, len(files), self.batch_files)
        ]
        refused = 0
        with (
            ThreadPoolExecutor(self.at_once) as pool,
            # boto3-stubs takes this for a client's Config.
            S3Transfer(self.s3, config) as transfer,  # type: ignore[arg-type]
        ):
            for files_of_batch in batches:
                if refused >= HOPELESS_FILES:
                    yield Batch(failed=[Failure(file, NOT_TRIED) for file in files_of_batch])
                    continue
                batch = self._run_batch(files_of_batch, pool, transfer)
                if batch.uploaded or batch.skipped:
                    refused = 0
                refused += sum(not failure.is_local for failure in batch.failed)
                yield batch

    def _run_batch(
        self, files: Sequence[LocalFile], pool: ThreadPoolExecutor, transfer: S3Transfer
    ) -> Batch:
        batch = Batch()
        for pause in (*self.pauses_seconds, None):
            tried = Batch()
            for outcome in pool.map(lambda file: self._put(file, transfer), files):
                tried.add(outcome)
            again = [failure.file for failure in tried.failed if failure.may_pass]
            if pause is None or not again:
                batch.add(tried)
                break
            tried.failed = [failure for failure in tried.failed if not failure.may_pass]
            batch.add(tried)
            files = again
            time.sleep(pause)
        return batch

    def _put(self, file: LocalFile, transfer: S3Transfer) -> Batch:
        """Upload a file, or see that it is there."""
        told = 0

        def on_bytes(count: int) -> None:
            nonlocal told
            told += count
            self.on_bytes(count)

        try:
            check_key(file.key)
            crc = _crc32(file.path)
            if not self.is_forced and self._is_there(file, crc):
                self.on_bytes(file.size)
                return Batch(skipped=[file])
            arguments = {
                "ChecksumAlgorithm": "CRC32",
                "ChecksumCRC32": crc,
                "ContentType": _content_type(file.path),
            }
            transfer.upload_file(str(file.path), self.bucket, file.key, on_bytes, arguments)
        except (BotoCoreError, ClientError, OSError, S3UploadFailedError, ValueError) as error:
            self.on_bytes(-told)
            cause = error.__context__ if isinstance(error, S3UploadFailedError) else error
            is_local = not isinstance(cause, BotoCoreError | ClientError)
            problem = _said(cause or error)
            return Batch(failed=[Failure(file, problem, is_local, _may_pass(cause))])
        return Batch(uploaded=[file])

    def _is_there(self, file: LocalFile, crc: str) -> bool:
        """Whether the object has the file's size and checksum. False, too, if that is not told."""
        try:
            there = self.s3.head_object(Bucket=self.bucket, Key=file.key, ChecksumMode="ENABLED")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 404):
                return False  # S3 says 403 instead of 404 to those who may not list the bucket
            raise
        return there["ContentLength"] == file.size and _is_content(there, file.path, crc)


def check_key(key: str) -> None:
    """Raises ValueError if no object can have this key."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise ValueError("its name is not UTF-8") from error
    if size > MAX_KEY_BYTES:
        raise ValueError(f"its key has {size:,} bytes; S3 takes {MAX_KEY_BYTES:,}")


def _said(error: BaseException) -> str:
    """What went wrong, as S3 or the system says it."""
    if isinstance(error, ClientError):
        told = error.response["Error"]
        return f"{told.get('Code', 'error')}: {told.get('Message', '')}".rstrip(": ")
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


def _may_pass(error: BaseException | None) -> bool:
    if isinstance(error, ClientError):
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status >= 500 or status == 429 or error.response["Error"].get("Code") in MAY_PASS
    return isinstance(error, HTTPClientError | NoConnection)


def _is_content(there: "HeadObjectOutputTypeDef", path: Path, crc: str) -> bool:
    """Whether an object's own checksum is the file's: its CRC-32, or else an ETag that is an MD5.

    Where there is neither, as with objects that others sent in parts, it counts as another.
    """
    known = there.get("ChecksumCRC32")
    if known is not None and there.get("ChecksumType") != "COMPOSITE" and "-" not in known:
        return known == crc
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return there["ETag"].strip('"') == md5.hexdigest()


def _crc32(path: Path) -> str:
    """That of a file, as S3 writes it."""
    total = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            total = crc32(piece, total)
    return encode(total)


def _content_type(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"
