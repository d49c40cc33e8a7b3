"""The job table."""

import pulumi_aws as aws

from infra.config.settings import Settings
from infra.encryption import Key
from infra.stack import retained

UNFINISHED_INDEX = "sweep"
OWNER_INDEX = "owner"

KeySchema = aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgsDict


def _key(partition: str, sort: str) -> list[KeySchema]:
    """Return the key of an index.

    The older arguments ``hash_key`` and ``range_key`` are deprecated, and a later change to this
    one recreates the index: cds-snc/forms-terraform#1365.
    """
    return [
        {"attribute_name": partition, "key_type": "HASH"},
        {"attribute_name": sort, "key_type": "RANGE"},
    ]


def job_table(settings: Settings, key: Key) -> aws.dynamodb.Table:
    """Create the table. It has one item per job, which DynamoDB deletes after its ``expiresAt``."""
    return aws.dynamodb.Table(
        f"{settings.prefix}-jobs",
        billing_mode="PAY_PER_REQUEST",
        hash_key="jobId",
        attributes=[
            {"name": "jobId", "type": "S"},
            {"name": "sweep", "type": "S"},
            {"name": "sweepAt", "type": "N"},
            {"name": "owner", "type": "S"},
            {"name": "listKey", "type": "S"},
        ],
        global_secondary_indexes=[
            # Jobs without a final status, or whose event was not sent yet. So the index is small.
            {
                "name": UNFINISHED_INDEX,
                "key_schemas": _key("sweep", "sweepAt"),
                "projection_type": "KEYS_ONLY",
            },
            # All jobs by owner, newest first. Only a change of the status is written here too.
            {
                "name": OWNER_INDEX,
                "key_schemas": _key("owner", "listKey"),
                "projection_type": "INCLUDE",
                "non_key_attributes": ["status"],
            },
        ],
        ttl={"attribute_name": "expiresAt", "enabled": True},
        point_in_time_recovery={"enabled": settings.protect_data},
        # The provider keeps what a program leaves out: without this, a table would keep a key that
        # is scheduled for deletion. False means a key of AWS.
        server_side_encryption={"enabled": True, "kms_key_arn": key} if key else {"enabled": False},
        deletion_protection_enabled=settings.protect_data,
        opts=retained(settings),
    )
