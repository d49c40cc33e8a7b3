"""An embedded S3 with KMS, asked through boto3 and through plain HTTP."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.faults.injector import FaultInjector
from local.server import serving_aws
from tests.support.other_s3 import OTHER_S3

REGION = "us-east-1"
WAIT_SECONDS = 30


class Response(NamedTuple):
    status: int
    headers: Mapping[str, str]
    text: str


class S3(NamedTuple):
    """A served S3."""

    url: str

    def client(self, service: str = "s3", region: str = REGION) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def bucket(self, region: str = REGION, **options: Any) -> str:
        """Create a bucket. The tests of a process share one account, so its name is unique."""
        name = f"b-{uuid.uuid4()}"
        if region != REGION:
            options["CreateBucketConfiguration"] = {"LocationConstraint": region}
        self.client(region=region).create_bucket(Bucket=name, **options)
        return name

    def versioned_bucket(self) -> str:
        bucket = self.bucket()
        enabled = {"Status": "Enabled"}
        self.client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration=enabled)
        return bucket

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        region: str = REGION,
    ) -> Response:
        """Send a request that is signed for a region. The signature itself is not valid."""
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=WAIT_SECONDS)
        scope = f"any/20260101/{region}/s3/aws4_request"
        authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        connection.request(method, path, body, {"Authorization": authorization, **(headers or {})})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        received = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, received, text)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    if OTHER_S3:
        yield S3(OTHER_S3)
        return
    with serving_aws(FaultInjector(), services=("s3", "kms")) as url:
        yield S3(url)


def refused(call: Callable[[], object]) -> tuple[int, str]:
    """Return status and code of the error that a call of boto3 raises."""
    with pytest.raises(ClientError) as raised:
        call()
    response: Any = raised.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]
