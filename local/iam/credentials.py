"""Whose a request is, and where it goes: what the credential scope of its signature says.

"Elements of an AWS API request signature" in the IAM User Guide.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_SCOPE = re.compile(r"([^/=\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")


@dataclass(frozen=True)
class Scope:
    """The credential scope of a signature."""

    access_key_id: str
    region: str
    service: str


def scope_of(environ: "WSGIEnvironment") -> Scope | None:
    """The scope of a signed or presigned request, or None.

    A presigned request may what its signer may: that is whose it is.
    """
    credential = environ.get("HTTP_AUTHORIZATION", "")
    if not credential and "X-Amz-Credential=" in environ.get("QUERY_STRING", ""):
        credential = parse_qs(environ["QUERY_STRING"])["X-Amz-Credential"][0]
    found = _SCOPE.search(credential)
    return Scope(found[1], found[2], found[3]) if found else None
