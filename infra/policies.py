"""IAM documents as pure functions: what each role may do, and nothing more."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Statement = Mapping[str, Any]

VERSION = "2012-10-17"

DECRYPT = ("kms:Decrypt",)
ENCRYPT = ("kms:GenerateDataKey", "kms:Decrypt")
"""To read what is kept under a key, and to write it: objects, in parts too ("Uploading and copying
objects using multipart upload" in the S3 User Guide), and messages ("Key management" in the SQS
Developer Guide).
"""

KEEP_LOGS = (
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
)
""""Encrypt log data in CloudWatch Logs using KMS" in its User Guide, but for
DescribeKey, which has no context to ask for."""

STATUS_SUFFIX = ".status.json"
"""What the keys of status objects end in."""


def document(*statements: Statement) -> str:
    """A policy document, as JSON."""
    return json.dumps({"Version": VERSION, "Statement": statements})


def allow(actions: Sequence[str], resources: Sequence[str]) -> Statement:
    """A statement of an identity policy."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def assumable_by_lambda(account: str) -> str:
    """The trust policy of a function's role: Lambda may assume it, on behalf of its account only.

    Not of one function: that is made after its role, and has its name then.
    """
    return document(
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
    )


def deny_without_tls(actions: str, resources: Sequence[str]) -> Statement:
    """A statement of a resource's policy: nobody does anything over plain HTTP."""
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": list(resources),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def bucket_over_tls(bucket_arn: str) -> str:
    """A bucket policy: no request over plain HTTP, to the bucket or to what is in it."""
    return document(deny_without_tls("s3:*", [bucket_arn, f"{bucket_arn}/*"]))


def send_from_rule(queue_arn: str, rule_arns: Sequence[str]) -> str:
    """A queue policy: EventBridge may send, on behalf of these rules only; all over TLS."""
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": list(rule_arns)}},
        },
        deny_without_tls("sqs:*", [queue_arn]),
    )


def publish_from_alarms(topic_arn: str, alarm_arns: Sequence[str]) -> str:
    """A topic policy: CloudWatch may publish, on behalf of these alarms only; all over TLS."""
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": topic_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": list(alarm_arns)}},
        },
        # SNS knows no sns:* in the policy of a topic.
        deny_without_tls("sns:Publish", [topic_arn]),
    )


def use_key(
    actions: Sequence[str], key_arn: str, region: str, services: Sequence[str]
) -> Statement:
    """Let services use a KMS key for what is asked of them, and nobody do so directly."""
    through = [f"{service}.{region}.amazonaws.com" for service in services]
    return {
        **allow(actions, [key_arn]),
        "Condition": {"StringEquals": {"kms:ViaService": through}},
    }


def use_object_keys(actions: Sequence[str], key_arns: Sequence[str]) -> list[Statement]:
    """Let S3 use KMS keys, each in its own region."""
    return [use_key(actions, arn, arn.split(":")[3], ["s3"]) for arn in key_arns]


def key_policy(account: str, region: str, prefix: str, *, has_alarms: bool) -> str:
    """A key's policy: who may use it without being of the account, and that the account decides
    of its own.

    S3 and DynamoDB use a key as whoever asks them, and need nothing here. Resource can only be the
    key itself, which is written ``*``. EventBridge does not tell KMS for which rule it sends to an
    encrypted queue, so no condition can ask: "Key management" in the SNS and SQS Developer Guides.
    """
    named = f"{region}:{account}"
    statements = [
        _with_key(["kms:*"], {"AWS": f"arn:aws:iam::{account}:root"}),
        _with_key(ENCRYPT, {"Service": "events.amazonaws.com"}),
        {
            **_with_key(KEEP_LOGS, {"Service": f"logs.{region}.amazonaws.com"}),
            "Condition": {
                "StringLike": {
                    "kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{named}:"
                    f"log-group:{prefix}-*"
                }
            },
        },
    ]
    if has_alarms:
        statements.append(
            {
                **_with_key(ENCRYPT, {"Service": "cloudwatch.amazonaws.com"}),
                "Condition": {
                    "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{named}:alarm:{prefix}-*"}
                },
            }
        )
    return document(*statements)


def _with_key(actions: Sequence[str], principal: Mapping[str, str]) -> Statement:
    return {
        "Effect": "Allow",
        "Principal": principal,
        "Action": list(actions),
        "Resource": "*",
    }


def send_traces() -> Statement:
    """Write to X-Ray, where nothing has a name that could be said here."""
    return allow(["xray:PutTraceSegments", "xray:PutTelemetryRecords"], ["*"])


def write_logs(log_group_arn: str) -> Statement:
    """Write to the function's own log group."""
    return allow(["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group_arn}:*"])


def consume(queue_arn: str) -> Statement:
    """What an event source mapping needs of the function's role."""
    actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    return allow(actions, [queue_arn])


def read_objects(locations: Sequence[str]) -> list[Statement]:
    """Read what lies in each ``bucket/prefix``, in any version.

    Listing is what makes S3 answer 404 for a missing key; without it the answer is 403.
    """
    return [
        allow(
            ["s3:GetObject", "s3:GetObjectVersion"],
            [f"arn:aws:s3:::{location}*" for location in locations],
        ),
        allow(
            ["s3:ListBucket"],
            sorted({f"arn:aws:s3:::{location.partition('/')[0]}" for location in locations}),
        ),
    ]


def remove_archives(locations: Sequence[str]) -> list[Statement]:
    """Remove what jobs without success leave in each ``bucket/prefix``: uploads and objects."""
    return [
        allow(
            [
                "s3:AbortMultipartUpload",
                "s3:GetObject",  # an object that the job did not make stays
                "s3:DeleteObject",
                "s3:DeleteObjectVersion",
            ],
            [f"arn:aws:s3:::{location}*" for location in locations],
        ),
        allow(
            ["s3:ListBucketMultipartUploads"],
            sorted({f"arn:aws:s3:::{location.partition('/')[0]}" for location in locations}),
        ),
    ]


def delete_objects(location: str) -> Statement:
    """Delete what lies in a ``bucket/prefix``."""
    return allow(["s3:DeleteObject"], [f"arn:aws:s3:::{location}*"])


def list_objects(location: str) -> Statement:
    """List what lies in a ``bucket/prefix``, and nothing else of the bucket."""
    bucket, _, prefix = location.partition("/")
    return {
        **allow(["s3:ListBucket"], [f"arn:aws:s3:::{bucket}"]),
        "Condition": {"StringLike": {"s3:prefix": f"{prefix}*"}},
    }


def write_status_objects(location: str) -> Statement:
    """Say how jobs of manifests ended, below a ``bucket/prefix``.

    To write one in the place of another it must also be read, which ``remove_archives`` allows.
    """
    return allow(["s3:PutObject"], [f"arn:aws:s3:::{location}*{STATUS_SUFFIX}"])


def work_objects(location: str) -> Statement:
    """Keep and read working objects."""
    return allow(["s3:GetObject", "s3:PutObject"], [f"arn:aws:s3:::{location}*"])


def write_objects(locations: Sequence[str]) -> Statement:
    """Write into each ``bucket/prefix``, in parts."""
    return allow(
        ["s3:PutObject", "s3:ListMultipartUploadParts"],
        [f"arn:aws:s3:::{location}*" for location in locations],
    )
