"""IAM policies as pure functions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

Statement = Mapping[str, Any]

VERSION = "2012-10-17"

DECRYPT = ("kms:Decrypt",)
ENCRYPT = ("kms:GenerateDataKey", "kms:Decrypt")
"""The KMS actions for reading and for writing objects and messages: "Uploading and copying objects
using multipart upload" in the S3 User Guide, "Key management" in the SQS Developer Guide.
"""

ENCRYPT_LOGS = (
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
)
"""The actions from "Encrypt log data in CloudWatch Logs using KMS" in its User Guide, without
``DescribeKey``, which has no encryption context to restrict it by.
"""


def document(*statements: Statement) -> str:
    """Return a policy document as JSON. An escaped character would count as six."""
    return json.dumps({"Version": VERSION, "Statement": statements}, ensure_ascii=False)


def allow(
    actions: Sequence[str], resources: pulumi.Input[Sequence[pulumi.Input[str]]]
) -> Statement:
    """Return a statement of a role's policy. Its resources may be outputs."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources}


def assumable_by_lambda(account: str) -> str:
    """Return a trust policy that lets Lambda assume a role for functions of this account.

    It cannot name the function, which is created after its role.
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
    """Return a statement of a resource's policy that denies all requests over plain HTTP."""
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": list(resources),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def bucket_over_tls(bucket_arn: str) -> str:
    """Return a bucket policy that denies requests over plain HTTP to the bucket and its objects."""
    return document(deny_without_tls("s3:*", [bucket_arn, f"{bucket_arn}/*"]))


def send_from_rule(queue_arn: str, rule_arn: str) -> str:
    """Return a queue policy that lets EventBridge send for this rule only, over TLS."""
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": [rule_arn]}},
        },
        deny_without_tls("sqs:*", [queue_arn]),
    )


def publish_from_alarms(topic_arn: str, alarm_arns: Sequence[str]) -> str:
    """Return a topic policy that lets CloudWatch publish for these alarms only, over TLS."""
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": topic_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": list(alarm_arns)}},
        },
        # SNS does not accept sns:* in a topic policy.
        deny_without_tls("sns:Publish", [topic_arn]),
    )


def use_key(
    actions: Sequence[str], key_arn: str, region: str, services: Sequence[str]
) -> Statement:
    """Allow the use of a KMS key by these services only, not directly."""
    via = [f"{service}.{region}.amazonaws.com" for service in services]
    return {
        **allow(actions, [key_arn]),
        "Condition": {"StringEquals": {"kms:ViaService": via}},
    }


def use_object_keys(actions: Sequence[str], key_arns: Sequence[str]) -> list[Statement]:
    """Allow S3 to use these KMS keys, each in its own region."""
    return [use_key(actions, arn, arn.split(":")[3], ["s3"]) for arn in key_arns]


def key_policy(account: str, region: str, prefix: str, *, has_alarms: bool) -> str:
    """Return the policy of a customer key: AWS services can use it, and the account administers it.

    S3 and DynamoDB use the key with the permissions of their caller, so they are not named here.
    In a key policy, ``*`` means the key itself. EventBridge does not pass its rule to KMS when it
    sends to an encrypted queue, so there is no condition for it: "Key management" in the SNS and
    SQS Developer Guides.
    """
    here = f"{region}:{account}"
    statements = [
        _use_by(["kms:*"], {"AWS": f"arn:aws:iam::{account}:root"}),
        _use_by(ENCRYPT, {"Service": "events.amazonaws.com"}),
        {
            **_use_by(ENCRYPT_LOGS, {"Service": f"logs.{region}.amazonaws.com"}),
            "Condition": {
                "StringLike": {
                    "kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{here}:"
                    f"log-group:{prefix}-*"
                }
            },
        },
    ]
    if has_alarms:
        statements.append(
            {
                **_use_by(ENCRYPT, {"Service": "cloudwatch.amazonaws.com"}),
                "Condition": {
                    "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{here}:alarm:{prefix}-*"}
                },
            }
        )
    return document(*statements)


def _use_by(actions: Sequence[str], principal: Mapping[str, str]) -> Statement:
    return {
        "Effect": "Allow",
        "Principal": principal,
        "Action": list(actions),
        "Resource": "*",
    }


def send_traces() -> Statement:
    """Allow a function to send traces to X-Ray, which has no resources to restrict this to."""
    return allow(["xray:PutTraceSegments", "xray:PutTelemetryRecords"], ["*"])


def write_logs(log_group_arn: str) -> Statement:
    """Allow a function to write to its own log group."""
    return allow(["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group_arn}:*"])
