"""Patches moto's uploads: checksums, preconditions and uploads that no longer exist."""

import base64
import re
import threading
import zlib
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from moto.s3 import responses, utils
from moto.s3.exceptions import NoSuchUpload
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response

from local.s3.reads import CUSTOMER_KEY_MD5

_completing = threading.RLock()

_moto_metadata_from_headers = utils.metadata_from_headers
_moto_copy_object = S3Backend.copy_object
_moto_delete_object = S3Backend.delete_object
_moto_upload_part = S3Backend.upload_part
_moto_complete_multipart_upload = S3Backend.complete_multipart_upload
_moto_put_object_response = S3Response.put_object
_moto_upload_part_response = S3Response.upload_part
_moto_upload_part_copy = S3Response.upload_part_copy
_moto_key_response_post = S3Response._key_response_post  # noqa: SLF001

_CRC32 = "x-amz-checksum-crc32"
_CUSTOMER_HEADERS = (CUSTOMER_KEY_MD5, "x-amz-server-side-encryption-customer-algorithm")

_PART_CHECKSUMS = re.compile(
    r"<Part>(?=.*?<PartNumber>(\d+)</PartNumber>)(?=.*?<ChecksumCRC32>(.*?)</ChecksumCRC32>).*?</Part>",
    re.DOTALL,
)


def patch_uploads() -> None:
    """Patch moto in this process. Calling it again has no effect."""
    responses.metadata_from_headers = _metadata_from_headers  # type: ignore[attr-defined]
    S3Backend.copy_object = _copy_object  # type: ignore[method-assign, assignment]
    S3Backend.delete_object = _delete_object  # type: ignore[method-assign]
    S3Backend.upload_part = _upload_part  # type: ignore[method-assign, assignment]
    S3Backend.complete_multipart_upload = _complete_multipart_upload  # type: ignore[method-assign]
    S3Response.put_object = _put_object_response  # type: ignore[method-assign]
    S3Response.upload_part = _upload_part_response  # type: ignore[method-assign]
    S3Response.upload_part_copy = _upload_part_copy  # type: ignore[method-assign]
    S3Response._key_response_post = _key_response_post  # type: ignore[method-assign]  # noqa: SLF001


def _metadata_from_headers(headers: Any) -> Any:
    """Keep the MD5 of a customer's key with the object, as S3 does.

    "Using server-side encryption with customer-provided keys" in the Amazon S3 User Guide. GET and
    HEAD return both headers.
    """
    metadata = _moto_metadata_from_headers(headers)
    metadata.update(_customer_headers(headers))
    return metadata


def _customer_headers(headers: Any) -> dict[str, str]:
    return {name: headers[name] for name in _CUSTOMER_HEADERS if name in headers}


def _delete_object(self: Any, bucket_name: str, key_name: str, *args: Any, **options: Any) -> Any:
    """Remember in the key's uploads that its object was deleted while they were open."""
    existed = self.get_object(bucket_name, key_name) is not None
    result = _moto_delete_object(self, bucket_name, key_name, *args, **options)
    if existed and self.get_object(bucket_name, key_name) is None:
        for upload in list(self.get_bucket(bucket_name).multiparts.values()):
            if upload.key_name == key_name:
                upload.was_key_deleted = True
    return result


def _copy_object(self: Any, source: Any, bucket_name: str, key_name: str, **options: Any) -> None:
    """Do not keep the MD5 of the source's customer key, which does not encrypt the copy."""
    _moto_copy_object(self, source, bucket_name, key_name, **options)
    copied = self.get_object(bucket_name, key_name).metadata
    for name in _CUSTOMER_HEADERS:
        copied.pop(name, None)
    copied.update(_customer_headers(options.get("metadata") or {}))


def _upload_part(self: Any, bucket_name: str, multipart_id: str, *arguments: Any) -> Any:
    """Raise NoSuchUpload for a finished upload: "UploadPart" in the S3 API Reference.

    Moto raises KeyError.
    """
    if multipart_id not in self.get_bucket(bucket_name).multiparts:
        raise NoSuchUpload(multipart_id)
    return _moto_upload_part(self, bucket_name, multipart_id, *arguments)


def _complete_multipart_upload(self: Any, bucket_name: str, multipart_id: str, body: Any) -> Any:
    """Raise NoSuchUpload for a finished upload: "CompleteMultipartUpload" in the S3 API Reference.

    Moto raises KeyError, also if two requests complete the upload at the same time. It does not
    apply the bucket's default retention: "How S3 Object Lock works" in the S3 User Guide.
    """
    bucket = self.get_bucket(bucket_name)
    with _completing:
        if multipart_id not in bucket.multiparts:
            raise NoSuchUpload(multipart_id)
        item = _moto_complete_multipart_upload(self, bucket_name, multipart_id, body)
    if item is not None and bucket.has_default_lock:
        item.lock_mode, item.lock_until = bucket.default_lock_mode, bucket.default_retention()
    return item


def _put_object_response(self: Any) -> Any:
    return _wrong_checksum(self) or _moto_put_object_response(self)


def _upload_part_response(self: Any) -> Any:
    """Verify the part's CRC-32, and return it: "UploadPart" in the Amazon S3 API Reference.

    Moto returns it only if the request names its algorithm.
    """
    if error := _wrong_checksum(self):
        return error
    status, headers, body = _moto_upload_part_response(self)
    if _has_crc32(_upload_of(self)):
        headers[_CRC32] = _encode(zlib.crc32(self.body or b""))
    return status, headers, body


def _wrong_checksum(self: Any) -> Any:
    """Return an error if the CRC-32 in a header or trailer is not that of the body.

    "Checking object integrity for data uploads" in the Amazon S3 User Guide. Moto verifies nothing.
    """
    sent = self.headers.get(_CRC32)
    if self.headers.get("x-amz-trailer") == _CRC32:
        trailer = re.search(rb"\r\nx-amz-checksum-crc32:\s*(\S+)\s*$", self.raw_body)
        sent = trailer[1].decode() if trailer else None
    if sent in (None, _encode(zlib.crc32(self.body or b""))):
        return None
    message = "The CRC32 you specified did not match the calculated checksum."
    return _error(400, "BadDigest", message)


def _upload_part_copy(self: Any) -> Any:
    """Check the precondition of a copy, and return the part's CRC-32.

    "UploadPartCopy" in the Amazon S3 API Reference: ``x-amz-copy-source-if-match`` is a
    precondition, and the result has ``ChecksumCRC32`` if the upload was created with CRC32. Moto
    supports neither. A range of a source of any size can be copied: LocalStack's recording
    ``test_upload_part_copy_range``.
    """
    source = urlsplit(self.headers["x-amz-copy-source"])
    bucket, key = unquote(source.path).lstrip("/").split("/", 1)
    version_id = parse_qs(source.query).get("versionId", [None])[0]
    item = self.backend.get_object(bucket, key, version_id=version_id)
    if item is None:
        return _error(404, "NoSuchKey", "The specified key does not exist.")
    expected = self.headers.get("x-amz-copy-source-if-match")
    if expected and expected.strip('"') != item.etag.strip('"'):
        return _error(412, "PreconditionFailed")
    status, headers, body = _moto_upload_part_copy(self)
    upload = _upload_of(self)
    if status == 200 and _has_crc32(upload):
        part = upload.parts[self._get_int_param("partNumber")]
        crc32 = f"<ChecksumCRC32>{_encode(zlib.crc32(part.value))}</ChecksumCRC32>"
        return _with_elements(status, headers, body, crc32)
    return status, headers, body


def _key_response_post(
    self: Any, request: Any, body: bytes, bucket_name: str, query: dict[str, Any], key_name: str
) -> Any:
    """Verify preconditions, checksums and size before an upload is completed. Return its checksum.

    "CompleteMultipartUpload" in the Amazon S3 API Reference: S3 verifies the checksum of each part,
    the full-object checksum and ``x-amz-mp-object-size``. Moto verifies nothing. S3 refuses to
    create an object whose key was deleted during the upload, each time: LocalStack's recording
    ``test_multipart_if_none_match_with_delete``.
    """
    upload_id = query.get("uploadId", [None])[0]
    upload = self.backend.get_bucket(bucket_name).multiparts.get(upload_id)
    if upload is not None and _has_crc32(upload):
        crc, size = 0, 0
        for number, sent in _PART_CHECKSUMS.findall(body.decode()):
            part = upload.parts.get(int(number))
            if part is None or sent != _encode(zlib.crc32(part.value)):
                return _error(400, "InvalidPart")
            crc, size = zlib.crc32(part.value, crc), size + len(part.value)
        if self.headers.get(_CRC32, _encode(crc)) != _encode(crc):
            return _error(400, "BadDigest")
        if int(self.headers.get("x-amz-mp-object-size", size)) != size:
            return _error(400, "InvalidRequest")
    stored = self.backend.get_object(bucket_name, key_name) if upload is not None else None
    is_new = stored is None and self.headers.get("if-none-match") == "*"
    if is_new and getattr(upload, "was_key_deleted", False):
        message = (
            "The conditional request cannot succeed due to a conflicting operation against this "
            "resource."
        )
        return _error(409, "ConditionalRequestConflict", message)
    status, headers, answer = _moto_key_response_post(
        self, request, body, bucket_name, query, key_name
    )
    if upload_id is None or status != 200:
        return status, headers, answer
    item = self.backend.get_object(bucket_name, key_name)
    return _with_elements(status, headers, answer, _checksum_elements(item))


def _upload_of(self: Any) -> Any:
    return self.backend.get_bucket(self.bucket_name).multiparts[self._get_param("uploadId")]


def _has_crc32(upload: Any) -> bool:
    return bool(upload.metadata.get("x-amz-checksum-algorithm") == "CRC32")


def _checksum_elements(item: Any) -> str:
    """Return the checksum of an object whose upload was created with an algorithm."""
    if item is None or not item.checksum_algorithm:
        return ""
    is_composite = item.checksum_type == "COMPOSITE"
    value = f"{item.checksum_value}-{item.checksum_parts}" if is_composite else item.checksum_value
    name = f"Checksum{item.checksum_algorithm}"
    return f"<{name}>{value}</{name}><ChecksumType>{item.checksum_type}</ChecksumType>"


def _encode(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def _with_elements(status: int, headers: Any, body: Any, elements: str) -> tuple[int, Any, str]:
    """Add elements to a response, after its ETag."""
    text = body.decode() if isinstance(body, bytes) else body
    text = text.replace("</ETag>", f"</ETag>{elements}", 1)
    headers["content-length"] = str(len(text.encode()))
    return status, headers, text


def _error(status: int, code: str, message: str = "") -> tuple[int, dict[str, str], str]:
    body = f"<Error><Code>{code}</Code><Message>{message or code}</Message></Error>"
    return status, {"content-type": "application/xml", "content-length": str(len(body))}, body
