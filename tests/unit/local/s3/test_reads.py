"""S3 refuses to read some versions and some encrypted objects."""

import base64
import hashlib
from typing import Any

import pytest

from tests.support.other_s3 import differs
from tests.unit.local.s3.conftest import S3, refused

pytestmark = pytest.mark.s3

FOREIGN_VERSION = "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD"
UNKNOWN_VERSION = "00000000-0000-4000-8000-000000000000"
CUSTOMER_KEY = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
WRONG_KEY = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "w" * 32}


def put_marker(s3: S3) -> tuple[str, str, str]:
    """Put and delete the object "a". Return the bucket, its version and its delete marker."""
    bucket, client = s3.versioned_bucket(), s3.client()
    version = client.put_object(Bucket=bucket, Key="a", Body=b"a")["VersionId"]
    return bucket, version, client.delete_object(Bucket=bucket, Key="a")["VersionId"]


def start_copy(s3: S3) -> dict[str, Any]:
    """Create an upload. Return the arguments that its first part needs."""
    place = {"Bucket": s3.bucket(), "Key": "copy"}
    upload = s3.client().create_multipart_upload(**place, ChecksumAlgorithm="CRC32")
    return {**place, "UploadId": upload["UploadId"], "PartNumber": 1}


@pytest.mark.parametrize("version", [FOREIGN_VERSION, UNKNOWN_VERSION])
def test_a_bucket_without_versions_has_no_version_but_null(s3: S3, version: str) -> None:
    bucket = s3.bucket()
    s3.client().put_object(Bucket=bucket, Key="a", Body=b"a")
    response = s3.send("GET", f"/{bucket}/a?versionId={version}")
    assert response.status == 400
    assert "<Code>InvalidArgument</Code>" in response.text
    assert "<Message>Invalid version id specified</Message>" in response.text
    assert f"<ArgumentValue>{version}</ArgumentValue>" in response.text
    assert s3.send("HEAD", f"/{bucket}/a?versionId={version}").status == 400
    assert s3.send("GET", f"/{bucket}/a?versionId=null").text == "a"
    assert s3.send("HEAD", f"/{bucket}/a?versionId=null").status == 200


@differs("404 for a malformed version")
def test_a_malformed_version_is_invalid_and_an_unknown_one_is_missing(s3: S3) -> None:
    bucket, version, _ = put_marker(s3)
    client, place = s3.client(), {"Bucket": bucket, "Key": "a"}
    assert refused(lambda: client.get_object(**place, VersionId="v")) == (400, "InvalidArgument")
    assert refused(lambda: client.head_object(**place, VersionId="v"))[0] == 400
    unknown = {**place, "VersionId": UNKNOWN_VERSION}
    assert refused(lambda: client.get_object(**unknown)) == (404, "NoSuchVersion")
    assert client.get_object(**place, VersionId=version)["Body"].read() == b"a"
    part = {**start_copy(s3), "CopySource": {**place, "VersionId": "v"}}
    assert refused(lambda: client.upload_part_copy(**part)) == (400, "InvalidArgument")


@differs("no Last-Modified, and HEAD returns no x-amz-delete-marker")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_delete_marker_cannot_be_read(s3: S3, method: str) -> None:
    bucket, _, marker = put_marker(s3)
    response = s3.send(method, f"/{bucket}/a?versionId={marker}")
    assert response.status == 405
    assert response.headers["x-amz-delete-marker"] == "true"
    assert response.headers["x-amz-version-id"] == marker
    assert response.headers["allow"] == "DELETE"
    assert response.headers["last-modified"].endswith(" GMT")
    assert ("<Code>MethodNotAllowed</Code>" in response.text) == (method == "GET")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_deleted_object_is_missing_and_names_its_marker(s3: S3, method: str) -> None:
    bucket, _, marker = put_marker(s3)
    response = s3.send(method, f"/{bucket}/a")
    assert response.status == 404
    assert response.headers["x-amz-delete-marker"] == "true"
    assert response.headers["x-amz-version-id"] == marker
    assert ("<Code>NoSuchKey</Code>" in response.text) == (method == "GET")


def test_a_delete_marker_cannot_be_copied(s3: S3) -> None:
    bucket, _, marker = put_marker(s3)
    client, part = s3.client(), start_copy(s3)
    source = {"Bucket": bucket, "Key": "a"}
    marked = {**part, "CopySource": {**source, "VersionId": marker}}
    assert refused(lambda: client.upload_part_copy(**marked)) == (400, "InvalidRequest")
    current = {**part, "CopySource": source}
    assert refused(lambda: client.upload_part_copy(**current)) == (404, "NoSuchKey")


def test_an_object_with_a_customer_key_is_only_read_with_the_key(s3: S3) -> None:
    client, place = s3.client(), {"Bucket": s3.bucket(), "Key": "a"}
    client.put_object(**place, Body=b"secret", **CUSTOMER_KEY)
    assert refused(lambda: client.get_object(**place)) == (400, "InvalidRequest")
    assert refused(lambda: client.head_object(**place))[0] == 400
    assert refused(lambda: client.get_object(**place, **WRONG_KEY)) == (403, "AccessDenied")
    read = client.get_object(**place, **CUSTOMER_KEY)
    assert read["Body"].read() == b"secret"
    digest = hashlib.md5(b"k" * 32).digest()
    assert read["SSECustomerKeyMD5"] == base64.b64encode(digest).decode()


@differs("errors have a Content-Length")
def test_a_refusal_is_chunked_and_closes_the_connection(s3: S3) -> None:
    bucket = s3.bucket()
    s3.client().put_object(Bucket=bucket, Key="a", Body=b"secret", **CUSTOMER_KEY)
    response = s3.send("GET", f"/{bucket}/a")
    assert response.headers["transfer-encoding"] == "chunked"
    assert response.headers["connection"] == "close"
    assert "content-length" not in response.headers
    assert "The object was stored using a form of Server Side Encryption." in response.text


@differs("copies without the customer's key")
def test_an_object_with_a_customer_key_is_only_copied_with_the_key(s3: S3) -> None:
    client, source = s3.client(), {"Bucket": s3.bucket(), "Key": "a"}
    client.put_object(**source, Body=b"secret", **CUSTOMER_KEY)
    part = {**start_copy(s3), "CopySource": source}
    assert refused(lambda: client.upload_part_copy(**part)) == (400, "InvalidRequest")
    key = {f"CopySource{name}": value for name, value in CUSTOMER_KEY.items()}
    assert client.upload_part_copy(**part, **key)["CopyPartResult"]["ETag"]
    copy = {"Bucket": source["Bucket"], "Key": "copy"}
    client.copy_object(**copy, CopySource=source, **key)
    assert client.get_object(**copy)["Body"].read() == b"secret"
    client.copy_object(**copy, CopySource=source, **key, **WRONG_KEY)
    assert client.get_object(**copy, **WRONG_KEY)["Body"].read() == b"secret"
    assert refused(lambda: client.get_object(**copy)) == (400, "InvalidRequest")


def test_an_upload_keeps_the_customer_key(s3: S3) -> None:
    client, place = s3.client(), {"Bucket": s3.bucket(), "Key": "a"}
    upload = client.create_multipart_upload(**place, **CUSTOMER_KEY)
    part = {**place, "UploadId": upload["UploadId"]}
    etag = client.upload_part(**part, PartNumber=1, Body=b"secret", **CUSTOMER_KEY)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    client.complete_multipart_upload(**part, MultipartUpload=parts)
    assert refused(lambda: client.get_object(**place)) == (400, "InvalidRequest")


@differs("runs without KMS")
@pytest.mark.parametrize(
    ("end_key", "code"),
    [
        ("disable_key", "KMS.DisabledException"),
        ("schedule_key_deletion", "KMS.KMSInvalidStateException"),
    ],
)
def test_an_object_is_unreadable_while_its_kms_key_is_unusable(
    s3: S3, end_key: str, code: str
) -> None:
    client, kms = s3.client(), s3.client("kms")
    key = kms.create_key()["KeyMetadata"]
    place = {"Bucket": s3.bucket(), "Key": "a"}
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key["Arn"]}
    client.put_object(**place, Body=b"secret", **encryption)
    assert client.get_object(**place)["Body"].read() == b"secret"
    getattr(kms, end_key)(KeyId=key["KeyId"])
    assert refused(lambda: client.get_object(**place)) == (400, code)
    assert refused(lambda: client.head_object(**place))[0] == 400
    part = {**start_copy(s3), "CopySource": place}
    assert refused(lambda: client.upload_part_copy(**part)) == (400, code)
    assert refused(lambda: client.put_object(**place, Body=b"", **encryption)) == (400, code)


@differs("runs without KMS")
def test_a_buckets_default_key_counts(s3: S3) -> None:
    client, kms = s3.client(), s3.client("kms")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"alias/{key_id}", TargetKeyId=key_id)
    place = {"Bucket": s3.bucket(), "Key": "a"}
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": f"alias/{key_id}"}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    client.put_bucket_encryption(Bucket=place["Bucket"], ServerSideEncryptionConfiguration=rules)
    client.put_object(**place, Body=b"secret")
    kms.disable_key(KeyId=key_id)
    disabled = (400, "KMS.DisabledException")
    assert refused(lambda: client.get_object(**place)) == disabled
    assert refused(lambda: client.create_multipart_upload(**place)) == disabled
    kms.enable_key(KeyId=key_id)
    assert client.get_object(**place)["Body"].read() == b"secret"


@differs("runs without KMS")
def test_a_kms_key_that_does_not_exist_is_not_found(s3: S3) -> None:
    client, place = s3.client(), {"Bucket": s3.bucket(), "Key": "a"}
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": UNKNOWN_VERSION}
    missing = (400, "KMS.NotFoundException")
    assert refused(lambda: client.put_object(**place, Body=b"", **encryption)) == missing
    aws_key = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/aws/s3"}
    client.put_object(**place, Body=b"a", **aws_key)
    assert client.get_object(**place)["Body"].read() == b"a"


@pytest.mark.parametrize("method", ["get_object", "head_object"])
def test_an_etag_needs_no_quotes(s3: S3, method: str) -> None:
    client, place = s3.client(), {"Bucket": s3.bucket(), "Key": "a"}
    etag = client.put_object(**place, Body=b"a")["ETag"]
    read = getattr(client, method)
    assert read(**place, IfMatch=etag.strip('"'))["ETag"] == etag
    assert refused(lambda: read(**place, IfMatch="0" * 32))[0] == 412


def test_an_empty_object_has_no_first_byte_but_a_suffix(s3: S3) -> None:
    """apache/arrow-rs-object-store#846 and minio/minio#17713 quote AWS's responses."""
    client, place = s3.client(), {"Bucket": s3.bucket(), "Key": "empty"}
    client.put_object(**place, Body=b"")
    for first in ("bytes=0-", "bytes=0-0", "bytes=0-99"):
        assert refused(lambda text=first: client.get_object(**place, Range=text)) == (  # type: ignore[misc]
            416,
            "InvalidRange",
        )
    suffix = s3.send("GET", f"/{place['Bucket']}/empty", {"Range": "bytes=-5"})
    assert (suffix.status, suffix.headers["content-length"]) == (200, "0")
