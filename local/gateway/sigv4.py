"""Verifies AWS Signature Version 4, in the Authorization header or in the query.

It follows "Create a signed AWS API request" and "Elements of an AWS API request signature" in the
IAM User Guide. The body is always part of the signature: only S3 allows unsigned payloads.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from urllib.parse import quote, unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import normalize_url_path

from local.gateway.identities import AccessKey, FindKey
from local.gateway.request import RawRequest

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "execute-api"
CLOCK_SKEW = timedelta(minutes=5)
MAX_EXPIRES_SECONDS = 604_800
_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_UNRESERVED = "-_.~"
_PARAMETER = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")


class InvalidSignature(Exception):
    """A request without a valid signature. The message is AWS's."""


@dataclass(frozen=True)
class Signature:
    """The parts of a signature. Only a presigned URL has ``expires_seconds``."""

    credential: str
    signed_headers: str
    signature: str
    timestamp: str
    token: str | None
    expires_seconds: int | None = None

    @classmethod
    def parse(cls, request: RawRequest) -> Self:
        """Parse a request's signature. Raises InvalidSignature."""
        query = dict(request.parameters)
        if "X-Amz-Algorithm" in query:
            return cls._presigned(query)
        authorization = request.headers.get("authorization")
        if authorization is None:
            raise InvalidSignature("Missing Authentication Token")
        is_v4 = authorization.startswith(f"{ALGORITHM} ")
        parameters = dict(_PARAMETER.findall(authorization)) if is_v4 else {}
        missing = [
            f"Authorization header requires '{name}' parameter."
            for name in ("Credential", "Signature", "SignedHeaders")
            if name not in parameters
        ]
        if "x-amz-date" not in request.headers:
            missing.append("Authorization header requires existence of a 'X-Amz-Date' header.")
        if missing:
            raise InvalidSignature(" ".join(missing))
        return cls(
            credential=parameters["Credential"],
            signed_headers=parameters["SignedHeaders"],
            signature=parameters["Signature"],
            timestamp=request.headers["x-amz-date"],
            token=request.headers.get("x-amz-security-token"),
        )

    @classmethod
    def _presigned(cls, query: Mapping[str, str]) -> Self:
        names = ("Credential", "SignedHeaders", "Signature", "Date", "Expires")
        missing = [f"X-Amz-{name}" for name in names if f"X-Amz-{name}" not in query]
        if query["X-Amz-Algorithm"] != ALGORITHM or missing:
            raise InvalidSignature(
                f"AWS query-string parameters must include {ALGORITHM} as X-Amz-Algorithm, and "
                f"{', '.join(f'X-Amz-{name}' for name in names)}."
            )
        expires = query["X-Amz-Expires"]
        if not expires.isdecimal() or int(expires) > MAX_EXPIRES_SECONDS:
            raise InvalidSignature(f"X-Amz-Expires must be at most {MAX_EXPIRES_SECONDS} seconds.")
        return cls(
            credential=query["X-Amz-Credential"],
            signed_headers=query["X-Amz-SignedHeaders"],
            signature=query["X-Amz-Signature"],
            timestamp=query["X-Amz-Date"],
            token=query.get("X-Amz-Security-Token"),
            expires_seconds=int(expires),
        )


def verify_signature(
    request: RawRequest, region: str, find_key: FindKey, now: datetime
) -> AccessKey:
    """Return the access key that signed a request to the API of ``region``.

    ``now`` is the time of the request. Raises InvalidSignature.
    """
    claimed = Signature.parse(request)
    access_key_id, _, scope = claimed.credential.partition("/")
    _check_scope(claimed, scope, region)
    key = find_key(access_key_id)
    if key is None or claimed.token != key.session_token:
        raise InvalidSignature("The security token included in the request is invalid.")
    _check_time(claimed, now)
    if key.expires is not None and key.expires < now:
        raise InvalidSignature("The security token included in the request is expired")
    expected = _signature(request, claimed, region, key)
    if not hmac.compare_digest(expected.encode(), claimed.signature.encode()):
        raise InvalidSignature(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method."
        )
    return key


def _check_scope(claimed: Signature, scope: str, region: str) -> None:
    date, *rest = scope.split("/")
    if rest != [region, SERVICE, "aws4_request"]:
        raise InvalidSignature(
            f"Credential should be scoped to correct service: '{SERVICE}', "
            f"and to a valid region: '{region}'."
        )
    if date != claimed.timestamp[:8]:
        raise InvalidSignature(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '{date}' != '{claimed.timestamp[:8]}', from '{claimed.timestamp}'."
        )
    if "host" not in claimed.signed_headers.split(";"):
        raise InvalidSignature("'Host' must be a 'SignedHeader' in the AWS Authorization.")


def _check_time(claimed: Signature, now: datetime) -> None:
    try:
        signed = datetime.strptime(claimed.timestamp, _TIMESTAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidSignature(
            f"Date must be in ISO-8601 'basic format'. Got '{claimed.timestamp}'."
        ) from error
    if claimed.expires_seconds is None:
        earliest, explanation = now - CLOCK_SKEW, f" ({now:{_TIMESTAMP}} - 5 min.)"
    else:
        earliest, explanation = now - timedelta(seconds=claimed.expires_seconds), ""
    if signed < earliest:
        raise InvalidSignature(
            f"Signature expired: {claimed.timestamp} is now earlier than "
            f"{earliest:{_TIMESTAMP}}{explanation}"
        )
    if signed > now + CLOCK_SKEW:
        raise InvalidSignature(
            f"Signature not yet current: {claimed.timestamp} is still later than "
            f"{now + CLOCK_SKEW:{_TIMESTAMP}} ({now:{_TIMESTAMP}} + 5 min.)"
        )


def _signature(request: RawRequest, claimed: Signature, region: str, key: AccessKey) -> str:
    """Return the expected signature, in hexadecimal."""
    signer = SigV4Auth(Credentials(key.access_key_id, key.secret), SERVICE, region)
    signed = AWSRequest()
    signed.context["timestamp"] = claimed.timestamp
    canonical = _canonical_request(request, claimed.signed_headers)
    return str(signer.signature(signer.string_to_sign(signed, canonical), signed))


def _canonical_request(request: RawRequest, signed_headers: str) -> str:
    headers = "".join(
        f"{name}:{' '.join(request.headers.get(name, '').split())}\n"
        for name in signed_headers.split(";")
    )
    return "\n".join(
        (
            request.method,
            quote(normalize_url_path(request.path), safe=f"/{_UNRESERVED}"),
            _canonical_query(request.query),
            headers,
            signed_headers,
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def _canonical_query(query: str) -> str:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    encoded = sorted(
        (quote(unquote(name), safe=_UNRESERVED), quote(unquote(value), safe=_UNRESERVED))
        for name, _, value in pairs
        if name != "X-Amz-Signature"
    )
    return "&".join(f"{name}={value}" for name, value in encoded)
