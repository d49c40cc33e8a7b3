"""What is needed of the KMS keys that things are encrypted with.

The embedded AWS encrypts nothing; it asks for what AWS would ask for. A bucket's default key is
taken to be that of all its objects.
"""

from collections.abc import Iterable, Iterator

from local.iam.evaluation import Access

_IN_PARTS = ("CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart", "UploadPartCopy")
""""Uploading and copying objects using multipart upload" in the S3 User Guide."""

_S3_READS = ("GetObject", "GetObjectVersion", "ListMultipartUploadParts")

_OF_LOGS = (
    "Encrypt",
    "Decrypt",
    "ReEncryptFrom",
    "ReEncryptTo",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
)
""""Encrypt log data in CloudWatch Logs using KMS" in its User Guide."""


def uses_of_key(access: Access, request: str, key_arn: str) -> Iterator[Access]:
    """What ``access`` needs of the key that encrypts its resource; ``request`` ends in the name of
    S3's operation. The service asks, as whoever asks it ("kms:ViaService").
    """
    service, _, action = access.action.partition(":")
    for needed in _actions(service, action, request.rpartition(" ")[2]):
        yield _use(
            needed, key_arn, ("kms:viaservice", f"{service}.{_region(key_arn)}.amazonaws.com")
        )


def uses_by_logs(group_arn: str, key_arn: str) -> Iterator[Access]:
    """What CloudWatch Logs needs to keep a log group under a key. It asks in its own name."""
    for needed in _OF_LOGS:
        yield _use(needed, key_arn, ("kms:encryptioncontext:aws:logs:arn", group_arn))


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
        return ("GenerateDataKey", "Decrypt") if operation in _IN_PARTS else ("GenerateDataKey",)
    return ("Decrypt",) if service == "s3" and action in _S3_READS else ()


def _use(action: str, key_arn: str, said: tuple[str, str]) -> Access:
    return Access(f"kms:{action}", key_arn, key_arn.split(":")[4], frozenset({said}))


def _region(arn: str) -> str:
    return arn.split(":")[3]
