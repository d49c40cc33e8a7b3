"""The kinds of AWS requests that the benchmarks count, and their prices."""

from collections.abc import Mapping

from zipjobs.worker.usage import Usage

OPERATIONS = {
    "GET": "s3:GetObject",
    "HEAD": "s3:HeadObject",
    "PUT": "s3:PutObject",
    "CREATE": "s3:CreateMultipartUpload",
    "UPLOAD_PART": "s3:UploadPart",
    "COPY_PART": "s3:UploadPartCopy",
    "COMPLETE": "s3:CompleteMultipartUpload",
    "ABORT": "s3:AbortMultipartUpload",
    "LIST": "s3:ListObjectsV2",
    "DELETE": "s3:DeleteObjects",
    "SQS": "sqs:SendMessage",
    "EVENT": "events:PutEvents",
    "INVOKE": "lambda:Invoke",
    "WRITE": "dynamodb:UpdateItem",
    "READ": "dynamodb:GetItem",
}


def dollars(requests: Mapping[str, int], seconds: float = 0.0, memory_mb: int = 512) -> float:
    """Return the price of requests, by kind, and of a function that runs for ``seconds``."""
    usage = Usage({OPERATIONS[kind]: count for kind, count in requests.items()}, seconds)
    return usage.dollars(memory_mb)
