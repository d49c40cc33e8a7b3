"""The job table."""

import pulumi
import pulumi_aws as aws

from infra.settings import Settings


def job_table(settings: Settings) -> aws.dynamodb.Table:
    """One item per job, on demand; DynamoDB drops items after their ``expiresAt``."""
    return aws.dynamodb.Table(
        f"{settings.prefix}-jobs",
        billing_mode="PAY_PER_REQUEST",
        hash_key="jobId",
        attributes=[{"name": "jobId", "type": "S"}],
        ttl={"attribute_name": "expiresAt", "enabled": True},
        opts=pulumi.ResourceOptions(),
    )
