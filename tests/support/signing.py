"""Sign requests to the HTTP API."""

from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.gateway.identities import LOCAL_USER
from local.gateway.sigv4 import SERVICE


def signed_headers(
    method: str,
    url: str,
    body: bytes | None,
    region: str,
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return ``headers`` plus a signature of the user ``local``, valid for five minutes."""
    request = AWSRequest(method, url, dict(headers or {}), body)
    SigV4Auth(Credentials(LOCAL_USER, LOCAL_USER), SERVICE, region).add_auth(request)
    return dict(request.headers.items())
