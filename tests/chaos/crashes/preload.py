"""What the fork server imports before it forks workers.

It creates clients of all services, so that workers do not read botocore's models again. It keeps
no credentials, endpoints or threads.
"""

import boto3
import pytest  # noqa: F401  (the main module, which each child imports)

from handlers import cancel, dead_letter, enqueue, reconciler, zipper  # noqa: F401
from tests.chaos.crashes.function_process import forget_aws

forget_aws()
for service in ("s3", "dynamodb", "sqs", "events"):
    boto3.client(
        service,
        region_name="us-east-1",
        aws_access_key_id="nobody",
        aws_secret_access_key="none",
    )
