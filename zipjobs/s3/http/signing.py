"""Signature Version 4 for S3 requests that are not sent by boto3.

"Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference. The payload is not
hashed: TLS and the CRC-32 of parts protect it.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
FRESH_SECONDS = 60.0
"""The reuse of credentials and timestamp. S3 accepts 15 minutes."""


class Credentials(Protocol):
    """Frozen credentials of botocore."""

    @property
    def access_key(self) -> str | None: ...
    @property
    def secret_key(self) -> str | None: ...
    @property
    def token(self) -> str | None: ...


class UnsafeRequest(ValueError):
    """A request contains characters that could start another header or request."""


class Signer:
    """Signs requests to one host. Safe to share between threads."""

    def __init__(self, host: str, region: str, credentials: Callable[[], Credentials]) -> None:
        self.host = host
        self._region = region
        self._credentials = credentials
        self._context: _Context | None = None

    def renew(self) -> None:
        """Fetch the credentials again for the next signature."""
        self._context = None

    def sign(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        payload: str = UNSIGNED_PAYLOAD,
    ) -> dict[str, str]:
        """Return ``headers`` with the signature and the headers that it needs.

        ``path`` and ``query`` must be quoted, the parameters sorted by name, and header names in
        lower case. Raises UnsafeRequest for control and non-ASCII characters in the target or a
        header, and for a space in the target.
        """
        context = self._context
        if context is None or not 0 <= time.time() - context.made_at < FRESH_SECONDS:
            context = self._context = _Context(self._credentials(), self._region)
        signed = {
            "host": self.host,
            "x-amz-content-sha256": payload,
            "x-amz-date": context.time,
            **(headers or {}),
        }
        if context.token:
            signed["x-amz-security-token"] = context.token
        _require_safe(method, path, query, signed)
        names = sorted(signed)
        lines = "".join([f"{name}:{signed[name]}\n" for name in names])
        listed = ";".join(names)
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{payload}"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signature = hmac.digest(context.key, f"{context.prefix}{digest}".encode(), "sha256").hex()
        signed["authorization"] = (
            f"{context.credential}, SignedHeaders={listed}, Signature={signature}"
        )
        return signed


def _require_safe(method: str, path: str, query: str, headers: Mapping[str, str]) -> None:
    """Raise UnsafeRequest for characters that must not be sent.

    A line break in a target or header starts another header or request: RFC 9112, 2.2 and 11.1.
    Callers validate their input; this check does not rely on them.
    """
    target = f"{method}{path}{query}"
    text = "".join((target, *headers, *headers.values()))
    if not (text.isascii() and text.isprintable()) or " " in target:
        raise UnsafeRequest("The request contains a control, space or non-ASCII character.")


class _Context:
    """The part that all signatures of one minute share."""

    def __init__(self, credentials: Credentials, region: str) -> None:
        self.made_at = time.time()  # not monotonic: that clock stops while a function is frozen
        now = datetime.fromtimestamp(self.made_at, UTC)
        self.time = f"{now:%Y%m%dT%H%M%SZ}"
        self.token = credentials.token
        day = f"{now:%Y%m%d}"
        scope = f"{day}/{region}/s3/aws4_request"
        self.prefix = f"AWS4-HMAC-SHA256\n{self.time}\n{scope}\n"
        self.credential = f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}"
        key = f"AWS4{credentials.secret_key}".encode()
        for step in (day, region, "s3", "aws4_request"):
            key = hmac.digest(key, step.encode(), "sha256")
        self.key = key
