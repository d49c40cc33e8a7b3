"""The KMS key that what the stack makes is encrypted with, if it is to be a customer's own."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.config.settings import CREATE_KEY, NO_KEY, Settings
from infra.stack import account_id, retained

DELETION_WINDOW_DAYS = 30
"""The longest that KMS waits before what a key encrypts is lost: ScheduleKeyDeletion."""

Key = pulumi.Output[str] | None
"""The ARN of a key; without one, things are under the keys of S3, SQS, DynamoDB and Logs."""


@dataclass(frozen=True)
class KeyUse:
    """What a function needs done with a customer key, by the services that it asks."""

    actions: Sequence[str]
    services: Sequence[str]


def customer_key(settings: Settings) -> Key:
    """The key that ``customerKey`` says: none, one of this stack's own, or one that there is."""
    if settings.customer_key == NO_KEY:
        return None
    if settings.customer_key != CREATE_KEY:
        return pulumi.Output.from_input(settings.customer_key)
    key = aws.kms.Key(
        settings.prefix,
        description=f"Encrypts what {settings.prefix} keeps",
        policy=account_id().apply(
            lambda account: policies.key_policy(
                account, settings.region, settings.prefix, has_alarms=bool(settings.alarm_email)
            )
        ),
        enable_key_rotation=True,
        deletion_window_in_days=DELETION_WINDOW_DAYS,
        opts=retained(settings),
    )
    aws.kms.Alias(
        settings.prefix,
        name=f"alias/{settings.prefix}",
        target_key_id=key.id,
        opts=retained(settings, key),
    )
    return key.arn
