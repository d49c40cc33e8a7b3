"""The job table."""

import pulumi
import pulumi_aws as aws

from infra.settings import Settings

SWEEP_INDEX = "sweep"


def job_table(settings: Settings) -> aws.dynamodb.Table:
    """One item per job, on demand; DynamoDB drops items after their ``expiresAt``."""
    return aws.dynamodb.Table(
        f"{settings.prefix}-jobs",
        billing_mode="PAY_PER_REQUEST",
        hash_key="jobId",
        attributes=[
            {"name": "jobId", "type": "S"},
            {"name": "sweep", "type": "S"},
            {"name": "sweepAt", "type": "N"},
        ],
        # Jobs that have no end yet, or whose event has not gone out: few, whatever the table holds.
        global_secondary_indexes=[
            {
                "name": SWEEP_INDEX,
                "hash_key": "sweep",
                "range_key": "sweepAt",
                "projection_type": "KEYS_ONLY",
            }
        ],
        ttl={"attribute_name": "expiresAt", "enabled": True},
        opts=pulumi.ResourceOptions(),
    )
