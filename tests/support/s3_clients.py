"""Clients of the data plane for tests."""

from botocore.credentials import ReadOnlyCredentials

from zipjobs.s3.client import HttpClient
from zipjobs.s3.endpoint import Endpoint

REGION = "us-east-1"
CREDENTIALS = ReadOnlyCredentials("test", "test", None)


def http_client(
    url: str, connections: int = 16, ca_bundle: str | None = None, region: str = REGION
) -> HttpClient:
    """Return a client of the endpoint at ``url``. The caller closes it."""
    return HttpClient(Endpoint(url, region, ca_bundle), lambda: CREDENTIALS, connections)
