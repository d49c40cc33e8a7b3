"""Refuses reads of versions and encrypted objects as S3 does. Moto serves them, or returns 404."""

import re

from moto.core.utils import rfc_1123_datetime
from moto.s3.models import FakeDeleteMarker, FakeKey

from local.s3.keys import refuse_key
from local.s3.requests import ObjectAddress, Refusal, S3Request

CUSTOMER_KEY_MD5 = "x-amz-server-side-encryption-customer-key-md5"

NULL_VERSION = "null"
_VERSION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Moto's version IDs. S3 returns "Invalid version id specified" for IDs that it did not make."""


def refuse_read(request: S3Request) -> Refusal | None:
    """Return why S3 refuses to read or copy an object, or None."""
    address = ObjectAddress.read_by(request)
    if address is None:
        return None
    return _refuse_version(request, address) or _refuse_encrypted(request, address)


def _refuse_version(request: S3Request, address: ObjectAddress) -> Refusal | None:
    """Refuse an invalid version ID, and a delete marker.

    LocalStack's recordings ``test_get_object_with_version_unversioned_bucket`` and
    ``test_delete_object_versioned``; "HeadObject" in the Amazon S3 API Reference. The copy of a
    delete marker: versity/versitygw#2417.
    """
    version_id = address.version_id
    if version_id not in (None, NULL_VERSION) and (
        address.bucket.versioning_status is None or not _VERSION_ID.fullmatch(version_id)
    ):
        details = {"ArgumentName": "versionId", "ArgumentValue": version_id}
        return Refusal(
            "400 Bad Request", "InvalidArgument", "Invalid version id specified", details
        )
    marker = address.stored()
    if not isinstance(marker, FakeDeleteMarker):
        return None
    if request.operation not in ("GetObject", "HeadObject"):
        message = (
            "The source of a copy request may not specifically refer to a delete marker by "
            "version id."
        )
        return Refusal("400 Bad Request", "InvalidRequest", message) if version_id else None
    headers = {"x-amz-delete-marker": "true", "x-amz-version-id": marker.version_id}
    if version_id is None:
        message = "The specified key does not exist."
        return Refusal("404 Not Found", "NoSuchKey", message, {"Key": request.key}, headers)
    message = "The specified method is not allowed against this resource."
    details = {"Method": request.method, "ResourceType": "DeleteMarker"}
    headers |= {"Allow": "DELETE", "Last-Modified": rfc_1123_datetime(marker.last_modified)}
    return Refusal("405 Method Not Allowed", "MethodNotAllowed", message, details, headers)


def _refuse_encrypted(request: S3Request, address: ObjectAddress) -> Refusal | None:
    """Refuse an object whose key is missing, wrong or unusable.

    "Using server-side encryption with customer-provided keys" in the S3 User Guide; a capture of
    S3's response is in minio/minio#4894. "HeadObject" in the Amazon S3 API Reference: HEAD too.
    """
    item = address.stored()
    if not isinstance(item, FakeKey):
        return None
    sent = request.header(f"{address.customer_headers}-key-md5")
    stored = item.metadata.get(CUSTOMER_KEY_MD5)
    if stored and not sent:
        message = (
            "The object was stored using a form of Server Side Encryption. The correct parameters "
            "must be provided to retrieve the object."
        )
        return Refusal("400 Bad Request", "InvalidRequest", message)
    if stored and sent != stored:
        return Refusal("403 Forbidden", "AccessDenied", "Access Denied")
    return refuse_key(item.kms_key_id, address.bucket.region_name)
