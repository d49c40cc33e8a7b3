"""Upload many files to a bucket, concurrently, without those that it already has.

S3 checks each object against the CRC-32 of its file. Large files are uploaded in parts.
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
from botocore.exceptions import ConnectionError as AwsConnectionError

from zipjobs.zipformat.crc32 import encode
from zipjobs_cli.archives.checksums import file_crc32
from zipjobs_cli.uploads.local_files import LocalFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

MAX_KEY_BYTES = 1024
"""Maximum length in UTF-8 ("Naming Amazon S3 objects", S3 User Guide)."""

PAUSES_SECONDS = (1.0, 5.0)
"""Pauses before the retries of a batch's failed files. In each attempt, boto3 retries too."""

TRANSIENT_CODES = frozenset({"BadDigest", "RequestTimeout", "RequestTimeTooSkewed", "SlowDown"})
"""4xx errors that are retried. A file that is modified during the upload causes BadDigest."""

MAX_CONSECUTIVE_FAILURES = 50
"""After this number of failures without a success, the remaining files are not tried."""

NOT_TRIED = "not tried because all previous uploads failed"


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that was not uploaded, and the reason.

    ``is_local``: the file itself is the reason. ``is_transient``: a retry may succeed.
    """

    file: LocalFile
    problem: str
    is_local: bool = False
    is_transient: bool = False


@dataclass
class UploadResult:
    """Files that were uploaded, were already in the bucket, or failed."""

    uploaded: list[LocalFile] = field(default_factory=list)
    skipped: list[LocalFile] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    def add(self, other: "UploadResult") -> None:
        self.uploaded += other.uploaded
        self.skipped += other.skipped
        self.failed += other.failed


@dataclass(frozen=True)
class BulkUpload:
    """An upload to ``bucket`` with ``concurrency`` files and requests at a time.

    ``is_forced`` uploads files that the bucket already has. ``on_bytes`` is called by several
    threads with the number of uploaded bytes, which is negative if a file starts again.
    """

    s3: "S3Client"
    bucket: str
    concurrency: int
    batch_files: int
    is_forced: bool
    on_bytes: Callable[[int], None] = lambda count: None
    pauses_seconds: Sequence[float] = PAUSES_SECONDS

    def run(self, files: Sequence[LocalFile]) -> Iterator[UploadResult]:
        """Upload ``files`` in batches, and yield the result of each batch.

        Transient failures are retried at the end of a batch.
        """
        # boto3's other transfer client ignores max_concurrency.
        config = TransferConfig(
            max_concurrency=self.concurrency, preferred_transfer_client="classic"
        )
        batches = [
            files[first : first + self.batch_files]
            for first in range(0, len(files), self.batch_files)
        ]
        failures = 0
        with (
            ThreadPoolExecutor(self.concurrency) as pool,
            # boto3-stubs expects a client's Config here.
            S3Transfer(self.s3, config) as transfer,  # type: ignore[arg-type]
        ):
            for batch in batches:
                if failures >= MAX_CONSECUTIVE_FAILURES:
                    yield UploadResult(failed=[Failure(file, NOT_TRIED) for file in batch])
                    continue
                result = self._upload_batch(batch, pool, transfer)
                if result.uploaded or result.skipped:
                    failures = 0
                failures += sum(not failure.is_local for failure in result.failed)
                yield result

    def _upload_batch(
        self, files: Sequence[LocalFile], pool: ThreadPoolExecutor, transfer: S3Transfer
    ) -> UploadResult:
        result = UploadResult()
        for pause in (*self.pauses_seconds, None):
            attempt = UploadResult()
            for one in pool.map(lambda file: self._upload(file, transfer), files):
                attempt.add(one)
            retried = [failure.file for failure in attempt.failed if failure.is_transient]
            if pause is None or not retried:
                result.add(attempt)
                break
            attempt.failed = [failure for failure in attempt.failed if not failure.is_transient]
            result.add(attempt)
            files = retried
            time.sleep(pause)
        return result

    def _upload(self, file: LocalFile, transfer: S3Transfer) -> UploadResult:
        """Upload a file unless the bucket already has it."""
        sent = 0

        def on_bytes(count: int) -> None:
            nonlocal sent
            sent += count
            self.on_bytes(count)

        try:
            check_key(file.key)
            crc32 = encode(file_crc32(file.path))
            if not self.is_forced and self._exists(file, crc32):
                self.on_bytes(file.size)
                return UploadResult(skipped=[file])
            arguments = {
                "ChecksumAlgorithm": "CRC32",
                "ChecksumCRC32": crc32,
                "ContentType": _content_type(file.path),
            }
            transfer.upload_file(str(file.path), self.bucket, file.key, on_bytes, arguments)
        except (BotoCoreError, ClientError, OSError, S3UploadFailedError, ValueError) as error:
            self.on_bytes(-sent)
            cause = error.__context__ if isinstance(error, S3UploadFailedError) else error
            is_local = not isinstance(cause, BotoCoreError | ClientError)
            problem = _error_text(cause or error)
            return UploadResult(failed=[Failure(file, problem, is_local, _is_transient(cause))])
        return UploadResult(uploaded=[file])

    def _exists(self, file: LocalFile, crc32: str) -> bool:
        """Return whether the bucket has an object with the file's size and checksum."""
        try:
            head = self.s3.head_object(Bucket=self.bucket, Key=file.key, ChecksumMode="ENABLED")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 404):
                return False  # without s3:ListBucket, S3 returns 403 for missing objects
            raise
        return head["ContentLength"] == file.size and _has_content(head, file.path, crc32)


def check_key(key: str) -> None:
    """Raise ValueError if S3 does not accept the key."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise ValueError("its name is not UTF-8") from error
    if size > MAX_KEY_BYTES:
        raise ValueError(f"its key has {size:,} bytes; S3 accepts {MAX_KEY_BYTES:,}")


def _error_text(error: BaseException) -> str:
    """Return the message of S3 or of the operating system."""
    if isinstance(error, ClientError):
        details = error.response["Error"]
        return f"{details.get('Code', 'error')}: {details.get('Message', '')}".rstrip(": ")
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


def _is_transient(error: BaseException | None) -> bool:
    if isinstance(error, ClientError):
        status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]
        return status >= 500 or status == 429 or code.get("Code") in TRANSIENT_CODES
    return isinstance(error, HTTPClientError | AwsConnectionError)


def _has_content(head: "HeadObjectOutputTypeDef", path: Path, crc32: str) -> bool:
    """Compare the object's CRC-32, or an ETag that is an MD5.

    Objects of multipart uploads without a full-object CRC-32 count as different.
    """
    known = head.get("ChecksumCRC32")
    if known is not None and head.get("ChecksumType") != "COMPOSITE" and "-" not in known:
        return known == crc32
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return head["ETag"].strip('"') == md5.hexdigest()


def _content_type(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"
