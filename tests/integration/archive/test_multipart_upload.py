"""Multipart uploads of archives."""

import base64
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest

from tests.support.keys import ODD_KEYS, ODD_SOURCE_KEYS
from tests.support.s3_clients import client_error
from zipjobs.errors import ServiceUnavailable, SourceChanged, TargetExists, TargetForbidden
from zipjobs.s3.multipart_upload import ArchiveWriter, StoredArchive
from zipjobs.s3.part_upload import PartSender
from zipjobs.s3.source import ObjectVersion, Source
from zipjobs.s3.target import Target
from zipjobs.s3.upload_cleanup import UploadCleaner

TARGET = Target("dst", "zips/a.zip")
MODIFIED = datetime(2026, 11, 1, tzinfo=UTC)


def test_an_upload_is_completed_with_checksum_and_size(s3: Any, sender: PartSender) -> None:
    data = b"hello"
    with (
        patch.object(
            s3, "complete_multipart_upload", wraps=s3.complete_multipart_upload
        ) as complete,
        ArchiveWriter(s3, sender).upload(TARGET) as upload,
    ):
        part = upload.put_part(1, len(data), lambda: [data])
        done = upload.complete([part], zlib.crc32(data), len(data))
    sent = complete.call_args.kwargs
    assert sent["ChecksumType"] == "FULL_OBJECT"
    assert sent["ChecksumCRC32"] == base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    assert sent["MpuObjectSize"] == 5
    stored = s3.get_object(Bucket="dst", Key=TARGET.key)
    assert (stored["Body"].read(), stored["ETag"], None) == (data, done.etag, done.version_id)
    assert stored["ContentType"] == "application/zip"


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS)
def test_an_archive_is_stored_under_exactly_its_key(s3: Any, sender: PartSender, key: str) -> None:
    with ArchiveWriter(s3, sender).upload(Target("dst", key)) as upload:
        part = upload.put_part(1, 5, lambda: [b"hello"])
        done = upload.complete([part], zlib.crc32(b"hello"), 5)
    stored = s3.get_object(Bucket="dst", Key=key)
    assert (stored["Body"].read(), stored["ETag"]) == (b"hello", done.etag)


@pytest.mark.parametrize("key", ODD_SOURCE_KEYS.values(), ids=ODD_SOURCE_KEYS)
def test_a_range_of_an_object_with_exactly_the_key_is_copied(
    s3: Any, sender: PartSender, key: str
) -> None:
    etag = s3.put_object(Bucket="src", Key=key, Body=b"0123456789")["ETag"]
    found = ObjectVersion(Source("src", key), etag, 10, MODIFIED)
    with ArchiveWriter(s3, sender).upload(TARGET) as upload:
        assert upload.copy_part(1, found, 2, 5).crc32 == zlib.crc32(b"23456")


def test_a_range_of_an_old_version_is_copied(s3: Any, sender: PartSender) -> None:
    s3.put_bucket_versioning(Bucket="src", VersioningConfiguration={"Status": "Enabled"})
    old, _ = (s3.put_object(Bucket="src", Key="a", Body=body) for body in (b"first", b"second"))
    found = ObjectVersion(Source("src", "a", old["VersionId"]), old["ETag"], 5, MODIFIED)
    with ArchiveWriter(s3, sender).upload(TARGET) as upload:
        assert upload.copy_part(1, found, 0, 4).crc32 == zlib.crc32(b"firs")


def test_a_changed_object_is_not_copied(s3: Any, sender: PartSender) -> None:
    old, _ = (s3.put_object(Bucket="src", Key="a", Body=body) for body in (b"first", b"second"))
    found = ObjectVersion(Source("src", "a"), old["ETag"], 5, MODIFIED)
    with ArchiveWriter(s3, sender).upload(TARGET) as upload, pytest.raises(SourceChanged):
        upload.copy_part(1, found, 0, 4)


def put(s3: Any, sender: PartSender, data: bytes, crc32: int, size: int) -> StoredArchive:
    with ArchiveWriter(s3, sender).upload(TARGET) as upload:
        part = upload.put_part(1, len(data), lambda: [data])
        return upload.complete([part], crc32, size)


@pytest.mark.parametrize("versioning", [None, "Enabled", "Suspended"])
def test_an_existing_object_that_equals_the_archive_is_accepted(
    s3: Any, sender: PartSender, versioning: str | None
) -> None:
    if versioning is not None:
        configuration = {"Status": versioning}
        s3.put_bucket_versioning(Bucket="dst", VersioningConfiguration=configuration)
    first, second = (put(s3, sender, b"hello", zlib.crc32(b"hello"), 5) for _ in range(2))
    assert first == second
    assert (first.version_id is not None) == (versioning == "Enabled")


def test_an_upload_is_completed_with_the_current_etags_of_parts(
    s3: Any, sender: PartSender
) -> None:
    with ArchiveWriter(s3, sender).upload(TARGET) as upload:
        part = upload.put_part(1, 5, lambda: [b"hello"])
        stale = replace(part, etag='"old"')
        upload.complete([stale], zlib.crc32(b"hello"), 5)
    assert s3.get_object(Bucket="dst", Key=TARGET.key)["Body"].read() == b"hello"


def test_another_object_is_never_replaced(s3: Any, sender: PartSender) -> None:
    s3.put_object(Bucket="dst", Key=TARGET.key, Body=b"precious")
    with pytest.raises(TargetExists, match=r"zips/a\.zip"):
        put(s3, sender, b"hello", zlib.crc32(b"hello"), 5)
    assert s3.get_object(Bucket="dst", Key=TARGET.key)["Body"].read() == b"precious"


def test_an_archive_with_a_wrong_checksum_is_refused(s3: Any, sender: PartSender) -> None:
    with pytest.raises(ServiceUnavailable, match="BadDigest"):
        put(s3, sender, b"hello", crc32=1, size=5)


def test_an_archive_with_a_wrong_size_is_refused(s3: Any, sender: PartSender) -> None:
    with pytest.raises(TargetForbidden, match="InvalidRequest"):
        put(s3, sender, b"hello", crc32=zlib.crc32(b"hello"), size=6)


def test_an_upload_that_fails_is_aborted(
    s3: Any, sender: PartSender, uploads: Callable[[], list[Any]]
) -> None:
    created: list[str] = []

    def fail() -> None:
        with ArchiveWriter(s3, sender).upload(TARGET, created.append):
            assert [upload["UploadId"] for upload in uploads()] == created
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert uploads() == []


def test_an_upload_that_cannot_be_recorded_is_aborted(
    s3: Any, sender: PartSender, uploads: Callable[[], list[Any]]
) -> None:
    def refuse(upload_id: str) -> None:
        raise ServiceUnavailable("no table")

    with pytest.raises(ServiceUnavailable), ArchiveWriter(s3, sender).upload(TARGET, refuse):
        pytest.fail("the block must not run")
    assert uploads() == []


def test_a_failed_abort_is_an_error(s3: Any, sender: PartSender) -> None:
    refused = client_error("SlowDown", 503)
    with (
        patch.object(s3, "abort_multipart_upload", side_effect=refused),
        pytest.raises(ServiceUnavailable),
        ArchiveWriter(s3, sender).upload(TARGET),
    ):
        raise ZeroDivisionError


def test_a_missing_upload_can_be_aborted(s3: Any, sender: PartSender) -> None:
    with ArchiveWriter(s3, sender).upload(TARGET) as upload:
        upload_id = upload.upload_id
    UploadCleaner(s3).abort(TARGET, upload_id)


def test_a_bucket_that_cannot_be_written_is_named(s3: Any, sender: PartSender) -> None:
    with (
        pytest.raises(TargetForbidden, match="no-such-bucket"),
        ArchiveWriter(s3, sender).upload(Target("no-such-bucket", "a.zip")),
    ):
        pytest.fail("the block must not run")


def test_an_archive_in_a_bucket_with_object_lock(s3: Any, sender: PartSender) -> None:
    """S3 requires a checksum in a header of each part then."""
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    s3.put_object_lock_configuration(
        Bucket="locked",
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    )
    data = bytes(6 * 1024**2)
    with ArchiveWriter(s3, sender).upload(Target("locked", "a.zip")) as upload:
        part = upload.put_part(1, len(data), lambda: [data])
        stored = upload.complete([part], zlib.crc32(data), len(data))
    head = s3.head_object(Bucket="locked", Key="a.zip")
    assert (head["VersionId"], head["ObjectLockMode"]) == (stored.version_id, "GOVERNANCE")
