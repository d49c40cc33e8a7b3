"""The customer key: the KMS key that encrypts the stack's resources, if a setting asks for one."""

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.config.settings import CREATE_KEY, NO_KEY, Settings
from infra.stack import account_id, retained

DELETION_WINDOW_DAYS = 30
"""The longest waiting period of ScheduleKeyDeletion. Afterwards, encrypted data is lost."""

Key = pulumi.Output[str] | None
"""The ARN of the customer key. None: S3, SQS, DynamoDB and CloudWatch Logs use keys of AWS."""


def customer_key(settings: Settings) -> Key:
    """Return the key of the setting ``customerKey``: none, a new key, or an existing key."""
    if settings.customer_key == NO_KEY:
        return None
    if settings.customer_key != CREATE_KEY:
        return pulumi.Output.from_input(settings.customer_key)
    key = aws.kms.Key(
        settings.prefix,
        description=f"Encrypts the resources of {settings.prefix}",
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
        # Unlike its parent, it is not retained: a stack that is created again would find its name
        # taken.
        opts=pulumi.ResourceOptions(parent=key, retain_on_delete=False),
    )
    return key.arn
