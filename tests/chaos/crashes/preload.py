"""The fork server imports this module before it forks workers.

The module creates a client of each service, so that workers do not read botocore's models again.
It keeps no credentials, endpoints or threads.
"""

import gc

import boto3
import pytest  # noqa: F401  (the main module, which each child imports)

from handlers import cancel, dead_letter, enqueue, reconciler, zipper  # noqa: F401
from tests.chaos.crashes.function_process import remove_aws_settings

remove_aws_settings()
for service in ("s3", "dynamodb", "sqs", "events"):
    boto3.client(
        service,
        region_name="us-east-1",
        aws_access_key_id="unused",
        aws_secret_access_key="unused",
    )

# Otherwise a garbage collection in a worker copies the memory that it shares with the fork server.
gc.freeze()
