"""The boto3 client of the measured systems."""

from typing import Any

import boto3
from botocore.config import Config

REGION = "us-east-1"


def s3_client(endpoint_url: str, ca_bundle: str | None, **config: Any) -> Any:
    """Return a client for the S3 simulator, which accepts any credentials."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id="bench",
        aws_secret_access_key="bench",  # noqa: S106  (the simulator accepts any)
        verify=ca_bundle,
        config=Config(**config),
    )
