"""The account that the stack is deployed to."""

import pulumi
import pulumi_aws as aws


def account_id() -> pulumi.Output[str]:
    """Its number, of twelve digits: whoever deploys is in it."""
    return aws.get_caller_identity_output().account_id
