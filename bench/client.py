"""The clients that a benchmark's systems talk to the stand-in with."""

from typing import Any

import boto3
from botocore.config import Config

REGION = "us-east-1"


def s3_client(endpoint_url: str, ca_bundle: str | None, **config: Any) -> Any:
    """A boto3 client for the stand-in, which takes any credentials."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id="bench",
        aws_secret_access_key="bench",  # noqa: S106  (the stand-in takes any)
        verify=ca_bundle,
        config=Config(**config),
    )
