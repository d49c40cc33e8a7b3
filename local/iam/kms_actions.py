"""The KMS permissions that access to encrypted resources requires.

The embedded AWS encrypts nothing, but checks the same permissions as AWS. A bucket's default key
counts as the key of all its objects.
"""

from collections.abc import Iterable, Iterator

from local.iam.evaluation import Access

_MULTIPART = ("CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart", "UploadPartCopy")
""""Uploading and copying objects using multipart upload" in the S3 User Guide."""

_S3_READS = ("GetObject", "GetObjectVersion", "ListMultipartUploadParts")

_LOGS_ACTIONS = (
    "Encrypt",
    "Decrypt",
    "ReEncryptFrom",
    "ReEncryptTo",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
)
""""Encrypt log data in CloudWatch Logs using KMS" in the CloudWatch Logs User Guide."""


def kms_accesses(access: Access, request: str, key_arn: str) -> Iterator[Access]:
    """Yield the KMS permissions that ``access`` to a resource encrypted with the key requires.

    ``request`` ends in the name of the S3 operation. The service calls KMS with the caller's
    permissions (``kms:ViaService``).
    """
    service, _, action = access.action.partition(":")
    region = key_arn.split(":")[3]
    for kms_action in _actions(service, action, request.rpartition(" ")[2]):
        yield _access(kms_action, key_arn, "kms:viaservice", f"{service}.{region}.amazonaws.com")


def kms_accesses_of_logs(group_arn: str, key_arn: str) -> Iterator[Access]:
    """Yield what CloudWatch Logs requires, in its own name, to encrypt a log group."""
    for action in _LOGS_ACTIONS:
        yield _access(action, key_arn, "kms:encryptioncontext:aws:logs:arn", group_arn)


def _actions(service: str, action: str, operation: str) -> Iterable[str]:
    if service == "dynamodb":
        return ("Decrypt",)
    if service == "sqs":
        # "Key management" in the SQS Developer Guide.
        return {
            "SendMessage": ("GenerateDataKey", "Decrypt"),
            "ReceiveMessage": ("Decrypt",),
        }.get(action, ())
    if service == "s3" and action == "PutObject":
        return ("GenerateDataKey", "Decrypt") if operation in _MULTIPART else ("GenerateDataKey",)
    return ("Decrypt",) if service == "s3" and action in _S3_READS else ()


def _access(action: str, key_arn: str, condition_key: str, value: str) -> Access:
    keys = frozenset({(condition_key, value)})
    return Access(f"kms:{action}", key_arn, key_arn.split(":")[4], keys)
