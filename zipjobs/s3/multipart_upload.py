"""Writes one archive as an S3 multipart upload whose checksum S3 itself verifies."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from zipjobs.errors import (
    ServiceUnavailable,
    TargetExists,
    UploadGone,
    aws_error_code,
)
from zipjobs.s3.errors import ErrorResponse, source_error, target_errors
from zipjobs.s3.part_upload import Chunks, PartSender, UploadedPart
from zipjobs.s3.retry import COPY_ATTEMPTS, COPY_PAUSES_BEFORE, pause_seconds
from zipjobs.s3.source import NULL_VERSION, ObjectVersion
from zipjobs.s3.target import Target
from zipjobs.s3.upload_cleanup import UploadCleaner, remove_if_owned
from zipjobs.zipformat.crc32 import decode, encode

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

CONTENT_TYPE = "application/zip"


class CopyRefused(Exception):
    """S3 did not copy a range, or did not return its CRC-32."""


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """The finished object. ``version_id`` is None unless the bucket keeps versions."""

    etag: str
    version_id: str | None

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "StoredArchive":
        """Read S3's response to CompleteMultipartUpload or HeadObject."""
        version_id = answer.get("VersionId")
        return cls(answer["ETag"], None if version_id == NULL_VERSION else version_id)


class ArchiveWriter:
    """Creates multipart uploads. Thread-safe."""

    def __init__(self, s3: "S3Client", sender: PartSender) -> None:
        self._s3 = s3
        self._sender = sender
        self._cleaner = UploadCleaner(s3)

    @contextmanager
    def upload(
        self, target: Target, on_created: Callable[[str], None] = lambda upload_id: None
    ) -> Iterator["Upload"]:
        """Create an upload to ``target``. Abort it if the block does not complete it.

        ``on_created`` is called with the upload ID first, so that another worker can abort the
        upload after a crash. An error of the abort replaces the error of the block: parts are left,
        so the job must be retried. Raises TargetForbidden.
        """
        upload = self.resume(target, self.create(target))
        try:
            on_created(upload.upload_id)
            yield upload
        finally:
            if not upload.is_complete:
                self._cleaner.abort(target, upload.upload_id)

    def create(self, target: Target) -> str:
        """Create an upload and return its ID. The caller aborts or completes it."""
        with target_errors(target):
            answer = self._s3.create_multipart_upload(
                Bucket=target.bucket,
                Key=target.key,
                ContentType=CONTENT_TYPE,
                **target.attributes,
                ChecksumAlgorithm="CRC32",
                ChecksumType="FULL_OBJECT",
            )
        upload_id = answer["UploadId"]
        if answer["ResponseMetadata"]["RetryAttempts"]:
            # An earlier attempt may have created an upload whose response was lost.
            self._cleaner.abort_all(target.bucket, target.key, but=upload_id)
        return upload_id

    def resume(self, target: Target, upload_id: str) -> "Upload":
        """Return an upload that exists."""
        return Upload(self._s3, self._sender, target, upload_id)


class Upload:
    """An upload in progress. Parts may be uploaded in any order and from any thread."""

    def __init__(self, s3: "S3Client", sender: PartSender, target: Target, upload_id: str) -> None:
        self.upload_id = upload_id
        self.target = target
        self.is_complete = False
        self._s3 = s3
        self._sender = sender

    def put_part(self, number: int, length: int, open_chunks: Callable[[], Chunks]) -> UploadedPart:
        """Upload part ``number`` of ``length`` bytes. S3 verifies its CRC-32.

        ``open_chunks`` returns the bytes in blocks. It is called again for each attempt.
        """
        return self._sender.put(self.target, self.upload_id, number, length, open_chunks)

    @property
    def s3(self) -> "S3Client":
        """Return the client of the upload."""
        return self._s3

    def copy_part(
        self, number: int, pinned: ObjectVersion, first: int, length: int
    ) -> UploadedPart:
        """Copy a range of ``pinned`` into part ``number``, inside S3.

        Raises CopyRefused if S3 refuses after several attempts or does not return a CRC-32: the
        caller must read the range. Raises SourceChanged if the object changed.
        """
        source = pinned.source
        address: CopySourceTypeDef = {"Bucket": source.bucket, "Key": source.key}
        if source.version_id is not None:
            address["VersionId"] = source.version_id
        for attempt in range(1, COPY_ATTEMPTS + 1):
            try:
                return self._copy(number, pinned, address, first, length)
            except (ClientError, BotoCoreError) as error:
                refusal = ErrorResponse.of(error) if isinstance(error, ClientError) else None
                if refusal is not None and refusal.status == 412:
                    raise source_error(refusal, source) from error
                if refusal is None or refusal.is_permanent or attempt == COPY_ATTEMPTS:
                    raise CopyRefused(str(refusal or error)) from error
            time.sleep(pause_seconds(COPY_PAUSES_BEFORE + attempt))
        raise AssertionError("the last attempt returns or raises")

    def _copy(
        self,
        number: int,
        pinned: ObjectVersion,
        address: "CopySourceTypeDef",
        first: int,
        length: int,
    ) -> UploadedPart:
        answer = self._s3.upload_part_copy(
            Bucket=self.target.bucket,
            Key=self.target.key,
            UploadId=self.upload_id,
            PartNumber=number,
            CopySource=address,
            CopySourceIfMatch=pinned.etag,
            CopySourceRange=f"bytes={first}-{first + length - 1}",
            **pinned.source.payer,
        )
        result = answer["CopyPartResult"]
        if "ChecksumCRC32" not in result:
            raise CopyRefused("S3 did not return a CRC-32")
        return UploadedPart(number, result["ETag"], decode(result["ChecksumCRC32"]), length)

    def complete(self, parts: list[UploadedPart], crc32: int, size: int) -> StoredArchive:
        """Complete the upload. S3 verifies the archive's CRC-32 and size.

        An existing object is never replaced. If it is the same archive, from a worker whose
        response was lost, it is the result. If this job created it from other versions of the
        sources, it is deleted and ServiceUnavailable is raised. Any other object raises
        TargetExists.
        """
        with target_errors(self.target):
            try:
                stored = self._complete(parts, crc32, size)
            except ClientError as error:
                if aws_error_code(error) != "InvalidPart":
                    raise
                # A part that was sent twice may have another ETag, if a KMS key encrypts it.
                stored = self._complete(self._as_listed(parts), crc32, size)
        self.is_complete = True
        return stored

    def _complete(self, parts: list[UploadedPart], crc32: int, size: int) -> StoredArchive:
        try:
            answer = self._s3.complete_multipart_upload(
                Bucket=self.target.bucket,
                Key=self.target.key,
                UploadId=self.upload_id,
                ChecksumCRC32=encode(crc32),
                ChecksumType="FULL_OBJECT",
                MpuObjectSize=size,
                IfNoneMatch="*",
                MultipartUpload={
                    "Parts": [
                        {
                            "PartNumber": part.number,
                            "ETag": part.etag,
                            "ChecksumCRC32": encode(part.crc32),
                        }
                        for part in sorted(parts, key=lambda part: part.number)
                    ]
                },
            )
        except ClientError as error:
            if aws_error_code(error) != "PreconditionFailed":
                raise
            try:
                stored = self.existing(crc32, size)
            except TargetExists as exists:
                if not remove_if_owned(self._s3, self.target):
                    raise
                again = f"{self.target} was built from objects that have changed since."
                raise ServiceUnavailable(again) from exists
            self._s3.abort_multipart_upload(
                Bucket=self.target.bucket, Key=self.target.key, UploadId=self.upload_id
            )
            return stored
        if answer.get("ChecksumCRC32") != encode(crc32):
            raise ServiceUnavailable(
                f"S3 completed {self.target} without the checksum that was sent. Its response has "
                f"{answer.get('ChecksumCRC32')}."
            )
        return StoredArchive.of(answer)

    def _as_listed(self, parts: list[UploadedPart]) -> list[UploadedPart]:
        """Return ``parts`` with the ETags that S3 lists. S3 verifies their CRC-32 itself."""
        pages = self._s3.get_paginator("list_parts").paginate(
            Bucket=self.target.bucket, Key=self.target.key, UploadId=self.upload_id
        )
        etags = {
            listed["PartNumber"]: listed["ETag"]
            for page in pages
            for listed in page.get("Parts", [])
        }
        return [replace(part, etag=etags.get(part.number, part.etag)) for part in parts]

    def existing(self, crc32: int, size: int) -> StoredArchive:
        """Return the object at the target if it is the archive.

        Raises TargetExists for another object, UploadGone if there is none.
        """
        with target_errors(self.target):
            try:
                found = self._s3.head_object(
                    Bucket=self.target.bucket, Key=self.target.key, ChecksumMode="ENABLED"
                )
            except ClientError as error:
                if not ErrorResponse.of(error).may_be_absent:
                    raise
                gone = f"There is neither an upload nor an object at {self.target}."
                raise UploadGone(gone) from error
        if (found["ContentLength"], found.get("ChecksumCRC32")) != (size, encode(crc32)):
            raise TargetExists(
                f"{self.target} already exists and is a different object. Delete it or use another "
                "name, then submit the job again."
            )
        return StoredArchive.of(found)
