"""Refuses the use of KMS keys that are not enabled. Moto encrypts nothing and ignores their state.

"Error responses" in the Amazon S3 API Reference lists the codes ``KMS.*``. localstack#8422 and
localstack#8423 say which state leads to which code, as validated against AWS. The messages are
those of KMS.
"""

from moto.kms.models import kms_backends

from local.names import ACCOUNT_ID
from local.s3.requests import Refusal, S3Request

_OF_AWS = "alias/aws/"
_WRITES = (
    *("CopyObject", "PutObject"),
    *("CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart", "UploadPartCopy"),
)


def refuse_key(key_id: str | None, region: str) -> Refusal | None:
    """Return why S3 cannot use a key, or None. ``key_id`` is an ID, an alias or an ARN of either.

    None and AWS's own key are always usable.
    """
    name = (key_id or _OF_AWS).rpartition(":")[2].removeprefix("key/")
    if name.startswith(_OF_AWS):
        return None
    keys = kms_backends[ACCOUNT_ID][region].keys.values()
    key = next((key for key in keys if name == key.id or name in key.aliases), None)
    if key is None:
        return _refusal("NotFoundException", f"Key '{key_id}' does not exist")
    if key.key_state == "Enabled":
        return None
    if key.key_state == "Disabled":
        return _refusal("DisabledException", f"{key.arn} is disabled.")
    return _refusal("KMSInvalidStateException", f"{key.arn} is pending deletion.")


def refuse_write_with_key(request: S3Request) -> Refusal | None:
    """Return why the key of the object that is written cannot be used, or None."""
    if request.operation not in _WRITES:
        return None
    upload = request.bucket.multiparts.get(request.query.get("uploadId", ""))
    sent = request.header("x-amz-server-side-encryption-aws-kms-key-id")
    key_id = upload.kms_key_id if upload else sent
    rule = (request.bucket.encryption or {}).get("Rule", {})
    default = rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID")
    return refuse_key(key_id or default, request.bucket.region_name)


def _refusal(code: str, message: str) -> Refusal:
    return Refusal("400 Bad Request", f"KMS.{code}", message)
