import base64
import zlib
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError

from zipjobs.archive.writer import ArchiveWriter, Target
from zipjobs.errors import ServiceUnavailable, TargetForbidden

TARGET = Target("dst", "zips/a.zip")


def test_an_upload_is_completed_with_its_checksum_and_size(s3: Any) -> None:
    data = b"hello"
    with (
        patch.object(
            s3, "complete_multipart_upload", wraps=s3.complete_multipart_upload
        ) as complete,
        ArchiveWriter(s3).upload(TARGET) as upload,
    ):
        part = upload.put_part(1, data, zlib.crc32(data))
        etag = upload.complete([part], zlib.crc32(data), len(data))
    sent = complete.call_args.kwargs
    assert sent["ChecksumType"] == "FULL_OBJECT"
    assert sent["ChecksumCRC32"] == base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    assert sent["MpuObjectSize"] == 5
    stored = s3.get_object(Bucket="dst", Key=TARGET.key)
    assert (stored["Body"].read(), stored["ETag"]) == (data, etag)
    assert stored["ContentType"] == "application/zip"


def test_an_upload_that_fails_is_aborted(s3: Any, uploads: Callable[[], list[Any]]) -> None:
    created: list[str] = []

    def fail() -> None:
        with ArchiveWriter(s3).upload(TARGET, created.append):
            assert [upload["UploadId"] for upload in uploads()] == created
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert uploads() == []


def test_an_upload_is_aborted_when_nobody_may_be_told_of_it(
    s3: Any, uploads: Callable[[], list[Any]]
) -> None:
    def refuse(upload_id: str) -> None:
        raise ServiceUnavailable("no table")

    with pytest.raises(ServiceUnavailable), ArchiveWriter(s3).upload(TARGET, refuse):
        pytest.fail("the block must not run")
    assert uploads() == []


def test_an_abort_that_fails_is_not_passed_over(s3: Any) -> None:
    refused = ClientError({"Error": {"Code": "SlowDown"}}, "AbortMultipartUpload")
    with (
        patch.object(s3, "abort_multipart_upload", side_effect=refused),
        pytest.raises(ServiceUnavailable),
        ArchiveWriter(s3).upload(TARGET),
    ):
        raise ZeroDivisionError


def test_aborting_what_is_gone_is_no_error(s3: Any) -> None:
    with ArchiveWriter(s3).upload(TARGET) as upload:
        upload_id = upload.upload_id
    ArchiveWriter(s3).abort(TARGET, upload_id)


def test_a_bucket_that_may_not_be_written_is_named(s3: Any) -> None:
    with (
        pytest.raises(TargetForbidden, match="no-such-bucket"),
        ArchiveWriter(s3).upload(Target("no-such-bucket", "a.zip")),
    ):
        pytest.fail("the block must not run")
