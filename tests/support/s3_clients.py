"""Clients of S3, and their errors, for tests."""

from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError

from zipjobs.s3.http.client import HttpClient
from zipjobs.s3.http.endpoint import Endpoint

REGION = "us-east-1"
CREDENTIALS = ReadOnlyCredentials("test", "test", None)


def http_client(
    url: str, connections: int = 16, ca_bundle: str | None = None, region: str = REGION
) -> HttpClient:
    """Return a client of the endpoint at ``url``. The caller closes it."""
    return HttpClient(Endpoint(url, region, ca_bundle), lambda: CREDENTIALS, connections)


def client_error(code: str, status: int, operation: str = "GetObject") -> ClientError:
    """Return the error that boto3 raises for a response."""
    metadata = {"HTTPStatusCode": status}
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, operation)  # type: ignore[typeddict-item]
