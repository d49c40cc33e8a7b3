"""S3 verifies checksums and preconditions of uploads, and returns checksums."""

import base64
import hashlib
import zlib
from typing import Any

import pytest

from tests.support.other_s3 import differs
from tests.unit.local.s3.conftest import S3, refused

pytestmark = pytest.mark.s3

MIB = 1024 * 1024
TRAILING = {
    "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "x-amz-trailer": "x-amz-checksum-crc32",
    "Content-Encoding": "aws-chunked",
}


NO_LOCK_CHECK = differs("default retention requires no checksum")
NEEDS_CRC32 = differs("400 for a part without CRC-32")


def crc32_of(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def with_trailer(data: bytes, checksum: str) -> bytes:
    trailer = f"\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n"
    return f"{len(data):x}\r\n".encode() + data + trailer.encode()


class Upload:
    """An upload with full-object CRC-32 to the key "a" of a bucket."""

    def __init__(self, s3: S3, bucket: str, **options: Any) -> None:
        self.client = s3.client()
        place = {"Bucket": bucket, "Key": "a"}
        options = options or {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
        upload_id = self.client.create_multipart_upload(**place, **options)["UploadId"]
        self.at = {**place, "UploadId": upload_id}
        self.path = f"/{bucket}/a?uploadId={upload_id}&partNumber="
        self.parts: list[dict[str, Any]] = []

    def put(self, data: bytes) -> None:
        number = len(self.parts) + 1
        sent = self.client.upload_part(
            **self.at, PartNumber=number, Body=data, ChecksumCRC32=crc32_of(data)
        )
        part = {"PartNumber": number, "ETag": sent["ETag"], "ChecksumCRC32": sent["ChecksumCRC32"]}
        self.parts.append(part)

    def complete(self, **options: Any) -> Any:
        return self.client.complete_multipart_upload(
            **self.at, MultipartUpload={"Parts": self.parts}, **options
        )


@pytest.fixture
def locked(s3: S3) -> str:
    """A bucket with default retention."""
    bucket = s3.bucket(ObjectLockEnabledForBucket=True)
    retention = {"Mode": "GOVERNANCE", "Days": 1}
    s3.client().put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": retention},
        },
    )
    return bucket


@differs("400 for a part without checksum. S3 computes it: see the tests of openstack/swift")
def test_a_part_response_has_etag_and_checksum(s3: S3) -> None:
    upload = Upload(s3, s3.bucket())
    for headers, body in (
        ({}, b"part"),
        ({"x-amz-checksum-crc32": crc32_of(b"part")}, b"part"),
        (TRAILING, with_trailer(b"part", crc32_of(b"part"))),
    ):
        response = s3.send("PUT", f"{upload.path}1", headers, body)
        assert response.status == 200
        assert response.headers["x-amz-checksum-crc32"] == crc32_of(b"part")
        assert response.headers["etag"] == f'"{hashlib.md5(b"part").hexdigest()}"'


def test_a_part_with_another_checksum_is_refused(s3: S3) -> None:
    bucket = s3.bucket()
    paths = (f"{Upload(s3, bucket).path}1", f"/{bucket}/b")
    wrong = crc32_of(b"other")
    for path in paths:
        for headers, body in (
            ({"x-amz-checksum-crc32": wrong}, b"part"),
            (TRAILING, with_trailer(b"part", wrong)),
        ):
            response = s3.send("PUT", path, headers, body)
            assert response.status == 400
            assert "<Code>BadDigest</Code>" in response.text


def test_the_completed_upload_has_a_checksum(s3: S3) -> None:
    upload = Upload(s3, s3.bucket())
    first, last = b"a" * 5 * MIB, b"b"
    upload.put(first)
    upload.put(last)
    completed = upload.complete(ChecksumCRC32=crc32_of(first + last), ChecksumType="FULL_OBJECT")
    assert completed["ChecksumCRC32"] == crc32_of(first + last)
    assert completed["ChecksumType"] == "FULL_OBJECT"
    assert completed["ETag"].endswith('-2"')


def test_a_composite_checksum_counts_its_parts(s3: S3) -> None:
    upload = Upload(s3, s3.bucket(), ChecksumAlgorithm="CRC32")
    upload.put(b"part")
    completed = upload.complete()
    assert completed["ChecksumType"] == "COMPOSITE"
    assert completed["ChecksumCRC32"].endswith("-1")


def test_a_key_that_was_deleted_during_the_upload_is_in_conflict_for_good(s3: S3) -> None:
    bucket = s3.bucket()
    s3.client().put_object(Bucket=bucket, Key="a", Body=b"old")
    upload = Upload(s3, bucket)
    upload.put(b"new")
    assert refused(lambda: upload.complete(IfNoneMatch="*")) == (412, "PreconditionFailed")
    s3.client().delete_object(Bucket=bucket, Key="a")
    for _ in range(3):
        assert refused(lambda: upload.complete(IfNoneMatch="*")) == (
            409,
            "ConditionalRequestConflict",
        )
    again = Upload(s3, bucket)
    again.put(b"new")
    assert again.complete(IfNoneMatch="*")["ETag"]


def test_deleting_a_key_that_does_not_exist_is_no_conflict(s3: S3) -> None:
    bucket = s3.bucket()
    upload = Upload(s3, bucket)
    upload.put(b"new")
    s3.client().delete_object(Bucket=bucket, Key="a")
    assert upload.complete(IfNoneMatch="*")["ETag"]


def test_a_range_of_a_small_object_is_copied(s3: S3) -> None:
    bucket = s3.bucket()
    s3.client().put_object(Bucket=bucket, Key="small", Body=b"0123456789")
    upload = Upload(s3, bucket)
    copied = upload.client.upload_part_copy(
        **upload.at,
        PartNumber=1,
        CopySource={"Bucket": bucket, "Key": "small"},
        CopySourceRange="bytes=2-5",
    )["CopyPartResult"]
    assert copied["ChecksumCRC32"] == crc32_of(b"2345")


@pytest.mark.parametrize(
    ("headers", "body", "put_status", "part_status"),
    [
        pytest.param({}, b"data", 400, 400, marks=NO_LOCK_CHECK),
        ({"x-amz-checksum-crc32": crc32_of(b"data")}, b"data", 200, 200),
        pytest.param(
            {"Content-MD5": "jXd/OF09/siBXSD3SWAm3A=="}, b"data", 200, 200, marks=NEEDS_CRC32
        ),
        pytest.param(
            TRAILING, with_trailer(b"data", crc32_of(b"data")), 200, 400, marks=NO_LOCK_CHECK
        ),
    ],
    ids=["none", "header", "md5", "trailer"],
)
def test_a_bucket_with_default_retention_requires_a_checksum(
    s3: S3, locked: str, headers: dict[str, str], body: bytes, put_status: int, part_status: int
) -> None:
    put = s3.send("PUT", f"/{locked}/b", headers, body)
    part = s3.send("PUT", f"{Upload(s3, locked).path}1", headers, body)
    assert (put.status, part.status) == (put_status, part_status)
    for response, kind in ((put, "Object"), (part, "Part")):
        if response.status == 400:
            assert "<Code>InvalidRequest</Code>" in response.text
            assert f"HTTP header is required for Put {kind} requests" in response.text


def test_default_retention_protects_a_completed_upload(s3: S3, locked: str) -> None:
    upload = Upload(s3, locked)
    upload.put(b"data")
    version = upload.complete(IfNoneMatch="*")["VersionId"]
    place, client = {"Bucket": locked, "Key": "a"}, s3.client()
    assert client.head_object(**place)["ObjectLockMode"] == "GOVERNANCE"
    deletion = {**place, "VersionId": version}
    assert refused(lambda: client.delete_object(**deletion)) == (403, "AccessDenied")
    assert client.delete_object(**place)["DeleteMarker"]
    assert client.get_object(**deletion)["Body"].read() == b"data"
